import type { BudgetMember } from '../budget.ts';
import { ConnectBackoff } from './connect-backoff.ts';
import { ConnectionStore } from './connection-store.ts';
import type { PooledConnection } from './connection.ts';
import type { EvictionReason } from './pool-observer.ts';
import type { PoolParts } from './pool-parts.ts';
import { TimedSource } from './timed-source.ts';

/** Who needs a pool's connections. */
export interface ConnectionDemand<Resource extends object> {
  /** Callers that wait for a connection and may get one. */
  callers(): number;
  /** A connection that is fit: to be leased, given back or closed. */
  arrived(connection: PooledConnection<Resource>): void;
  /** Opening one failed for good: the first caller is told. */
  cannotOpen(error: unknown): void;
  /** A connection was closed. */
  closed(connection: PooledConnection<Resource>): void;
  /** Something ended: more may be possible now. */
  changed(): void;
  /** Wants {@link ConnectionSupply.fetch} to be called again at this time, on the monotonic clock. */
  wakeAt(atMs: number): void;
}

/**
 * Opens, checks and closes a pool's connections, within the pool's `max` and the budget of all pools. Every connection
 * counts from before it is opened until after it is closed.
 */
export class ConnectionSupply<Resource extends object> implements BudgetMember {
  readonly #parts: PoolParts<Resource>;
  readonly #demand: ConnectionDemand<Resource>;
  readonly #store: ConnectionStore<Resource>;
  readonly #timed: TimedSource<Resource>;
  readonly #backoff: ConnectBackoff;
  #generation = 0;
  #closing = false;

  constructor(parts: PoolParts<Resource>, demand: ConnectionDemand<Resource>) {
    const { source } = parts;
    this.#parts = parts;
    this.#demand = demand;
    this.#backoff = new ConnectBackoff(parts.clock, parts.random, parts.options);
    this.#timed = new TimedSource(parts, (wasLate) => {
      parts.budget.giveBack(this);
      if (wasLate) demand.changed();
    });
    this.#store = new ConnectionStore(parts.options.max, {
      open: () => this.#open(),
      keeps: (connection) => this.#keeps(connection),
      isFit: (connection) => this.#isFit(connection),
      arrived: (connection) => {
        this.#arrived(connection);
      },
      close: ({ resource }) => this.#timed.end(resource),
      closed: (connection) => {
        demand.closed(connection);
      },
      changed: () => {
        demand.changed();
      },
      rank: source.rank,
    });
  }

  /** Connections by state. */
  counts(): { idle: number; inUse: number; opening: number; closing: number } {
    const { idle, lent, opening, closing } = this.#store;
    return { idle, inUse: lent, opening, closing: closing + this.#timed.late };
  }

  /** Idle connections. */
  get idle(): number {
    return this.#store.idle;
  }

  /** All connections that exist, those that are being opened and closed included. */
  get physical(): number {
    const store = this.#store;
    return store.idle + store.lent + store.opening + store.closing + this.#timed.late;
  }

  /** Why the last attempt to open a connection failed; undefined if it succeeded. */
  get lastOpenError(): unknown {
    return this.#backoff.lastError;
  }

  /** An idle connection that is fit. Undefined if there is none that can be lent at once: one that is being validated then
   * comes to the first caller in the queue. */
  takeIdle(prefer?: object): PooledConnection<Resource> | undefined {
    const store = this.#store;
    return store.idle === 0 || store.assigning || this.#closing ? undefined : store.request(prefer);
  }

  /** Gets a connection for every caller that has none coming: an idle one, else a new one if there may be more. */
  fetch(): void {
    const store = this.#store;
    while (!this.#closing && this.#demand.callers() > store.incoming && !store.assigning) {
      if (!store.hasSpare && !this.#mayOpen()) return;
      const connection = store.request();
      if (connection !== undefined) this.#demand.arrived(connection);
    }
  }

  /** Opens one more for the next caller, unless other pools would have to give one up for it. */
  grow(): void {
    const { budget, clock } = this.#parts;
    const store = this.#store;
    if (store.incoming > 0 || store.hasSpare || this.#closing || !this.#hasRoom()) return;
    if (clock.monotonicMs() < this.#backoff.untilMs) return;
    if (budget.used < budget.total && budget.take(this)) store.request();
  }

  /** The callers are gone: a permit that was asked for is of no use any more. */
  cancelUnneeded(): void {
    if (this.#demand.callers() <= this.#store.incoming) this.#parts.budget.cancel(this);
  }

  /** Why a connection must not be lent; undefined if it may. */
  unfitness(
    connection: PooledConnection<Resource>,
    nowMs: number = this.#parts.clock.monotonicMs(),
  ): EvictionReason | undefined {
    if (this.#closing) return 'closing';
    if (connection.generation !== this.#generation) return 'generation';
    if (nowMs >= connection.expiresAtMs) return 'lifetime';
    return this.#parts.source.usable(connection.resource) ? undefined : 'broken';
  }

  /** Whether a connection is to be closed so that another pool can open one. */
  mustYield(connection: PooledConnection<Resource>): boolean {
    const { budget, clock } = this.#parts;
    if (budget.waiting === 0) return false;
    const heldMs = clock.monotonicMs() - connection.openedAtMs;
    return budget.mustYield(this, this.#demand.callers() > 0, heldMs);
  }

  /** Takes a connection back that was lent and is fit. */
  giveBack(connection: PooledConnection<Resource>): void {
    connection.idleSinceMs = this.#parts.clock.monotonicMs();
    this.#store.giveBack(connection);
    if (this.#parts.budget.waiting > 0) this.#linger(connection);
  }

  /** Closes a connection, lent or idle. */
  close(connection: PooledConnection<Resource>, reason: EvictionReason): void {
    this.#parts.observer.evicted(reason);
    this.#store.close(connection);
  }

  /** Makes every connection opened so far one that is not lent again, and closes the idle ones. */
  retireAll(): void {
    this.#generation += 1;
    this.#closeIdle('generation');
  }

  /** Closes idle connections that are unfit or idle for too long. */
  closeAged(): void {
    const { clock, options } = this.#parts;
    const nowMs = clock.monotonicMs();
    let kept = this.#store.idle + this.#store.lent;
    for (const connection of [...this.#store.idleConnections()]) {
      const idle = nowMs - connection.idleSinceMs >= options.idleTimeoutMs && kept > options.min;
      const reason = this.unfitness(connection, nowMs) ?? (idle ? 'idle' : undefined);
      if (reason === undefined) continue;
      this.close(connection, reason);
      kept -= 1;
    }
  }

  /** Opens and lends no more, and closes the idle connections. */
  shutDown(reason: unknown): void {
    this.#closing = true;
    this.#parts.budget.cancel(this);
    this.#timed.giveUpOpening(reason);
    this.#closeIdle('closing');
  }

  /** Cuts off what is lent, or about to be. */
  cutLent(): void {
    for (const connection of this.#store.lentConnections()) {
      connection.lease?.discard('closing');
      this.#parts.source.cut(connection.resource);
    }
  }

  /** The connections that are lent, or about to be. */
  lentConnections(): PooledConnection<Resource>[] {
    return this.#store.lentConnections();
  }

  /** Budget: a permit came. */
  onPermit(): void {
    const store = this.#store;
    const wanted = !this.#closing && this.#demand.callers() > store.incoming;
    if (wanted && !store.assigning && !store.hasSpare && this.#hasRoom()) store.request();
    else this.#parts.budget.giveBack(this);
  }

  /** Budget: since when the connection that has been idle longest is idle. */
  idleSinceMs(): number | undefined {
    return this.#longestIdle()?.idleSinceMs;
  }

  /** Budget: closes it. */
  closeIdle(): void {
    const connection = this.#longestIdle();
    if (connection !== undefined) this.close(connection, 'budget');
  }

  #arrived(connection: PooledConnection<Resource>): void {
    // Much may have happened while it was opened or validated.
    const reason = this.unfitness(connection);
    if (reason === undefined) this.#demand.arrived(connection);
    else this.close(connection, reason);
    this.#demand.changed();
  }

  #longestIdle(): PooledConnection<Resource> | undefined {
    return this.#store.idleConnections().find(({ lingers }) => !lingers);
  }

  #closeIdle(reason: EvictionReason): void {
    for (const connection of [...this.#store.idleConnections()]) this.close(connection, reason);
  }

  #hasRoom(): boolean {
    return this.physical < this.#parts.options.max;
  }

  #mayOpen(): boolean {
    if (!this.#hasRoom()) return false;
    if (this.#parts.clock.monotonicMs() < this.#backoff.untilMs) {
      this.#demand.wakeAt(this.#backoff.untilMs);
      return false;
    }
    return this.#parts.budget.take(this);
  }

  async #open(): Promise<PooledConnection<Resource> | undefined> {
    const { clock, observer, options, random } = this.#parts;
    const generation = this.#generation;
    const opened = await this.#timed.open();
    if ('error' in opened) {
      this.#openFailed(opened.error, opened.mayPass);
      return undefined;
    }
    this.#backoff.succeeded();
    observer.opened(opened.tookMs);
    const nowMs = clock.monotonicMs();
    const { maxLifetimeMs } = options;
    return {
      resource: opened.resource,
      generation,
      openedAtMs: nowMs,
      expiresAtMs: maxLifetimeMs === 0 ? Infinity : nowMs + maxLifetimeMs * (1 - random() / 10),
      idleSinceMs: nowMs,
      lingers: false,
      holdsTurn: false,
      lease: undefined,
    };
  }

  #openFailed(error: unknown, mayPass: boolean): void {
    if (this.#closing) return;
    this.#parts.observer.openFailed(error);
    if (mayPass) this.#backoff.failed(error);
    else this.#demand.cannotOpen(error);
  }

  /** Whether a connection that was just opened is wanted still. */
  #keeps(connection: PooledConnection<Resource>): boolean {
    const reason =
      this.unfitness(connection) ?? (this.mustYield(connection) ? 'budget' : undefined);
    if (reason === undefined) return true;
    this.#parts.observer.evicted(reason);
    return false;
  }

  /** Checks an idle connection before it is lent; asks the engine if it was idle for long. */
  #isFit(connection: PooledConnection<Resource>): boolean | Promise<boolean> {
    const { clock, observer, options } = this.#parts;
    const nowMs = clock.monotonicMs();
    const reason = this.unfitness(connection, nowMs);
    if (reason !== undefined) {
      observer.evicted(reason);
      return false;
    }
    const idleMs = nowMs - connection.idleSinceMs;
    return idleMs < options.validateAfterIdleMs || this.#validate(connection);
  }

  async #validate(connection: PooledConnection<Resource>): Promise<boolean> {
    if (await this.#timed.isValid(connection.resource)) return true;
    this.#parts.observer.evicted('invalid');
    return false;
  }

  /** Offers an idle connection to other pools only after this turn of the event loop: its last caller may call again at
   * once. Without this, each call of 1,000 busy datasets on a budget of 200 opened a connection. */
  #linger(connection: PooledConnection<Resource>): void {
    connection.lingers = true;
    setImmediate(() => {
      connection.lingers = false;
      const idle = this.#store.idleConnections().includes(connection);
      if (idle && this.#parts.budget.mustYield(this, false, Infinity))
        this.close(connection, 'budget');
    });
  }
}
