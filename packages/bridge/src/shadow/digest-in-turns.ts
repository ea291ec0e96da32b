import { digestInSteps } from '@changeover/compare';
import type { Digest } from '@changeover/core';

/** Rows digested in one turn of the event loop: half a millisecond's. */
const rowsPerTurn = 2_000;

/** The digest of a result, made in turns of the event loop so that a large one holds nobody up.
 *
 * @throws the signal's reason, or what makes the result undigestible. */
export async function digestInTurns(
  result: unknown,
  kind: 'rows' | 'value',
  signal: AbortSignal,
): Promise<Digest> {
  const steps = digestInSteps(result, kind, rowsPerTurn);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
    signal.throwIfAborted();
  }
}
