import type { Clock } from '@changeover/core';

/** How long somebody who wrote is expected to write again. */
const rememberedMs = 60_000;

/** Which keys other processes write to, as far as the data's version tells it. */
export class ForeignWriters {
  readonly #clock: Clock;
  readonly #seenMs = new WeakMap<object, number>();
  readonly #tells: boolean;

  /** @param tells the leg can tell versions: where it tells none, it doesn't look at the moment. */
  constructor(clock: Clock, tells: boolean) {
    this.#clock = clock;
    this.#tells = tells;
  }

  /**
   * Takes note of the data's version before and after a time in which this process wrote nothing to the key.
   *
   * @param state what stands for the key.
   * @param before undefined where it can't be told, as `after`.
   */
  saw(state: object, before: string | undefined, after: string | undefined): void {
    if (this.#tells && (before === undefined || before !== after))
      this.#seenMs.set(state, this.#clock.monotonicMs());
  }

  /** Whether somebody else was seen to write to the key within the last minute, or could have unseen. */
  areAt(state: object): boolean {
    const seenMs = this.#seenMs.get(state);
    return seenMs !== undefined && this.#clock.monotonicMs() - seenMs < rememberedMs;
  }
}
