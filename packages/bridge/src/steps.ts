import type { Clock, Timer } from '@changeover/core';

/**
 * Work that is done in steps, so that nothing else has to wait for all of it. Each step yields how much it did, in parts of about
 * 50 µs.
 */
export type Steps<Result> = Generator<number, Result, undefined>;

/** Parts that are done at once: about 5 ms. */
export const partsAtOnce = 100;
/** On a slow machine, or where parts turn out longer, it is fewer of them: so many, and then no longer than this. */
const [leastParts, longestMs] = [20, 5];
/** From one such piece of work to the next, in ms: a tenth of the time goes into it. */
const pauseMs = 45;

/** Does all of it now. */
export function inOneGo<Result>(steps: Steps<Result>): Result {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/**
 * Does all of it, some milliseconds at a time with a turn of the event loop in between: for a program that waits for it, and has others to
 * answer meanwhile. Rejects as the work throws.
 */
export async function inTurns<Result>(clock: Clock, steps: Steps<Result>): Promise<Result> {
  let beganMs = clock.monotonicMs();
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    if (clock.monotonicMs() - beganMs < longestMs) continue;
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
    beganMs = clock.monotonicMs();
  }
}

/** How work in steps ended. */
export type StepsEnd<Result> =
  { readonly kind: 'done'; readonly result: Result } | { readonly kind: 'failed'; error: unknown };

/**
 * Does the first steps now and the others later, {@link partsAtOnce} at a time. The end is told in the same tick where there is little
 * to do. A process may end meanwhile.
 *
 * @returns ends the work; `ended` isn't told then.
 */
export function inSlices<Result>(
  clock: Clock,
  steps: Steps<Result>,
  ended: (end: StepsEnd<Result>) => void,
): () => void {
  let timer: Timer | undefined;
  const advance = (): void => {
    try {
      const beganMs = clock.monotonicMs();
      for (let parts = 0; parts < partsAtOnce;) {
        if (parts >= leastParts && clock.monotonicMs() - beganMs >= longestMs) break;
        const step = steps.next();
        if (step.done === true) {
          ended({ kind: 'done', result: step.value });
          return;
        }
        parts += step.value;
      }
    } catch (error) {
      ended({ kind: 'failed', error });
      return;
    }
    timer = clock.after(pauseMs, advance);
  };
  advance();
  return () => {
    timer?.cancel();
    steps.return(undefined as never);
  };
}
