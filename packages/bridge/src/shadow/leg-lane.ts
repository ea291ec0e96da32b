import type { Clock, ShadowLeg } from '@changeover/core';

/** How long to wait before the leg is asked again whether it has room, in ms. */
const firstWaitMs = 1;
const longestWaitMs = 20;

/**
 * Lets one shadow call at a time onto a leg, and only when no answering call waits there: the legacy singleton is one
 * queue for all datasets of its engine, so that a dataset on `reverse` must not slow another that is still on `legacy`.
 */
export class LegLane {
  readonly #shadow: ShadowLeg | undefined;
  readonly #clock: Clock;
  #tail: Promise<void> = Promise.resolve();

  constructor(shadow: ShadowLeg | undefined, clock: Clock) {
    this.#shadow = shadow;
    this.#clock = clock;
  }

  /**
   * Runs `call` when its turn has come and the leg has room. A call whose signal is aborted before that is not made; one
   * that never ends keeps the lane, as it keeps the leg.
   *
   * @throws the signal's reason, or what `call` throws.
   */
  async run<T>(signal: AbortSignal, call: () => Promise<T>): Promise<T> {
    const before = this.#tail;
    const { promise: turn, resolve: pass } = Promise.withResolvers<undefined>();
    this.#tail = turn;
    try {
      await unlessAborted(signal, before);
      await this.#room(signal);
      return await call();
    } finally {
      pass(undefined);
    }
  }

  async #room(signal: AbortSignal): Promise<void> {
    for (
      let waitMs = firstWaitMs;
      this.#shadow?.admits() === false;
      waitMs = Math.min(waitMs * 2, longestWaitMs)
    ) {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      const timer = this.#clock.after(waitMs, () => {
        resolve(undefined);
      });
      try {
        await unlessAborted(signal, promise);
      } finally {
        timer.cancel();
      }
    }
  }
}

/** `promise`, or a rejection with the signal's reason as soon as it is aborted. What `promise` does later is nobody's
 * concern; its rejection is no unhandled one. */
function unlessAborted<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  const { promise: result, resolve, reject } = Promise.withResolvers<T>();
  const abort = (): void => {
    reject(signal.reason as Error);
  };
  if (signal.aborted) abort();
  else signal.addEventListener('abort', abort, { once: true });
  promise
    .then(resolve, reject)
    .finally(() => {
      signal.removeEventListener('abort', abort);
    })
    .catch(() => undefined);
  return result;
}
