import type { Clock } from '@changeover/core';
import type { Admission, CallTraits } from '../admission.ts';
import { currentContext, runInTransaction } from '../caller.ts';
import type { KeyGate } from '../key-gate.ts';

export const traits = (given: Partial<CallTraits> = {}): CallTraits => ({
  kind: 'write',
  leg: 'pooled',
  order: 'caller',
  exclusion: 'process',
  alone: false,
  legKeepsOrder: false,
  ...given,
});

/** A clock that stands still until it is told. */
export class StillClock implements Clock {
  nowMs = 0;

  monotonicMs(): number {
    return this.nowMs;
  }

  wallMs(): number {
    return this.nowMs;
  }

  after(): { cancel: () => void } {
    return { cancel: () => undefined };
  }
}

/** Makes a call the way a router does: joined to its transaction, or announced, made when admitted, and left. */
export function gatedCall<T>(
  gate: KeyGate,
  given: CallTraits,
  run: (admission: Admission | undefined) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const context = currentContext();
  let admission: Admission;
  try {
    const joined = gate.transactionOf(context);
    if (joined !== undefined) return run(joined);
    admission = gate.announce(context, given, 0, signal);
  } catch (error) {
    return Promise.reject(error);
  }
  const made = (): Promise<T> => {
    const result =
      given.kind === 'transaction'
        ? runInTransaction(admission, () => run(admission))
        : run(admission);
    return result.finally(() => {
      gate.leave(admission);
    });
  };
  return admission.ready === undefined ? made() : admission.ready.then(made);
}

/** Resolves when all that can go on without anyone's doing has gone on. */
export const settled = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });
