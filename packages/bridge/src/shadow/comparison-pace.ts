import type { Clock } from '@changeover/core';
import { TokenBucket } from './budgets.ts';
import type { CallsInFlight, EventLoopLoad } from './process-load.ts';
import type { ShadowTask, Waiting } from './waiting-tasks.ts';

/** Comparisons run while no call is in flight, or after this long regardless. */
const maxYieldMs = 20;
/** Where the event loop is busier than this, comparisons take no more than their share of the time, between calls and during them.
 * What runs between calls slows the next ones too: a database server on the same two cores answered a caller 2.2 times as slowly at half
 * of its load when all of its calls were compared, and bare reads by another connection between the calls did the same. */
const busyLoad = 0.25;
/** What of its share was not used is kept up to this, in ms of running: a few calls after a rest are all compared. */
const mostCreditMs = 1_000;

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
      capacity: mostCreditMs,
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
