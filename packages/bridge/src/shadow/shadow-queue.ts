import type { Clock, Timer } from '@changeover/core';
import { CallsInFlight, EventLoopLoad } from './process-load.ts';
import type { ShedReason } from '../recorder/shed-reason.ts';
import { TokenBucket } from './budgets.ts';

/** How much comparison work may be under way at once. */
export interface ShadowQueueOptions {
  /** Comparisons running at once. Default: 4. */
  readonly maxConcurrent?: number | undefined;
  /** Comparisons waiting; more are shed. Default: 256. */
  readonly maxQueued?: number | undefined;
  /** A comparison that would have to wait longer than this, in ms, is shed: one that comes late mostly finds that a write
   * came between, and tells nothing. Default: 50. */
  readonly maxWaitMs?: number | undefined;
  /** Rows that waiting and running comparisons may hold together; an answer that would be more is not compared. Default: 200,000. */
  readonly maxHeldRows?: number | undefined;
  /** Work that outlived its deadline and doesn't end; at this number no more is begun until some ends. Default: 16. */
  readonly maxAbandoned?: number | undefined;
  /** Share of the time in which comparisons may run where the event loop is busy, after a first second of them, so that nearly all
   * calls are made as if nothing were compared. 1: callers are not waited for at all. Default: 0.1. */
  readonly busyShare?: number | undefined;
  /** Comparisons by quota running at once, beside the others. Default: 8. */
  readonly maxQuotaConcurrent?: number | undefined;
  /** A comparison by quota waits up to this long for its turn, in ms, where the event loop is busy. Default: 10,000. */
  readonly maxQuotaWaitMs?: number | undefined;
  /** A comparison is shed when the event loop comes to it later than this, in ms: the process has no time to spare.
   * Default: 500. */
  readonly maxLateMs?: number | undefined;
}

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
const longestRestMs = 1_000;

/** One piece of comparison work. Neither function may throw for long: what they throw is swallowed by {@link ShadowQueue}. */
export interface ShadowTask {
  /** How long it may take from now on, waiting included, in ms. */
  readonly deadlineMs: number;
  /** Rows that it holds until it has ended. Default: none. */
  readonly rows?: number | undefined;
  /** It is of its shape's quota: where there is no time for what all share, it waits instead of being shed, and goes first.
   * Default: false. */
  readonly quota?: boolean | undefined;
  /** How many of its shape were compared: what was compared least goes first. Default: 0. */
  readonly compared?: number | undefined;
  /** What it takes of the machine, in ms, as far as the same call of a caller shows. On a busy event loop the time from its beginning
   * to its end is mostly spent waiting for its turn, which costs nobody anything. Default: the time that it takes. */
  readonly costMs?: number | undefined;
  /** Does the work. The signal is aborted at the deadline and at shutdown. */
  run(signal: AbortSignal): Promise<void>;
  /** Told when the work was not begun, or not ended in time. */
  shed(reason: ShedReason): void;
}

interface Running {
  readonly controller: AbortController;
  giveUp(reason: ShedReason): void;
}

interface Waiting {
  readonly task: ShadowTask;
  readonly submittedMs: number;
}

/**
 * Runs comparison work in the background, bounded in every direction: at once, waiting, in time, and in what never ends.
 * Nothing here waits on a caller's path and nothing throws to one.
 */
export class ShadowQueue {
  readonly #clock: Clock;
  readonly #maxConcurrent: number;
  readonly #maxQueued: number;
  readonly #maxAbandoned: number;
  readonly #maxHeldRows: number;
  readonly #maxWaitMs: number;
  readonly #maxLateMs: number;
  readonly #calls: CallsInFlight;
  readonly #load: Pick<EventLoopLoad, 'share' | 'cpuShare'>;
  readonly #busyShare: number;
  readonly #maxQuotaConcurrent: number;
  readonly #maxQuotaWaitMs: number;
  readonly #waiting: Waiting[] = [];
  readonly #waitingByQuota: Waiting[] = [];
  #runningByQuota = 0;
  readonly #running = new Set<Running>();
  #abandoned = 0;
  #heldRows = 0;
  /** How long a task usually runs, in ms: a moving average. */
  #usualMs = 0;
  #closed = false;
  #scheduled = false;
  #again: Timer | undefined;
  #againMs = 0;
  /** How long work may run yet where the event loop is busy, in ms, as of a moment. Nothing begins where it is negative. */
  readonly #credit: TokenBucket;
  readonly #quotaCredit: TokenBucket;
  #whenIdle: (() => void)[] = [];

  /**
   * @param calls whose answers callers wait for; work waits for a moment without any. Default: none ever.
   * @param load how busy the event loop is and how much of a core it has, from 0 to 1. Default: this thread's.
   */
  constructor(
    clock: Clock,
    options: ShadowQueueOptions = {},
    calls: CallsInFlight = new CallsInFlight(),
    load: Pick<EventLoopLoad, 'share' | 'cpuShare'> = new EventLoopLoad(clock),
  ) {
    this.#clock = clock;
    this.#load = load;
    this.#calls = calls;
    calls.onNone(() => {
      if (this.#waits) this.#schedule();
    });
    this.#maxConcurrent = options.maxConcurrent ?? 4;
    this.#maxQueued = options.maxQueued ?? 256;
    this.#maxAbandoned = options.maxAbandoned ?? 16;
    this.#maxHeldRows = options.maxHeldRows ?? 200_000;
    this.#maxWaitMs = options.maxWaitMs ?? 50;
    this.#maxLateMs = options.maxLateMs ?? 500;
    this.#busyShare = options.busyShare ?? 0.1;
    this.#maxQuotaConcurrent = options.maxQuotaConcurrent ?? 8;
    this.#maxQuotaWaitMs = options.maxQuotaWaitMs ?? 10_000;
    const perSecond = this.#busyShare * 1_000;
    this.#credit = new TokenBucket(clock, { capacity: mostCreditMs, perSecond });
    this.#quotaCredit = new TokenBucket(clock, {
      capacity: mostQuotaCreditMs,
      perSecond: quotaShare * 1_000,
    });
  }

  /** Why work submitted now would be shed at once; asked first, it saves making what would be thrown away. */
  get refusal(): ShedReason | undefined {
    if (this.#closed) return 'closing';
    if (this.#abandoned >= this.#maxAbandoned) return 'breaker-open';
    if (this.#waiting.length >= this.#maxQueued) return 'queue-full';
    if (this.#isBusy) return this.#isHeldUp() ? 'busy' : undefined;
    return (this.#waiting.length * this.#usualMs) / this.#maxConcurrent > this.#maxWaitMs
      ? 'queue-full'
      : undefined;
  }

  /** Why work that holds so many rows would be shed at once. */
  refusalOf(rows: number, quota = false): ShedReason | undefined {
    const tooMany = rows > 0 && this.#heldRows > 0 && this.#heldRows + rows > this.#maxHeldRows;
    if (tooMany) return 'queue-full';
    if (!quota) return this.refusal;
    if (this.#closed) return 'closing';
    if (this.#abandoned >= this.#maxAbandoned) return 'breaker-open';
    return this.#waitingByQuota.length >= this.#maxQueued ? 'queue-full' : undefined;
  }

  /** How many tasks run and wait. */
  get load(): { readonly running: number; readonly waiting: number; readonly abandoned: number } {
    return {
      running: this.#running.size,
      waiting: this.#waiting.length + this.#waitingByQuota.length,
      abandoned: this.#abandoned,
    };
  }

  /** Takes the task or sheds it at once. It is begun in a later turn of the event loop, after the caller has its answer. */
  submit(task: ShadowTask): void {
    const refusal = this.refusalOf(task.rows ?? 0, task.quota);
    if (refusal !== undefined && !(refusal === 'queue-full' && this.#displaced(task))) {
      task.shed(refusal);
      return;
    }
    this.#heldRows += task.rows ?? 0;
    (task.quota === true ? this.#waitingByQuota : this.#waiting).push({
      task,
      submittedMs: this.#clock.monotonicMs(),
    });
    this.#schedule();
  }

  /** Resolves when nothing runs and nothing waits. Abandoned work doesn't count. */
  idle(): Promise<void> {
    if (this.#running.size === 0 && !this.#waits) return Promise.resolve();
    return new Promise((resolve) => {
      // Nothing else here keeps the process alive, and whoever waits wants the answer.
      const alive = setInterval(() => undefined, 1_000);
      this.#whenIdle.push(() => {
        clearInterval(alive);
        resolve();
      });
    });
  }

  /** Sheds what waits, aborts what runs. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#again?.cancel();
    const waiting = [...this.#waitingByQuota.splice(0), ...this.#waiting.splice(0)];
    for (const { task } of waiting) this.#drop(task, 'closing');
    for (const running of this.#running) {
      running.controller.abort(new Error('the bridge is closing'));
      running.giveUp('closing');
    }
    this.#settleIdle();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    const scheduledMs = this.#clock.monotonicMs();
    setImmediate(() => {
      this.#scheduled = false;
      this.#startNext(this.#clock.monotonicMs() - scheduledMs > this.#maxLateMs);
    });
  }

  get #waits(): boolean {
    return this.#waiting.length > 0 || this.#waitingByQuota.length > 0;
  }

  #startNext(late: boolean): void {
    this.#startByQuota();
    while (this.#running.size - this.#runningByQuota < this.#maxConcurrent) {
      const [oldest] = this.#waiting;
      if (oldest === undefined) break;
      const nowMs = this.#clock.monotonicMs();
      const fromMs = this.#mayBeginMs(oldest, nowMs);
      const heldUp = fromMs > nowMs && nowMs - oldest.submittedMs > this.#maxWaitMs;
      if (fromMs > nowMs && !heldUp) {
        this.#lookAgain(fromMs, oldest.submittedMs + this.#maxWaitMs, nowMs);
        break;
      }
      const next = heldUp ? this.#waiting.shift() : takeLeastCompared(this.#waiting);
      if (next === undefined) break;
      const leftMs = next.task.deadlineMs - (nowMs - next.submittedMs);
      if (late) this.#drop(next.task, 'event-loop-late');
      else if (leftMs <= 0) this.#drop(next.task, 'deadline');
      else if (this.#abandoned >= this.#maxAbandoned) this.#drop(next.task, 'breaker-open');
      else if (heldUp) this.#drop(next.task, 'busy');
      else this.#start(next.task, leftMs);
    }
    this.#settleIdle();
  }

  /** Begins what is of its shape's quota, as far as its own share of the time goes. It waits for nothing but that and a moment
   * without calls: neither for what all share nor for an event loop that comes late. */
  #startByQuota(): void {
    while (this.#runningByQuota < this.#maxQuotaConcurrent) {
      const [oldest] = this.#waitingByQuota;
      if (oldest === undefined) break;
      const nowMs = this.#clock.monotonicMs();
      const overMs = oldest.submittedMs + this.#maxQuotaWaitMs;
      let fromMs = this.#courteousMs(oldest, nowMs);
      if (this.#isBusy) fromMs = Math.max(fromMs, this.#quotaFromMs(oldest, nowMs));
      if (fromMs > nowMs && overMs >= nowMs) {
        this.#lookAgain(fromMs, overMs, nowMs);
        break;
      }
      const next =
        fromMs > nowMs ? this.#waitingByQuota.shift() : takeLeastCompared(this.#waitingByQuota);
      if (next === undefined) break;
      if (fromMs > nowMs) this.#drop(next.task, 'busy');
      else if (this.#abandoned >= this.#maxAbandoned) this.#drop(next.task, 'breaker-open');
      else this.#start(next.task, next.task.deadlineMs);
    }
  }

  /** One at a time goes on even where their share is used up, so that none waits for good. */
  #quotaFromMs({ submittedMs }: Waiting, nowMs: number): number {
    const creditMs = nowMs + this.#quotaCredit.msUntil(0);
    return this.#runningByQuota > 0 ? creditMs : Math.min(creditMs, submittedMs + longestRestMs);
  }

  /** Makes room for work of a shape that was compared less than one that waits. */
  #displaced(task: ShadowTask): boolean {
    if (task.quota === true || this.#waiting.length < this.#maxQueued || this.#closed) return false;
    const most = this.#waiting.reduce((one, other) =>
      comparedOf(other.task) > comparedOf(one.task) ? other : one,
    );
    if (comparedOf(most.task) <= comparedOf(task)) return false;
    this.#waiting.splice(this.#waiting.indexOf(most), 1);
    this.#drop(most.task, 'queue-full');
    return true;
  }

  #drop(task: ShadowTask, reason: ShedReason): void {
    this.#heldRows -= task.rows ?? 0;
    task.shed(reason);
  }

  /** Whether work submitted now would wait too long because the event loop is busy. */
  #isHeldUp(): boolean {
    const nowMs = this.#clock.monotonicMs();
    const oldestMs = nowMs - (this.#waiting[0]?.submittedMs ?? nowMs);
    const running = this.#running.size - this.#runningByQuota;
    const aheadMs = (this.#waiting.length + running) * this.#usualMs;
    return (
      (oldestMs > maxYieldMs && running < this.#maxConcurrent) ||
      this.#credit.msUntil(aheadMs) > this.#maxWaitMs
    );
  }

  get #isBusy(): boolean {
    return this.#busyShare < 1 && this.#load.share >= busyLoad;
  }

  /** When the work may begin for all that callers do. */
  #mayBeginMs(waiting: Waiting, nowMs: number): number {
    const courteousMs = this.#courteousMs(waiting, nowMs);
    if (!this.#isBusy) return courteousMs;
    return this.#calls.any && this.#running.size > 0
      ? Infinity
      : Math.max(courteousMs, nowMs + this.#credit.msUntil(0));
  }

  #courteousMs({ submittedMs }: Waiting, nowMs: number): number {
    return this.#busyShare < 1 && this.#calls.any ? submittedMs + maxYieldMs : nowMs;
  }

  /** What runs looks again by itself when it ends. Nobody tells when the event loop has become less busy. */
  #lookAgain(fromMs: number, overMs: number, nowMs: number): void {
    if (fromMs === Infinity) return;
    const againMs = Math.min(fromMs, overMs + 1, nowMs + longestRestMs);
    if (this.#again !== undefined && this.#againMs <= againMs) return;
    this.#again?.cancel();
    this.#againMs = againMs;
    this.#again = this.#clock.after(againMs - nowMs, () => {
      this.#again = undefined;
      this.#schedule();
    });
  }

  #start(task: ShadowTask, leftMs: number): void {
    const controller = new AbortController();
    const startedMs = this.#clock.monotonicMs();
    let ended = false;
    const release = (): void => {
      this.#running.delete(running);
      this.#heldRows -= task.rows ?? 0;
      this.#charge(task, this.#clock.monotonicMs() - startedMs);
      this.#schedule();
    };
    const giveUp = (reason: ShedReason): void => {
      if (ended || !this.#running.has(running)) return;
      this.#abandoned += 1;
      task.shed(reason);
      release();
    };
    const running: Running = { controller, giveUp };
    this.#running.add(running);
    if (task.quota === true) this.#runningByQuota += 1;
    const timer = this.#clock.after(leftMs, () => {
      controller.abort(new Error(`the shadow's deadline of ${String(task.deadlineMs)} ms passed`));
      giveUp('deadline');
    });
    const end = (): void => {
      ended = true;
      timer.cancel();
      if (this.#running.has(running)) release();
      else this.#abandoned -= 1;
    };
    // The task reports by itself; an error that escapes it must not end the process.
    task.run(controller.signal).then(end, end);
  }

  /** Both shares pay for what is of a quota, so that all comparisons together take little more than the one. */
  #charge(task: ShadowTask, tookMs: number): void {
    if (task.quota !== true) {
      this.#usualMs += (tookMs - this.#usualMs) / 8;
      if (this.#isBusy) this.#credit.spend(tookMs);
      return;
    }
    this.#runningByQuota -= 1;
    if (!this.#isBusy) return;
    const costMs = Math.min(tookMs, task.costMs ?? tookMs) * this.#load.cpuShare;
    this.#quotaCredit.spend(costMs);
    this.#credit.spend(costMs);
  }

  #settleIdle(): void {
    if (this.#running.size > 0 || this.#waits) return;
    for (const resolve of this.#whenIdle.splice(0)) resolve();
  }
}

function comparedOf({ compared }: ShadowTask): number {
  return compared ?? 0;
}

/** Takes out what was compared least; of several the one that waits longest. */
function takeLeastCompared(waiting: Waiting[]): Waiting | undefined {
  let least = 0;
  for (const [at, { task }] of waiting.entries())
    if (comparedOf(task) < comparedOf((waiting[least] as Waiting).task)) least = at;
  return waiting.splice(least, 1)[0];
}
