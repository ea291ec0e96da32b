import type { ConnectionDemand } from './connection-supply.ts';
import { ConnectionSupply } from './connection-supply.ts';
import type { LeaseTerms, PooledConnection, WatchedLease } from './connection.ts';
import { DrainWatch } from './drain-watch.ts';
import { watchLease } from './leak-watch.ts';
import { Lease, type Lender } from './lease.ts';
import { PoolAlarm } from './pool-alarm.ts';
import type { EvictionReason } from './pool-observer.ts';
import type { AcquireOptions, PoolParts } from './pool-parts.ts';
import type { PoolExhaustedError } from './pool-errors.ts';
import { PoolRefusals } from './pool-refusals.ts';
import type { PoolStats } from './pool-stats.ts';
import { SharedLeases } from './shared-leases.ts';
import { WaitQueue, Waiter } from './wait-queue.ts';

/** How often lifetimes, idle times and leaks are looked at while a connection is open. */
const sweepIntervalMs = 1_000;

/**
 * A bounded pool of connections. Every `acquire` ends within its time-out, whatever the engine does; every connection
 * is accounted for from before it is opened until after it is closed.
 *
 * Admission is here: callers wait in one queue, with a limit and deadlines. Connections come from a
 * {@link ConnectionSupply}; one that is released goes to the first caller in the queue, if there is one. A pool has one
 * timer, unref'd, and none per call.
 */
export class Pool<Resource extends object> implements Lender<Resource>, ConnectionDemand<Resource> {
  readonly name: string;
  readonly #parts: PoolParts<Resource>;
  readonly #queue: WaitQueue<Lease<Resource>>;
  readonly #supply: ConnectionSupply<Resource>;
  readonly #shared: SharedLeases<Resource> | undefined;
  readonly #alarm: PoolAlarm;
  readonly #refusals: PoolRefusals;
  readonly #drain: DrainWatch;
  /** Who gives a connection back where a caller waits for one. */
  readonly #courteous = new Set<() => void>();
  #state: 'open' | 'closing' | 'closed' = 'open';
  #leased = 0;

  constructor(parts: PoolParts<Resource>) {
    const { clock, observer, source } = parts;
    this.name = parts.name;
    this.#parts = parts;
    this.#queue = new WaitQueue(parts.turns ?? parts.options.max);
    this.#supply = new ConnectionSupply(parts, this);
    this.#alarm = new PoolAlarm(clock, () => {
      this.#sweep();
    });
    this.#refusals = new PoolRefusals(parts, () => this.stats());
    this.#drain = new DrainWatch(clock);
    this.#shared =
      source.sharing &&
      new SharedLeases<Resource>({
        sharing: source.sharing,
        queue: this.#queue,
        observer,
        clock,
        isFit: (connection) => this.#supply.unfitness(connection) === undefined,
      });
  }

  /** What a caller is told who needs a connection beside one that is kept for good, where there can be no other. */
  keptError(takenFor: string): PoolExhaustedError {
    return this.#refusals.kept(takenFor);
  }

  /**
   * Lends a connection.
   *
   * @throws {PoolExhaustedError} at once, if `maxPending` callers wait already.
   * @throws {AcquireTimeoutError} if none came free within `acquireTimeoutMs` or before the caller's deadline.
   * @throws {AbortedError} if the caller's signal was aborted first.
   * @throws {ClosedError} if the pool is closed or closing.
   */
  acquire(options: AcquireOptions = {}): Promise<Lease<Resource>> {
    const { signal, takenFor } = options;
    if (this.#state !== 'open') return Promise.reject(this.#refusals.closed(takenFor));
    if (signal?.aborted === true) return Promise.reject(this.#refusals.aborted(signal, takenFor));
    const lease = this.#joinShared(options) ?? this.#takeIdle(options);
    return lease === undefined ? this.#wait(options) : Promise.resolve(lease);
  }

  /** Calls `then` whenever a caller has to wait though all connections are there, or the pool is closed. Returns how to end that. */
  whenNeeded(then: () => void): () => void {
    this.#courteous.add(then);
    return () => {
      this.#courteous.delete(then);
    };
  }

  /** The pool's figures now. */
  stats(): PoolStats {
    const { idle, inUse, opening, closing } = this.#supply.counts();
    const { max, min } = this.#parts.options;
    return {
      name: this.name,
      max,
      min,
      open: idle + inUse,
      idle,
      inUse,
      pinned: this.#leases().filter(({ pinned }) => pinned).length,
      opening,
      closing,
      pending: this.#queue.waiting,
    };
  }

  /** Whether it has no connections and no callers. */
  isEmpty(): boolean {
    return this.#queue.waiting === 0 && this.#supply.physical === 0;
  }

  /** Closes every connection opened so far: idle ones now, leased ones when they are released. For after a failure that
   * affects them all, such as a restart of the server. */
  retireAll(): void {
    this.#supply.retireAll();
  }

  /**
   * Closes the pool: refuses new callers and those waiting, lets leases end by themselves, and at the deadline takes
   * back those that are left and cuts their connections.
   *
   * @param deadlineMs the longest time until the result resolves. It never rejects.
   */
  async close(deadlineMs: number): Promise<void> {
    if (this.#state === 'open') {
      this.#state = 'closing';
      for (const waiter of this.#queue.takeAll())
        waiter.reject(this.#refusals.closed(waiter.takenFor));
      this.#supply.shutDown(this.#refusals.closed());
      for (const makeWay of [...this.#courteous]) makeWay();
    }
    // Part of the time is kept for cutting what is left.
    const graceMs = Math.max(0, deadlineMs - Math.min(100, deadlineMs / 4));
    if (!this.isEmpty()) await this.#drain.drained(graceMs);
    this.#supply.cutLent();
    if (!this.isEmpty()) await this.#drain.drained(deadlineMs - graceMs);
    this.#state = 'closed';
    this.#alarm.cancel();
  }

  /** Lender: a lease ended. */
  takeBack(
    lease: Lease<Resource>,
    connection: PooledConnection<Resource>,
    evict: EvictionReason | undefined,
  ): void {
    connection.lease = undefined;
    this.#leased -= 1;
    const nowMs = this.nowMs();
    this.#parts.observer.used(nowMs - lease.terms.takenAtMs);
    const reason = evict ?? this.#supply.unfitness(connection, nowMs);
    const { clean } = this.#parts.source;
    if (reason !== undefined) this.#supply.close(connection, reason);
    else if (clean === undefined) this.#lendAgain(connection);
    else void this.#clean(connection, clean);
    this.changed();
  }

  /** Nobody is lent the connection meanwhile, and nobody waits for it who could have another. */
  async #clean(
    connection: PooledConnection<Resource>,
    clean: (resource: Resource) => Promise<void>,
  ): Promise<void> {
    let reason: EvictionReason | undefined;
    try {
      await clean(connection.resource);
    } catch {
      reason = 'broken';
    }
    reason ??= this.#supply.unfitness(connection);
    if (reason === undefined) this.#lendAgain(connection);
    else this.#supply.close(connection, reason);
    this.changed();
  }

  /** Lender: the time. */
  nowMs(): number {
    return this.#parts.clock.monotonicMs();
  }

  /** Demand: callers that need nothing but a connection. */
  callers(): number {
    return this.#queue.size;
  }

  /** Demand: a connection is there. */
  arrived(connection: PooledConnection<Resource>): void {
    if (!this.#serveFirst(connection)) this.#supply.giveBack(connection);
  }

  /** Demand: opening a connection failed for good. */
  cannotOpen(error: unknown): void {
    const waiter = this.#queue.takeFirst();
    if (waiter?.needsTurn === true) this.#queue.giveBackTurn();
    waiter?.reject(error);
  }

  /** Demand: a connection was closed. Its turn ends only now: until then work that was cut may go on, and must not meet
   * that of the next turn. */
  closed(connection: PooledConnection<Resource>): void {
    this.#endTurn(connection);
  }

  /** Demand: serves waiting callers as far as that is possible now. */
  changed(): void {
    if (this.#state === 'open') {
      this.#supply.fetch();
      this.#shared?.joinWaiting();
    }
    this.#checkEmpty();
  }

  /** Demand: something can be done at this time. */
  wakeAt(atMs: number): void {
    this.#alarm.set(atMs);
  }

  /** Joins a shared connection, if the caller allows sharing and nobody is queued. */
  #joinShared({ expectedMs, takenFor = 'a caller' }: AcquireOptions): Lease<Resource> | undefined {
    const shared = this.#shared;
    if (shared === undefined || expectedMs === undefined || this.#queue.waiting > 0)
      return undefined;
    const terms: LeaseTerms = { takenFor, takenAtMs: this.nowMs(), stack: this.#stackHere() };
    let lease = shared.join(terms, expectedMs, true);
    if (lease === undefined && this.#supply.idle === 0) {
      lease = shared.join(terms, expectedMs, false);
      if (lease !== undefined) this.#supply.grow();
    }
    if (lease !== undefined) this.#parts.observer.waited(0);
    return lease;
  }

  /** The way of a caller that need not wait: nobody is queued, and a connection is idle. */
  #takeIdle(options: AcquireOptions): Lease<Resource> | undefined {
    if (this.#queue.waiting > 0 || options.inTurn === true) return undefined;
    const connection = this.#supply.takeIdle(options.prefer);
    if (connection === undefined) return undefined;
    this.#parts.observer.waited(0);
    const { takenFor = 'a caller', expectedMs } = options;
    return this.#lease(
      connection,
      { takenFor, takenAtMs: this.nowMs(), stack: this.#stackHere() },
      expectedMs,
    );
  }

  #wait(options: AcquireOptions): Promise<Lease<Resource>> {
    const { max, maxPending, acquireTimeoutMs } = this.#parts.options;
    // Callers for whom there is a connection, or room for one more, are not limited.
    if (this.#queue.waiting >= maxPending + max - this.#leased) {
      this.#parts.observer.rejected();
      return Promise.reject(this.#refusals.exhausted(options.takenFor));
    }
    const nowMs = this.nowMs();
    const waiter = new Waiter<Lease<Resource>>({
      takenFor: options.takenFor ?? 'a caller',
      sinceMs: nowMs,
      untilMs: Math.min(nowMs + acquireTimeoutMs, options.deadlineAtMs ?? Infinity),
      needsTurn: options.inTurn ?? false,
      expectedMs: options.expectedMs,
      stack: this.#stackHere(),
    });
    this.#queue.add(waiter);
    this.#alarm.set(waiter.untilMs);
    this.#leaveOnAbort(waiter, options);
    this.changed();
    if (this.#queue.waiting > 0 && this.#supply.physical >= max)
      for (const makeWay of [...this.#courteous]) makeWay();
    return waiter.promise;
  }

  #leaveOnAbort(waiter: Waiter<Lease<Resource>>, { signal, takenFor }: AcquireOptions): void {
    if (signal === undefined) return;
    this.#queue.leaveOnAbort(
      waiter,
      signal,
      () => this.#refusals.aborted(signal, takenFor),
      () => {
        this.#supply.cancelUnneeded();
        this.#checkEmpty();
      },
    );
  }

  /** Hands a released connection to the first caller, or keeps it idle. */
  #lendAgain(connection: PooledConnection<Resource>): void {
    this.#endTurn(connection);
    if (this.#supply.mustYield(connection)) this.#supply.close(connection, 'budget');
    else if (!this.#serveFirst(connection)) this.#supply.giveBack(connection);
  }

  #serveFirst(connection: PooledConnection<Resource>): boolean {
    const waiter = this.#queue.takeFirst();
    if (waiter === undefined) return false;
    const { takenFor, expectedMs, stack } = waiter;
    const takenAtMs = this.nowMs();
    this.#parts.observer.waited(takenAtMs - waiter.sinceMs);
    connection.holdsTurn = waiter.needsTurn;
    waiter.resolve(this.#lease(connection, { takenFor, takenAtMs, stack }, expectedMs));
    return true;
  }

  #lease(
    connection: PooledConnection<Resource>,
    terms: LeaseTerms,
    expectedMs: number | undefined,
  ): Lease<Resource> {
    const lease = new Lease<Resource>(this, connection, terms);
    connection.lease = lease;
    this.#leased += 1;
    this.#alarm.set(terms.takenAtMs + sweepIntervalMs);
    if (expectedMs === undefined || this.#shared === undefined) return lease;
    this.#alarm.set(terms.takenAtMs + this.#shared.sharing.stallMs);
    return this.#shared.begin(connection, lease, expectedMs);
  }

  #endTurn(connection: PooledConnection<Resource>): void {
    if (connection.holdsTurn) this.#queue.giveBackTurn();
    connection.holdsTurn = false;
  }

  #leases(): WatchedLease[] {
    return this.#supply.lentConnections().flatMap(({ lease }) => lease ?? []);
  }

  #stackHere(): string | undefined {
    return this.#parts.options.leakStacks ? new Error('taken here').stack : undefined;
  }

  #checkEmpty(): void {
    if (!this.isEmpty()) return;
    this.#drain.empty();
    if (this.#state !== 'open') return;
    this.#alarm.cancel();
    this.#parts.onEmpty?.();
  }

  /** Does what is due, and sets the alarm for what is due next. */
  #sweep(): void {
    if (this.#state !== 'open') return;
    const { options, observer } = this.#parts;
    const nowMs = this.nowMs();
    this.#refuseOverdue(nowMs);
    this.#supply.closeAged();
    for (const lease of this.#leases()) watchLease(lease, nowMs, options, observer);
    this.#alarm.set(this.#shared?.watch(nowMs) ?? Infinity);
    this.changed();
    this.#alarm.set(this.#queue.nextDeadlineMs() ?? Infinity);
    if (this.#supply.physical > 0) this.#alarm.set(nowMs + sweepIntervalMs);
  }

  #refuseOverdue(nowMs: number): void {
    for (const waiter of this.#queue.takeOverdue(nowMs)) {
      this.#parts.observer.timedOut();
      const waitedMs = nowMs - waiter.sinceMs;
      const cause = this.#supply.lastOpenError;
      waiter.reject(this.#refusals.timedOut(waitedMs, waiter.takenFor, cause));
    }
    this.#supply.cancelUnneeded();
    this.#checkEmpty();
  }
}
