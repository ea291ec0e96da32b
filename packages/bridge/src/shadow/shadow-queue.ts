import type { Clock, Timer } from '@changeover/core';
import type { ShedReason } from '../recorder/shed-reason.ts';
import { ComparisonPace, longestRestMs } from './budgets.ts';
import { CallsInFlight, EventLoopLoad } from './process-load.ts';
import { parseLimits, type QueueLimits, type ShadowQueueOptions } from './queue-limits.ts';
import type { ShadowTask, Waiting } from './shadow-task.ts';

/**
 * Runs comparison work in the background, bounded in every direction: at once, waiting, in time, and in what never ends.
 * Nothing here waits on a caller's path and nothing throws to one.
 */
export class ShadowQueue {
  readonly #clock: Clock;
  readonly #limits: QueueLimits;
  readonly #pace: ComparisonPace;
  readonly #running: RunningTasks;
  readonly #next: NextLook;
  readonly #waiting = new WaitingTasks();
  readonly #waitingByQuota = new WaitingTasks();
  #heldRows = 0;
  #closed = false;
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
    this.#limits = parseLimits(options);
    this.#pace = new ComparisonPace({ clock, calls, load, busyShare: this.#limits.busyShare });
    this.#running = new RunningTasks(clock, (task, tookMs) => {
      this.#heldRows -= task.rows ?? 0;
      this.#pace.charge(task, tookMs);
      this.#next.soon();
    });
    this.#next = new NextLook(clock, (lateMs) => {
      this.#startNext(lateMs > this.#limits.maxLateMs);
    });
    calls.onNone(() => {
      if (this.#waits()) this.#next.soon();
    });
  }

  /** Why work submitted now would be shed at once; asked first, it saves making what would be thrown away. */
  get refusal(): ShedReason | undefined {
    const { maxQueued, maxConcurrent, maxWaitMs } = this.#limits;
    if (this.#closed) return 'closing';
    if (this.#isBroken) return 'breaker-open';
    if (this.#waiting.count >= maxQueued) return 'queue-full';
    if (this.#pace.isBusy) return this.#isHeldUp() ? 'busy' : undefined;
    return (this.#waiting.count * this.#pace.usualMs) / maxConcurrent > maxWaitMs
      ? 'queue-full'
      : undefined;
  }

  /** Why work that holds so many rows would be shed at once. */
  refusalOf(rows: number, quota = false): ShedReason | undefined {
    const { maxHeldRows, maxQueued } = this.#limits;
    const tooMany = rows > 0 && this.#heldRows > 0 && this.#heldRows + rows > maxHeldRows;
    if (tooMany) return 'queue-full';
    if (!quota) return this.refusal;
    if (this.#closed) return 'closing';
    if (this.#isBroken) return 'breaker-open';
    return this.#waitingByQuota.count >= maxQueued ? 'queue-full' : undefined;
  }

  /** How many tasks run and wait. */
  get load(): { readonly running: number; readonly waiting: number; readonly abandoned: number } {
    return {
      running: this.#running.count,
      waiting: this.#waiting.count + this.#waitingByQuota.count,
      abandoned: this.#running.abandoned,
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
    (task.quota === true ? this.#waitingByQuota : this.#waiting).add({
      task,
      submittedMs: this.#clock.monotonicMs(),
    });
    this.#next.soon();
  }

  /** Resolves when nothing runs and nothing waits. Abandoned work doesn't count. */
  idle(): Promise<void> {
    if (this.#running.count === 0 && !this.#waits()) return Promise.resolve();
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
    this.#next.cancel();
    const waiting = [...this.#waitingByQuota.takeAll(), ...this.#waiting.takeAll()];
    for (const { task } of waiting) this.#drop(task, 'closing');
    this.#running.close();
    this.#settleIdle();
  }

  #waits(): boolean {
    return this.#waiting.count > 0 || this.#waitingByQuota.count > 0;
  }

  get #isBroken(): boolean {
    return this.#running.abandoned >= this.#limits.maxAbandoned;
  }

  #startNext(late: boolean): void {
    this.#startByQuota();
    const { maxConcurrent, maxWaitMs } = this.#limits;
    while (this.#running.shared < maxConcurrent) {
      const { oldest } = this.#waiting;
      if (oldest === undefined) break;
      const nowMs = this.#clock.monotonicMs();
      const fromMs = this.#pace.beginMs(oldest, nowMs, this.#running.count > 0);
      const heldUp = fromMs > nowMs && nowMs - oldest.submittedMs > maxWaitMs;
      if (fromMs > nowMs && !heldUp) {
        this.#lookAgain(fromMs, oldest.submittedMs + maxWaitMs, nowMs);
        break;
      }
      const next = heldUp ? this.#waiting.takeOldest() : this.#waiting.takeLeastCompared();
      if (next === undefined) break;
      const leftMs = next.task.deadlineMs - (nowMs - next.submittedMs);
      if (late) this.#drop(next.task, 'event-loop-late');
      else if (leftMs <= 0) this.#drop(next.task, 'deadline');
      else if (this.#isBroken) this.#drop(next.task, 'breaker-open');
      else if (heldUp) this.#drop(next.task, 'busy');
      else this.#running.start(next.task, leftMs);
    }
    this.#settleIdle();
  }

  /** Begins what is of its shape's quota, as far as its own share of the time goes. It waits for nothing but that and a moment
   * without calls: neither for what all share nor for an event loop that comes late. */
  #startByQuota(): void {
    const { maxQuotaConcurrent, maxQuotaWaitMs } = this.#limits;
    while (this.#running.byQuota < maxQuotaConcurrent) {
      const { oldest } = this.#waitingByQuota;
      if (oldest === undefined) break;
      const nowMs = this.#clock.monotonicMs();
      const overMs = oldest.submittedMs + maxQuotaWaitMs;
      const fromMs = this.#pace.quotaBeginMs(oldest, nowMs, this.#running.byQuota > 0);
      if (fromMs > nowMs && overMs >= nowMs) {
        this.#lookAgain(fromMs, overMs, nowMs);
        break;
      }
      const isOver = fromMs > nowMs;
      const next = isOver
        ? this.#waitingByQuota.takeOldest()
        : this.#waitingByQuota.takeLeastCompared();
      if (next === undefined) break;
      if (isOver) this.#drop(next.task, 'busy');
      else if (this.#isBroken) this.#drop(next.task, 'breaker-open');
      else this.#running.start(next.task, next.task.deadlineMs);
    }
  }

  /** Makes room for work of a shape that was compared less than one that waits. */
  #displaced(task: ShadowTask): boolean {
    if (task.quota === true || this.#waiting.count < this.#limits.maxQueued || this.#closed)
      return false;
    const displaced = this.#waiting.takeComparedMoreThan(task);
    if (displaced === undefined) return false;
    this.#drop(displaced.task, 'queue-full');
    return true;
  }

  #drop(task: ShadowTask, reason: ShedReason): void {
    this.#heldRows -= task.rows ?? 0;
    task.shed(reason);
  }

  /** Whether work submitted now would wait too long because the event loop is busy. */
  #isHeldUp(): boolean {
    const { maxConcurrent, maxWaitMs } = this.#limits;
    const { oldest, count } = this.#waiting;
    const running = this.#running.shared;
    return (
      (oldest !== undefined && this.#pace.isHeldUp(oldest) && running < maxConcurrent) ||
      this.#pace.msUntilRun(count + running) > maxWaitMs
    );
  }

  /** What runs looks again by itself when it ends. Nobody tells when the event loop has become less busy. */
  #lookAgain(fromMs: number, overMs: number, nowMs: number): void {
    if (fromMs === Infinity) return;
    this.#next.at(Math.min(fromMs, overMs + 1, nowMs + longestRestMs), nowMs);
  }

  #settleIdle(): void {
    if (this.#running.count > 0 || this.#waits()) return;
    for (const resolve of this.#whenIdle.splice(0)) resolve();
  }
}

/** Tasks in the order in which they came. */
class WaitingTasks {
  readonly #waiting: Waiting[] = [];

  get count(): number {
    return this.#waiting.length;
  }

  get oldest(): Waiting | undefined {
    return this.#waiting[0];
  }

  add(waiting: Waiting): void {
    this.#waiting.push(waiting);
  }

  /** Takes out the one that waits longest. */
  takeOldest(): Waiting | undefined {
    return this.#waiting.shift();
  }

  /** Takes out what was compared least; of several the one that waits longest. */
  takeLeastCompared(): Waiting | undefined {
    let least = 0;
    for (const [at, { task }] of this.#waiting.entries())
      if (comparedOf(task) < comparedOf((this.#waiting[least] as Waiting).task)) least = at;
    return this.#waiting.splice(least, 1)[0];
  }

  /** Takes out what was compared most, where that is more than the task was; nothing where none waits or none was. */
  takeComparedMoreThan(task: ShadowTask): Waiting | undefined {
    let most: Waiting | undefined;
    for (const one of this.#waiting)
      if (most === undefined || comparedOf(one.task) > comparedOf(most.task)) most = one;
    if (most === undefined || comparedOf(most.task) <= comparedOf(task)) return undefined;
    this.#waiting.splice(this.#waiting.indexOf(most), 1);
    return most;
  }

  /** Takes out all. */
  takeAll(): Waiting[] {
    return this.#waiting.splice(0);
  }
}

function comparedOf({ compared }: ShadowTask): number {
  return compared ?? 0;
}

interface Running {
  readonly controller: AbortController;
  giveUp(reason: ShedReason): void;
}

/** Tasks that run, and those that were given up and don't end. */
class RunningTasks {
  readonly #clock: Clock;
  readonly #onReleased: (task: ShadowTask, tookMs: number) => void;
  readonly #running = new Set<Running>();
  #byQuota = 0;
  #abandoned = 0;

  /** @param onReleased told once of each task that has ended, or was given up. */
  constructor(clock: Clock, onReleased: (task: ShadowTask, tookMs: number) => void) {
    this.#clock = clock;
    this.#onReleased = onReleased;
  }

  get count(): number {
    return this.#running.size;
  }

  /** Of them those that are of a quota. */
  get byQuota(): number {
    return this.#byQuota;
  }

  /** Of them those that are of what all share. */
  get shared(): number {
    return this.#running.size - this.#byQuota;
  }

  /** Work that outlived its deadline and doesn't end. */
  get abandoned(): number {
    return this.#abandoned;
  }

  /** Begins a task, and gives it up after so long. */
  start(task: ShadowTask, leftMs: number): void {
    const controller = new AbortController();
    const startedMs = this.#clock.monotonicMs();
    let ended = false;
    const release = (): void => {
      this.#running.delete(running);
      if (task.quota === true) this.#byQuota -= 1;
      this.#onReleased(task, this.#clock.monotonicMs() - startedMs);
    };
    const giveUp = (reason: ShedReason): void => {
      if (ended || !this.#running.has(running)) return;
      this.#abandoned += 1;
      task.shed(reason);
      release();
    };
    const running: Running = { controller, giveUp };
    this.#running.add(running);
    if (task.quota === true) this.#byQuota += 1;
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

  /** Aborts what runs. */
  close(): void {
    for (const { controller, giveUp } of this.#running) {
      controller.abort(new Error('the bridge is closing'));
      giveUp('closing');
    }
  }
}

/** When the queue is looked at next: in a later turn of the event loop, or at a moment that is known. */
class NextLook {
  readonly #clock: Clock;
  readonly #look: (lateMs: number) => void;
  #isScheduled = false;
  #timer: Timer | undefined;
  #timerMs = 0;

  /** @param look is told how long the event loop took to come to it, in ms. */
  constructor(clock: Clock, look: (lateMs: number) => void) {
    this.#clock = clock;
    this.#look = look;
  }

  /** Looks in the next turn of the event loop. */
  soon(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    const scheduledMs = this.#clock.monotonicMs();
    setImmediate(() => {
      this.#isScheduled = false;
      this.#look(this.#clock.monotonicMs() - scheduledMs);
    });
  }

  /** Looks at a moment of the monotonic clock, or earlier where an earlier look is waited for. */
  at(againMs: number, nowMs: number): void {
    if (this.#timer !== undefined && this.#timerMs <= againMs) return;
    this.#timer?.cancel();
    this.#timerMs = againMs;
    this.#timer = this.#clock.after(againMs - nowMs, () => {
      this.#timer = undefined;
      this.soon();
    });
  }

  /** Waits for no moment any more. */
  cancel(): void {
    this.#timer?.cancel();
  }
}
