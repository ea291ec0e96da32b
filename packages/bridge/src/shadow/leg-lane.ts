import type { Clock, ShadowLeg } from '@changeover/core';

/** How long to wait before the leg is asked again whether it has room, in ms. */
const firstWaitMs = 1;
const longestWaitMs = 20;
/** On a leg where an answering call waits at all times, a shadow call takes its place among them after this long, in ms: what is
 * never asked again is never confirmed. */
const patienceMs = 250;
/** So it does for no more than this share of the time. */
const impatientShare = 0.05;

/**
 * Lets one shadow call at a time onto a leg, and only when no answering call waits there: the legacy singleton is one
 * queue for all keys of its engine, so that a key on `reverse` must not slow another that is still on `legacy`. Where there
 * is no such moment, it gets a twentieth of the time.
 */
export class LegLane {
  readonly #shadow: ShadowLeg | undefined;
  readonly #clock: Clock;
  #tail: Promise<void> = Promise.resolve();
  /** No call goes among those that wait before this, by the monotonic clock. */
  #restUntilMs = -Infinity;

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
      const admitted = await this.#room(signal);
      const startedMs = this.#clock.monotonicMs();
      try {
        return await call();
      } finally {
        if (!admitted) this.#rest(startedMs);
      }
    } finally {
      pass(undefined);
    }
  }

  /** The time that a call took is mostly that of the calls ahead of it, and yet no better is known. */
  #rest(startedMs: number): void {
    const nowMs = this.#clock.monotonicMs();
    this.#restUntilMs = nowMs + (nowMs - startedMs) * (1 / impatientShare - 1);
  }

  /** False where the leg has none and it was waited for long enough. */
  async #room(signal: AbortSignal): Promise<boolean> {
    const overMs = this.#clock.monotonicMs() + patienceMs;
    for (
      let waitMs = firstWaitMs;
      this.#shadow?.admits() === false;
      waitMs = Math.min(waitMs * 2, longestWaitMs)
    ) {
      if (this.#clock.monotonicMs() >= Math.max(overMs, this.#restUntilMs)) return false;
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
    return true;
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
