import type { Clock, LegName } from '@changeover/core';
import type { ShapeCounts } from '../recorder/cell.ts';

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

/** How slowly a cost rises towards what calls take now: a call that waited behind others says little of what it takes by itself. */
const riseShare = 1 / 16;

/**
 * What a call of each shape takes of the machine, in ms, as far as its callers' calls show. Where ten wait for one connection, or for
 * one core, nine tenths of the time that a call takes are the others', and the shortest of the latest calls are nearest to what it
 * takes by itself.
 */
export class ShapeCosts {
  /** Goes with the counts, which are let go when nobody uses them. */
  readonly #costs = new WeakMap<ShapeCounts, number>();

  /** @param inFlight calls that were under way when this one ended, itself included. */
  note(shape: ShapeCounts, tookMs: number, inFlight: number): void {
    const ownMs = tookMs / Math.max(1, inFlight);
    const cost = this.#costs.get(shape) ?? ownMs;
    this.#costs.set(shape, ownMs < cost ? ownMs : cost + (ownMs - cost) * riseShare);
  }

  /** Undefined before the first call. */
  of(shape: ShapeCounts): number | undefined {
    return this.#costs.get(shape);
  }
}

/** The share of the time that synchronous shadow calls may take from the event loop, all operations together. */
const loopShare = 0.02;
/** A longer run is noticed by the callers that wait meanwhile: the operation is left out for {@link pauseMs}. */
const longestRunMs = 5;
const pauseMs = 60_000;
/** What was not used is kept up to this, in ms of running. */
const mostCreditMs = 50;
const firstCreditMs = 20;
/** What is of a shape's quota may run into debt by so much, which all others then wait for: a hot operation that uses up the share
 * holds none of it up. */
const quotaDebtMs = 20;

/** How a leg answers an operation, as far as was seen. */
export type AnswerStyle = 'at-once' | 'later' | undefined;

/**
 * What synchronous shadow calls cost the event loop, and whether the next one may be made: a call that answers at once holds up
 * every caller while it runs, so it can't be given up at a deadline.
 */
export class LoopBudget {
  readonly #clock: Clock;
  /** By leg and operation: asked at calls, so no name is put together for it. */
  readonly #styles: Readonly<Record<LegName, Map<string, AnswerStyle>>> = {
    legacy: new Map(),
    pooled: new Map(),
  };
  readonly #resumeMs = new Map<string, number>();
  readonly #credit: TokenBucket;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#credit = new TokenBucket(clock, {
      capacity: mostCreditMs,
      perSecond: loopShare * 1_000,
      initial: firstCreditMs,
    });
  }

  /** How the leg answered this operation when it was last run as the shadow. */
  style(leg: LegName, operation: string): AnswerStyle {
    return this.#styles[leg].get(operation);
  }

  /** Whether the shadow may be run now. What was never seen may: that is how it is learned.
   *
   * @param quota the comparison is of its shape's quota. */
  admits(leg: LegName, operation: string, quota = false): boolean {
    if (this.style(leg, operation) !== 'at-once') return true;
    return (
      this.#credit.level > (quota ? -quotaDebtMs : 0) &&
      this.#clock.monotonicMs() >= (this.#resumeMs.get(`${leg} ${operation}`) ?? -Infinity)
    );
  }

  /** Notes a run that held the event loop for so long. */
  took(leg: LegName, operation: string, ms: number): void {
    this.#styles[leg].set(operation, 'at-once');
    this.#credit.spend(ms);
    if (ms > longestRunMs)
      this.#resumeMs.set(`${leg} ${operation}`, this.#clock.monotonicMs() + pauseMs);
  }

  /** Notes that the leg answered with a promise. */
  answersLater(leg: LegName, operation: string): void {
    this.#styles[leg].set(operation, 'later');
  }
}
