import { AbortedError } from '@changeover/engines';
import type { Clock, Timer } from '@changeover/core';
import type { StorageErrorFields } from '@changeover/engines';
import type { Budget, BudgetMember } from '../budget.ts';
import { backoffMs } from './backoff.ts';
import type { Random } from './backoff.ts';
import { Lease, type Lender } from './lease.ts';
import { AcquireTimeoutError, PoolClosedError, PoolExhaustedError } from './pool-errors.ts';
import { watchLease } from './leak-watch.ts';
import type { EvictionReason, PoolObserver } from './pool-observer.ts';
import type { ParsedPoolOptions } from './pool-options.ts';
import type { AcquireOptions, PoolParts } from './pool-parts.ts';
import type { PoolStats } from './pool-stats.ts';
import type { ResourceSource } from './resource-source.ts';
import { ResourceStore, type Slot } from './resource-store.ts';
import { SharedLeases } from './shared-leases.ts';
import { TimedSource } from './timed-source.ts';
import { Waiter, WaitingLine } from './waiting-line.ts';

/** While anything is open, at least. */
const sweepIntervalMs = 1_000;

/**
 * A bounded pool of connections. Every `acquire` ends within its time-out, whatever the engine does; every connection
 * is accounted for from before it is opened until after it is closed.
 *
 * There is no timer and no stack on the way of an uncontended `acquire`: one timer a pool, unref'd, wakes for the
 * earliest of what is due (a waiting caller's deadline, the end of a back-off, the next sweep).
 */
export class Pool<Resource extends object> implements Lender<Resource>, BudgetMember {
  readonly name: string;
  readonly #options: ParsedPoolOptions;
  readonly #source: ResourceSource<Resource>;
  readonly #timed: TimedSource<Resource>;
  readonly #budget: Budget;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #observer: PoolObserver;
  readonly #fields: StorageErrorFields;
  readonly #onEmpty: () => void;
  readonly #store: ResourceStore<Resource>;
  readonly #line: WaitingLine<Lease<Resource>>;
  readonly #rank: ((resource: Resource) => number) | undefined;
  #state: 'open' | 'closing' | 'closed' = 'open';
  #generation = 0;
  #validating = 0;
  #closing = 0;
  #openFailures = 0;
  #openAgainAtMs = 0;
  #lastOpenError: unknown;
  #timer: Timer | undefined;
  #timerAtMs = Infinity;
  readonly #onQuiet = new Set<() => void>();
  readonly #shared: SharedLeases<Resource> | undefined;

  constructor(parts: PoolParts<Resource>) {
    this.name = parts.name;
    this.#options = parts.options;
    this.#source = parts.source;
    this.#budget = parts.budget;
    this.#clock = parts.clock;
    this.#random = parts.random;
    this.#observer = parts.observer;
    this.#fields = parts.fields;
    this.#onEmpty = () => parts.onEmpty?.();
    this.#line = new WaitingLine(parts.turns ?? parts.options.max);
    this.#rank =
      parts.source.rank === undefined
        ? undefined
        : (resource) => parts.source.rank?.(resource) ?? 0;
    const { sharing } = parts.source;
    this.#shared =
      sharing === undefined
        ? undefined
        : new SharedLeases<Resource>(
            sharing,
            this.#line,
            parts.observer,
            parts.clock,
            (slot) => this.#unfitness(slot, this.nowMs()) === undefined,
          );
    this.#timed = new TimedSource(
      parts.source,
      parts.options,
      parts.clock,
      parts.fields,
      (wasLate) => {
        this.#budget.giveBack(this);
        if (wasLate) this.#pump();
      },
    );
    this.#store = new ResourceStore<Resource>(
      parts.options.max,
      () => this.#open(),
      (slot) => {
        if (slot !== undefined) this.#settle(slot, this.#clock.monotonicMs(), undefined);
        this.#pump();
      },
      (slot) => this.#timed.end(slot.resource),
    );
  }

  /**
   * Lends a connection.
   *
   * @throws {PoolExhaustedError} at once, where as many wait as may.
   * @throws {AcquireTimeoutError} when none came free within `acquireTimeoutMs` or the caller's deadline.
   * @throws {AbortedError} when the caller's signal was aborted first.
   * @throws {ClosedError} when the pool is closed or closing.
   */
  acquire(options: AcquireOptions = {}): Promise<Lease<Resource>> {
    const nowMs = this.#clock.monotonicMs();
    const takenFor = options.takenFor ?? 'a caller';
    if (this.#state !== 'open') return Promise.reject(this.#closedError(options.takenFor));
    if (options.signal?.aborted === true)
      return Promise.reject(this.#abortedError(options.signal, options.takenFor));
    const beside = this.#placeBeside(options, takenFor, true);
    if (beside !== undefined) return Promise.resolve(beside);
    if (this.#line.size === 0 && (options.inTurn !== true || this.#line.takeTurn())) {
      const slot = this.#takeReady(nowMs);
      if (typeof slot === 'object') {
        this.#observer.waited(0);
        const lease = this.#lend(slot, takenFor, nowMs, options.inTurn === true, this.#stackHere());
        return Promise.resolve(this.#shareIf(options.expectedMs, slot, lease));
      }
      if (options.inTurn === true) this.#line.giveBackTurn();
    }
    const busy = this.#placeBeside(options, takenFor, false);
    if (busy === undefined) return this.#wait(options, takenFor, nowMs);
    this.#grow(nowMs);
    return Promise.resolve(busy);
  }

  /** A place beside others' work, for who takes one; never before those who wait. */
  #placeBeside(
    { expectedMs }: AcquireOptions,
    takenFor: string,
    freely: boolean,
  ): Lease<Resource> | undefined {
    if (expectedMs === undefined || this.#shared === undefined || this.#line.waiting > 0)
      return undefined;
    return this.#shared.place(takenFor, expectedMs, freely, this.#stackHere());
  }

  #shareIf(
    expectedMs: number | undefined,
    slot: Slot<Resource>,
    lease: Lease<Resource>,
  ): Lease<Resource> {
    if (expectedMs === undefined || this.#shared === undefined) return lease;
    this.#arm(lease.takenAtMs + (this.#source.sharing?.stallMs ?? Infinity));
    return this.#shared.begin(slot, lease, expectedMs);
  }

  /** Opens one more where all have enough to do, for who comes next; takes none from others for that. */
  #grow(nowMs: number): void {
    if (this.#coming() > 0 || this.#physical() >= this.#options.max || nowMs < this.#openAgainAtMs)
      return;
    if (this.#budget.used < this.#budget.total && this.#budget.take(this)) this.#store.openOne();
  }

  #wait(options: AcquireOptions, takenFor: string, nowMs: number): Promise<Lease<Resource>> {
    // Those for whom there is a connection, or room for one more, don't count as waiting.
    const servable = this.#options.max - (this.#store.numUsed() - this.#validating);
    if (this.#line.waiting >= this.#options.maxPending + servable) {
      this.#observer.rejected();
      return Promise.reject(new PoolExhaustedError(this.stats(), this.#fieldsOf(options.takenFor)));
    }
    const untilMs = Math.min(
      nowMs + this.#options.acquireTimeoutMs,
      options.deadlineAtMs ?? Infinity,
    );
    const waiter = new Waiter<Lease<Resource>>(
      takenFor,
      nowMs,
      untilMs,
      options.inTurn,
      this.#stackHere(),
      options.expectedMs,
    );
    this.#line.add(waiter);
    this.#arm(untilMs);
    const { signal } = options;
    if (signal !== undefined) {
      this.#line.leaveOnAbort(
        waiter,
        signal,
        () => this.#abortedError(signal, options.takenFor),
        () => {
          this.#afterLeaving();
        },
      );
    }
    this.#pump();
    return waiter.promise;
  }

  /** The pool's figures now. */
  stats(): PoolStats {
    const idle = this.#store.numFree();
    const inUse = this.#store.numUsed();
    return {
      name: this.name,
      max: this.#options.max,
      min: this.#options.min,
      open: idle + inUse,
      idle,
      inUse,
      opening: this.#store.numPendingCreates(),
      closing: this.#closing + this.#timed.late,
      pending: this.#line.waiting,
    };
  }

  /** Whether nothing is left in it. */
  isEmpty(): boolean {
    return this.#physical() === 0 && this.#line.waiting === 0;
  }

  /** Retires every connection opened so far: free ones now, lent ones when they come back. For after a failure that
   * concerns them all, such as a restart of the server. */
  retireAll(): void {
    this.#generation += 1;
    for (const slot of this.#store.freeSlots()) this.#evict(slot, 'generation');
  }

  /**
   * Ends the pool: no new callers, those waiting are refused, work in progress may end by itself, and what is left at
   * the deadline is cut off.
   *
   * @param deadlineMs the longest time until the result resolves. It never rejects.
   */
  async close(deadlineMs: number): Promise<void> {
    if (this.#state === 'open') {
      this.#state = 'closing';
      for (const waiter of this.#line.takeAll()) waiter.reject(this.#closedError(waiter.takenFor));
      this.#budget.cancel(this);
      this.#timed.giveUpOpening(this.#closedError());
      for (const slot of this.#store.freeSlots()) this.#evict(slot, 'closing');
    }
    // A little of the time is kept for cutting off what is left.
    const graceMs = Math.max(0, deadlineMs - Math.min(100, deadlineMs / 4));
    await this.#quietWithin(graceMs);
    for (const slot of this.#store.usedSlots()) {
      slot.lease?.discard('closing');
      this.#source.cut(slot.resource);
    }
    await this.#quietWithin(deadlineMs - graceMs);
    this.#state = 'closed';
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** Lender: a lease ended. */
  takeBack(lease: Lease<Resource>, slot: Slot<Resource>, evict: EvictionReason | undefined): void {
    const nowMs = this.#clock.monotonicMs();
    slot.lease = undefined;
    this.#observer.used(nowMs - lease.takenAtMs);
    this.#settle(slot, nowMs, evict);
    this.#pump();
  }

  /** Lender: the time. */
  nowMs(): number {
    return this.#clock.monotonicMs();
  }

  /** Budget: a permit came. */
  onPermit(): void {
    if (
      this.#state === 'open' &&
      this.#line.size > this.#coming() &&
      this.#physical() < this.#options.max
    ) {
      this.#store.openOne();
    } else {
      this.#budget.giveBack(this);
    }
  }

  /** Budget: since when the longest idle connection is idle. */
  idleSinceMs(): number | undefined {
    return this.#store.freeSlots().find(({ lingers }) => !lingers)?.idleSinceMs;
  }

  /** Budget: close it. */
  closeIdle(): void {
    const slot = this.#store.freeSlots().find(({ lingers }) => !lingers);
    if (slot !== undefined) this.#evict(slot, 'budget');
  }

  /** Decides what becomes of a lent slot that nobody holds now. */
  #settle(slot: Slot<Resource>, nowMs: number, evict: EvictionReason | undefined): void {
    const reason = evict ?? this.#unfitness(slot, nowMs);
    if (reason !== undefined) {
      this.#evict(slot, reason);
      return;
    }
    this.#endTurn(slot);
    const wanted = this.#line.size > 0;
    if (this.#budget.mustYield(this, wanted, nowMs - slot.openedAtMs)) {
      this.#evict(slot, 'budget');
      return;
    }
    const waiter = this.#line.takeFirst();
    if (waiter !== undefined) {
      this.#serve(waiter, slot, nowMs);
      return;
    }
    slot.idleSinceMs = nowMs;
    this.#store.giveBack(slot);
    if (this.#budget.waiting > 0) this.#lingerFree(slot);
  }

  /** Keeps a connection that others wait for a turn of the event loop longer, for whoever had it and calls again at once:
   * with 1,000 busy datasets on a budget of 200 each call opened a connection else. */
  #lingerFree(slot: Slot<Resource>): void {
    slot.lingers = true;
    setImmediate(() => {
      slot.lingers = false;
      if (this.#store.isFree(slot) && this.#budget.mustYield(this, false, Infinity))
        this.#evict(slot, 'budget');
    });
  }

  #unfitness(slot: Slot<Resource>, nowMs: number): EvictionReason | undefined {
    if (this.#state !== 'open') return 'closing';
    if (slot.generation !== this.#generation) return 'generation';
    if (nowMs >= slot.expiresAtMs) return 'lifetime';
    return this.#source.usable(slot.resource) ? undefined : 'broken';
  }

  /** A free connection that can be lent at once. Those found unfit on the way are closed; one that was idle for long is
   * validated first, and lent to who waits then. */
  #takeReady(nowMs: number): Slot<Resource> | 'validating' | 'none' {
    for (;;) {
      const slot = this.#store.takeFree(this.#rank);
      if (slot === undefined) return 'none';
      const reason = this.#unfitness(slot, nowMs);
      if (reason !== undefined) {
        this.#evict(slot, reason);
      } else if (nowMs - slot.idleSinceMs >= this.#options.validateAfterIdleMs) {
        void this.#validate(slot);
        return 'validating';
      } else {
        return slot;
      }
    }
  }

  async #validate(slot: Slot<Resource>): Promise<void> {
    this.#validating += 1;
    const valid = await this.#timed.isValid(slot.resource);
    this.#validating -= 1;
    this.#settle(slot, this.#clock.monotonicMs(), valid ? undefined : 'invalid');
    this.#pump();
  }

  #stackHere(): string | undefined {
    return this.#options.leakStacks ? new Error('taken here').stack : undefined;
  }

  #lend(
    slot: Slot<Resource>,
    takenFor: string,
    nowMs: number,
    inTurn: boolean,
    stack: string | undefined,
  ): Lease<Resource> {
    const lease = (slot.lease = new Lease<Resource>(this, slot, takenFor, nowMs, stack));
    slot.holdsTurn = inTurn;
    this.#arm(nowMs + sweepIntervalMs);
    return lease;
  }

  #serve(waiter: Waiter<Lease<Resource>>, slot: Slot<Resource>, nowMs: number): void {
    this.#observer.waited(nowMs - waiter.sinceMs);
    const lease = this.#lend(slot, waiter.takenFor, nowMs, waiter.needsTurn, waiter.stack);
    waiter.resolve(this.#shareIf(waiter.expectedMs, slot, lease));
  }

  /** Serves who waits, as far as that can be done now: by what is free, else by opening more. */
  #pump(): void {
    const nowMs = this.#clock.monotonicMs();
    while (this.#state === 'open' && this.#line.size > this.#validating) {
      const slot = this.#takeReady(nowMs);
      if (slot === 'none') {
        if (!this.#openMore(nowMs)) break;
      } else if (slot !== 'validating') {
        const waiter = this.#line.takeFirst();
        if (waiter !== undefined) this.#serve(waiter, slot, nowMs);
      }
    }
    this.#checkQuiet();
  }

  /** Connections that are on their way to somebody. */
  #coming(): number {
    return this.#validating + this.#store.numPendingCreates();
  }

  #physical(): number {
    const store = this.#store;
    return (
      store.numFree() +
      store.numUsed() +
      store.numPendingCreates() +
      this.#closing +
      this.#timed.late
    );
  }

  #openMore(nowMs: number): boolean {
    if (this.#line.size <= this.#coming() || this.#physical() >= this.#options.max) return false;
    if (nowMs < this.#openAgainAtMs) {
      this.#arm(this.#openAgainAtMs);
      return false;
    }
    if (!this.#budget.take(this)) return false;
    this.#store.openOne();
    return true;
  }

  #noteOpenFailure(error: unknown, mayPass: boolean): void {
    if (this.#state !== 'open') return;
    this.#observer.openFailed(error);
    if (!mayPass) {
      const waiter = this.#line.takeFirst();
      if (waiter?.needsTurn === true) this.#line.giveBackTurn();
      waiter?.reject(error);
      return;
    }
    this.#openFailures += 1;
    this.#lastOpenError = error;
    const { backoffInitialMs, backoffMaxMs } = this.#options;
    this.#openAgainAtMs =
      this.#clock.monotonicMs() +
      backoffMs(this.#openFailures, backoffInitialMs, backoffMaxMs, this.#random);
  }

  /** tarn's creator. Resolves to undefined where opening failed, which was noted then. */
  async #open(): Promise<Slot<Resource> | undefined> {
    const generation = this.#generation;
    const opened = await this.#timed.open();
    if ('error' in opened) {
      this.#noteOpenFailure(opened.error, opened.mayPass);
      return undefined;
    }
    this.#openFailures = 0;
    this.#observer.opened(opened.tookMs);
    return this.#slot(opened.resource, generation);
  }

  #slot(resource: Resource, generation: number): Slot<Resource> {
    const nowMs = this.#clock.monotonicMs();
    const { maxLifetimeMs } = this.#options;
    const expiresAtMs =
      maxLifetimeMs === 0 ? Infinity : nowMs + maxLifetimeMs * (1 - this.#random() / 10);
    return {
      resource,
      generation,
      openedAtMs: nowMs,
      expiresAtMs,
      idleSinceMs: nowMs,
      lingers: false,
      holdsTurn: false,
      lease: undefined,
    };
  }

  #evict(slot: Slot<Resource>, reason: EvictionReason): void {
    this.#observer.evicted(reason);
    // tarn destroys it some microtasks later; it counts as closing from now on.
    this.#closing += 1;
    void this.#store.evict(slot).then(() => {
      this.#closing -= 1;
      // What was cut may go on until it is closed, and must not meet the next one.
      this.#endTurn(slot);
      this.#pump();
    });
  }

  #endTurn(slot: Slot<Resource>): void {
    if (slot.holdsTurn) this.#line.giveBackTurn();
    slot.holdsTurn = false;
  }

  #afterLeaving(): void {
    if (this.#line.size <= this.#coming()) this.#budget.cancel(this);
    this.#checkQuiet();
  }

  #checkQuiet(): void {
    if (!this.isEmpty()) return;
    for (const listener of this.#onQuiet) listener();
    if (this.#state !== 'open') return;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerAtMs = Infinity;
    this.#onEmpty();
  }

  async #quietWithin(waitMs: number): Promise<void> {
    if (this.isEmpty()) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        timer.cancel();
        this.#onQuiet.delete(done);
        resolve();
      };
      const timer = this.#clock.after(Math.max(0, waitMs), done);
      this.#onQuiet.add(done);
    });
  }

  #arm(atMs: number): void {
    if (this.#timerAtMs <= atMs || this.#state !== 'open') return;
    this.#timer?.cancel();
    this.#timerAtMs = atMs;
    this.#timer = this.#clock.after(
      Math.max(1, Math.ceil(atMs - this.#clock.monotonicMs())),
      () => {
        this.#sweep();
      },
    );
  }

  /** Does what is due, and arms the timer for what is due next. */
  #sweep(): void {
    this.#timer = undefined;
    this.#timerAtMs = Infinity;
    if (this.#state !== 'open') return;
    const nowMs = this.#clock.monotonicMs();
    for (const waiter of this.#line.takeOverdue(nowMs)) {
      this.#observer.timedOut();
      const cause = this.#openFailures > 0 ? this.#lastOpenError : undefined;
      waiter.reject(
        new AcquireTimeoutError(nowMs - waiter.sinceMs, this.stats(), {
          ...this.#fieldsOf(waiter.takenFor),
          cause,
        }),
      );
    }
    this.#afterLeaving();
    this.#closeAged(nowMs);
    for (const { lease } of this.#store.usedSlots())
      if (lease !== undefined) watchLease(lease, nowMs, this.#options, this.#observer);
    this.#arm(this.#shared?.watch(nowMs) ?? Infinity);
    this.#pump();
    const nextMs = this.#line.nextDeadlineMs();
    if (nextMs !== undefined) this.#arm(nextMs);
    if (this.#physical() > 0) this.#arm(nowMs + sweepIntervalMs);
  }

  #closeAged(nowMs: number): void {
    let kept = this.#store.numFree() + this.#store.numUsed();
    for (const slot of this.#store.freeSlots()) {
      const unfit = this.#unfitness(slot, nowMs);
      const idle =
        nowMs - slot.idleSinceMs >= this.#options.idleTimeoutMs && kept > this.#options.min;
      const reason = unfit ?? (idle ? 'idle' : undefined);
      if (reason === undefined) continue;
      this.#evict(slot, reason);
      kept -= 1;
    }
  }

  #fieldsOf(operation: string | undefined): StorageErrorFields {
    return operation === undefined ? this.#fields : { ...this.#fields, operation };
  }

  #closedError(takenFor?: string): PoolClosedError {
    return new PoolClosedError(this.name, this.#fieldsOf(takenFor));
  }

  #abortedError(signal: AbortSignal, takenFor: string | undefined): AbortedError {
    return new AbortedError(
      `The caller gave up waiting for a connection of the ${this.name} pool.`,
      {
        ...this.#fieldsOf(takenFor),
        cause: signal.reason,
      },
    );
  }
}
