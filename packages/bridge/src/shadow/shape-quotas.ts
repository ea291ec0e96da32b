import type { Clock } from '@changeover/core';
import type { ShapeCounts } from '../recorder/shape-counts.ts';
import { TokenBucket } from './token-bucket.ts';

/** How many comparisons each shape of call gets ahead of the budget that all share. */
export interface ShapeQuotaOptions {
  /** Comparisons of one shape that are made as soon as it is seen. Default: 20. */
  readonly first?: number | undefined;
  /** Further ones of each shape, a minute. Default: 20. */
  readonly perMinute?: number | undefined;
  /** All shapes together, a second: what quotas may add to the load at most. Default: 50. */
  readonly perSecond?: number | undefined;
}

/** All that comes at once, when many shapes are seen for the first time, in seconds of the common rate. */
const burstSeconds = 2;

/**
 * Says which calls are compared ahead of the shared budget: the first ones of each shape, and a few a minute from then on, so that
 * a call which is made once an hour is looked at beside one that is made a thousand times a second.
 */
export class ShapeQuotas {
  readonly #clock: Clock;
  readonly #first: number;
  readonly #perMinute: number;
  readonly #common: TokenBucket;
  readonly #commonCapacity: number;
  /** Goes with the counts, which are let go when nobody uses them. */
  readonly #own = new WeakMap<ShapeCounts, TokenBucket>();

  constructor(clock: Clock, options: ShapeQuotaOptions = {}) {
    this.#clock = clock;
    this.#first = options.first ?? 20;
    this.#perMinute = options.perMinute ?? 20;
    const perSecond = options.perSecond ?? 50;
    this.#commonCapacity = perSecond * burstSeconds;
    this.#common = new TokenBucket(clock, { capacity: this.#commonCapacity, perSecond });
  }

  /** Takes one comparison of the shape's quota, if there is one. */
  take(shape: ShapeCounts): boolean {
    let own = this.#own.get(shape);
    if (own === undefined) {
      own = new TokenBucket(this.#clock, {
        capacity: this.#first,
        perSecond: this.#perMinute / 60,
      });
      this.#own.set(shape, own);
    }
    // Where there are too many shapes for the common rate, those that had least go first.
    const hadHalf = own.level < this.#first / 2;
    if (hadHalf && this.#common.level < this.#commonCapacity / 2) return false;
    if (own.level < 1 || !this.#common.take()) return false;
    own.spend(1);
    return true;
  }

  /** Gives back what was taken for a comparison that was not begun. */
  giveBack(shape: ShapeCounts): void {
    this.#own.get(shape)?.giveBack();
    this.#common.giveBack();
  }
}
