import type { Clock, LegName } from '@changeover/core';
import type { ShapeCounts } from '../recorder/cell.ts';
import type { CallsInFlight, EventLoopLoad } from './process-load.ts';
import type { ShadowTask, Waiting } from './shadow-task.ts';

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

/** How each leg answered an operation when it was last run as the shadow. */
export type ShadowStyles = Readonly<Record<LegName, AnswerStyle>>;

/**
 * What synchronous shadow calls cost the event loop, and whether the next one may be made: a call that answers at once holds up
 * every caller while it runs, so it can't be given up at a deadline.
 */
export class LoopBudget {
  readonly #clock: Clock;
  readonly #styles = new Map<string, Record<LegName, AnswerStyle>>();
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

  /** How the legs answered this operation; it is kept up to date, for it is read at calls. */
  styles(operation: string): ShadowStyles {
    return this.#stylesOf(operation);
  }

  /** Whether the shadow may be run now. What was never seen may: that is how it is learned.
   *
   * @param quota the comparison is of its shape's quota. */
  admits(leg: LegName, operation: string, quota = false): boolean {
    if (this.#stylesOf(operation)[leg] !== 'at-once') return true;
    return (
      this.#credit.level > (quota ? -quotaDebtMs : 0) &&
      this.#clock.monotonicMs() >= (this.#resumeMs.get(`${leg} ${operation}`) ?? -Infinity)
    );
  }

  /** Notes a run that held the event loop for so long. */
  took(leg: LegName, operation: string, ms: number): void {
    this.#stylesOf(operation)[leg] = 'at-once';
    this.#credit.spend(ms);
    if (ms > longestRunMs)
      this.#resumeMs.set(`${leg} ${operation}`, this.#clock.monotonicMs() + pauseMs);
  }

  /** Notes that the leg answered with a promise. */
  answersLater(leg: LegName, operation: string): void {
    this.#stylesOf(operation)[leg] = 'later';
  }

  #stylesOf(operation: string): Record<LegName, AnswerStyle> {
    let styles = this.#styles.get(operation);
    if (styles === undefined) {
      styles = { legacy: undefined, pooled: undefined };
      this.#styles.set(operation, styles);
    }
    return styles;
  }
}

/** Comparisons run while no call is in flight, or after this long regardless. */
const maxYieldMs = 20;
/** Where the event loop is busier than this, comparisons take no more than their share of the time, between calls and during them.
 * What runs between calls slows the next ones too: a database server on the same two cores answered a caller 2.2 times as slowly at half
 * of its load when all of its calls were compared, and bare reads by another connection between the calls did the same. */
const busyLoad = 0.25;
/** What of its share was not used is kept up to this, in ms of running: a few calls after a rest are all compared. */
const mostSharedCreditMs = 1_000;

/** Share of the time that comparisons by quota may take where the event loop is busy, and what of it is kept, in ms. */
const quotaShare = 0.1;
const mostQuotaCreditMs = 500;
/** Where that is used up, one of them is begun all the same when it has waited for so long, in ms, and no other runs. */
export const longestRestMs = 1_000;

/** What the pace goes by. */
export interface PaceOptions {
  readonly clock: Clock;
  readonly calls: Pick<CallsInFlight, 'any'>;
  readonly load: Pick<EventLoopLoad, 'share' | 'cpuShare'>;
  /** Share of the time in which comparisons may run where the event loop is busy; 1: callers are not waited for at all. */
  readonly busyShare: number;
}

/** Says when comparisons may begin so that callers hardly notice: in moments without calls, and on a busy event loop for a share of the
 * time, which what has run is charged to. */
export class ComparisonPace {
  readonly #clock: Clock;
  readonly #calls: Pick<CallsInFlight, 'any'>;
  readonly #load: Pick<EventLoopLoad, 'share' | 'cpuShare'>;
  readonly #busyShare: number;
  /** How long work may run yet where the event loop is busy, in ms, as of a moment. Nothing begins where it is negative. */
  readonly #credit: TokenBucket;
  readonly #quotaCredit: TokenBucket;
  #usualMs = 0;

  constructor({ clock, calls, load, busyShare }: PaceOptions) {
    this.#clock = clock;
    this.#calls = calls;
    this.#load = load;
    this.#busyShare = busyShare;
    this.#credit = new TokenBucket(clock, {
      capacity: mostSharedCreditMs,
      perSecond: busyShare * 1_000,
    });
    this.#quotaCredit = new TokenBucket(clock, {
      capacity: mostQuotaCreditMs,
      perSecond: quotaShare * 1_000,
    });
  }

  /** How long a task usually runs, in ms: a moving average. */
  get usualMs(): number {
    return this.#usualMs;
  }

  get isBusy(): boolean {
    return this.#busyShare < 1 && this.#load.share >= busyLoad;
  }

  /** Whether work has waited for longer than callers alone hold it up. */
  isHeldUp({ submittedMs }: Waiting): boolean {
    return this.#clock.monotonicMs() - submittedMs > maxYieldMs;
  }

  /** How long it takes on a busy event loop until so many tasks may have run, in ms. */
  msUntilRun(tasks: number): number {
    return this.#credit.msUntil(tasks * this.#usualMs);
  }

  /** When the work may begin for all that callers do; `Infinity` until what runs has ended. */
  beginMs(waiting: Waiting, nowMs: number, anyRuns: boolean): number {
    const betweenCallsMs = this.#betweenCallsMs(waiting, nowMs);
    if (!this.isBusy) return betweenCallsMs;
    return this.#calls.any && anyRuns
      ? Infinity
      : Math.max(betweenCallsMs, nowMs + this.#credit.msUntil(0));
  }

  /** The same for work by quota. One at a time goes on even where their share is used up, so that none waits for good. */
  quotaBeginMs(waiting: Waiting, nowMs: number, anyByQuotaRuns: boolean): number {
    const betweenCallsMs = this.#betweenCallsMs(waiting, nowMs);
    if (!this.isBusy) return betweenCallsMs;
    const creditMs = nowMs + this.#quotaCredit.msUntil(0);
    const restMs = anyByQuotaRuns ? Infinity : waiting.submittedMs + longestRestMs;
    return Math.max(betweenCallsMs, Math.min(creditMs, restMs));
  }

  /** Counts what has run. Both shares pay for what is of a quota, so that all comparisons together take little more than the one. */
  charge(task: ShadowTask, tookMs: number): void {
    if (task.quota !== true) {
      this.#usualMs += (tookMs - this.#usualMs) / 8;
      if (this.isBusy) this.#credit.spend(tookMs);
      return;
    }
    if (!this.isBusy) return;
    const costMs = Math.min(tookMs, task.costMs ?? tookMs) * this.#load.cpuShare;
    this.#quotaCredit.spend(costMs);
    this.#credit.spend(costMs);
  }

  #betweenCallsMs({ submittedMs }: Waiting, nowMs: number): number {
    return this.#busyShare < 1 && this.#calls.any ? submittedMs + maxYieldMs : nowMs;
  }
}
