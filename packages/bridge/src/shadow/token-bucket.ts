import type { Clock } from '@changeover/core';

/** How much a bucket holds and how it fills. */
export interface TokenBucketOptions {
  /** The most that is kept. */
  readonly capacity: number;
  /** Tokens that come back in a second, evenly. */
  readonly perSecond: number;
  /** What it begins with. Default: its capacity. */
  readonly initial?: number | undefined;
}

/**
 * A token bucket: what was not used is kept up to a capacity, and what is used comes back at a steady rate. What a token stands
 * for is its user's: a comparison, or a millisecond of running.
 */
export class TokenBucket {
  readonly #clock: Clock;
  readonly #capacity: number;
  readonly #perMs: number;
  #level: number;
  #atMs: number;

  constructor(clock: Clock, { capacity, perSecond, initial = capacity }: TokenBucketOptions) {
    this.#clock = clock;
    this.#capacity = capacity;
    this.#perMs = perSecond / 1_000;
    this.#level = initial;
    this.#atMs = clock.monotonicMs();
  }

  /** What is there now; negative where more was spent than there was. */
  get level(): number {
    const nowMs = this.#clock.monotonicMs();
    this.#level = Math.min(this.#capacity, this.#level + (nowMs - this.#atMs) * this.#perMs);
    this.#atMs = nowMs;
    return this.#level;
  }

  /** Takes one if there is one. */
  take(): boolean {
    if (this.level < 1) return false;
    this.#level -= 1;
    return true;
  }

  /** Takes as much as was used, whether it is there or not. */
  spend(tokens: number): void {
    this.#level = this.level - tokens;
  }

  /** Puts back what was taken and not used. */
  giveBack(tokens = 1): void {
    this.#level = Math.min(this.#capacity, this.level + tokens);
  }

  /** How long until there is as much, in ms. */
  msUntil(tokens: number): number {
    return Math.max(0, tokens - this.level) / this.#perMs;
  }
}
