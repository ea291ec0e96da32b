import { LastWriteError } from './last-write-error.ts';
import type { LegSession } from './leg-session.ts';
import type { StatementTraits } from './statement-traits.ts';
import { Turns } from './turns.ts';

/** Shared by all that nothing unknown ran on. */
const none: readonly string[] = Object.freeze([]);

/** Who has the connections. */
export interface Lender<Connection> {
  /** Gives up waiting when the signal says so, where it can. */
  acquireConnection(options?: { readonly signal?: AbortSignal }): Promise<Connection>;
  releaseConnection(connection: Connection): Promise<void>;
}

/** A statement, as far as its connection is concerned. */
export interface LeasedStatement {
  readonly sql: string;
  readonly traits: StatementTraits;
  /** Whether it can be one that leaves something on its connection. */
  readonly mayLeave: boolean;
}

/** A connection that is lent, until it is given back. */
export class Lease<Connection, Driver extends Lender<Connection> = Lender<Connection>> {
  readonly connection: Connection;
  readonly driver: Driver;
  readonly key: string;
  /** The key's one connection, where it has one. @internal */
  readonly kept: Kept<Connection> | undefined;
  /** What was left on it. @internal */
  left: 'nothing' | 'locks' | 'state' = 'nothing';
  /** Its connection is the driver's again, or the key's: what is learned of it later comes too late. @internal */
  isOver = false;
  /** Texts that ran on it before it was known what they do. @internal */
  unlearned: readonly string[] = none;
  readonly #leases: Leases<Connection, Driver>;

  constructor(parts: {
    readonly connection: Connection;
    readonly driver: Driver;
    readonly key: string;
    readonly kept: Kept<Connection> | undefined;
    readonly leases: Leases<Connection, Driver>;
  }) {
    this.connection = parts.connection;
    this.driver = parts.driver;
    this.key = parts.key;
    this.kept = parts.kept;
    this.#leases = parts.leases;
  }

  /** Something is or may be on it that others of its key wait for: a lock, or the connection itself. What runs on it must not wait
   * for them in its turn. */
  get holdsOthersUp(): boolean {
    return this.kept !== undefined || this.left !== 'nothing' || this.unlearned.length > 0;
  }

  /** Notes that a statement is about to run on it. */
  note(call: LeasedStatement): void {
    this.#leases.note(this, call);
  }

  /** To be called once. */
  giveBack(): Promise<void> {
    return this.#leases.giveBack(this);
  }
}

/** A key's one connection, which runs one call at a time. */
interface Kept<Connection> {
  readonly turns: Turns;
  connection: Promise<Connection>;
}

/** A connection that is out with something on it, and who waits for it. */
interface Marked<Connection, Driver extends Lender<Connection>> {
  readonly lease: Lease<Connection, Driver>;
  readonly over: Promise<undefined>;
  readonly resolve: (value: undefined) => void;
}

/** How connections are lent. */
export interface LeasesOptions<Connection> {
  /** The driver has but one connection, and lets its callers see to it that they take turns. */
  readonly single: boolean;
  /** Whether keys that need it get a connection of their own. A singleton's connections are its own matter. */
  readonly keeps: boolean;
  readonly session: LegSession<Connection>;
}

/**
 * Lends a driver's connections. What a statement leaves on a connection is for its key alone: others of the key wait until the
 * connection is given back, and from then on it is the only one that the key has.
 */
export class Leases<Connection, Driver extends Lender<Connection> = Lender<Connection>> {
  readonly #driver: Driver;
  readonly #session: LegSession<Connection>;
  readonly #keeps: boolean;
  /** Of a driver with one connection, which is asked for it by one call at a time. */
  readonly #turns: Turns | undefined;
  readonly #kept = new Map<string, Kept<Connection>>();
  readonly #giveTurn = (): void => {
    this.#turns?.give();
  };
  /** By key, a connection that is out with something on it. */
  readonly #marked = new Map<string, Marked<Connection, Driver>>();
  /** With something on them, while their key already had another one. */
  readonly #aside: Connection[] = [];
  readonly #lendingErrors = new WeakSet<object>();

  constructor(driver: Driver, options: LeasesOptions<Connection>) {
    this.#driver = driver;
    this.#session = options.session;
    this.#keeps = options.keeps && !options.single;
    this.#turns = options.single ? new Turns() : undefined;
  }

  failedToLend(error: unknown): boolean {
    return typeof error === 'object' && error !== null && this.#lendingErrors.has(error);
  }

  /**
   * Lends a connection, to be given back once.
   *
   * @param call the statement that it is for at first. Default: the lease will be told of what runs on it.
   * @param signal gives up waiting for it.
   */
  async lend(
    key: string,
    call?: LeasedStatement,
    signal?: AbortSignal,
  ): Promise<Lease<Connection, Driver>> {
    const lease = await this.#lend(key, call, signal);
    if (signal?.aborted === true) {
      await lease.giveBack();
      throw signal.reason as Error;
    }
    if (call !== undefined) lease.note(call);
    return lease;
  }

  /** Whether a call has nothing to wait for but the driver, as most have. */
  waitsForDriverAlone(key: string, call: LeasedStatement): boolean {
    return this.#turns === undefined
      ? this.#marked.size === 0 && !this.#isKept(key, call)
      : this.#turns.isFree;
  }

  /**
   * The driver's own promise of a connection, for a call that {@link waitsForDriverAlone}: {@link lend} would put two more between.
   * To be followed in the same function by {@link lease}, or by {@link failed} with what it throws or rejects with.
   */
  acquire(): Promise<Connection> {
    this.#turns?.takeNow();
    return this.#driver.acquireConnection();
  }

  /** Lends what was acquired, to be given back once. */
  lease(connection: Connection, key: string, call: LeasedStatement): Lease<Connection, Driver> {
    const lease = this.#lease(connection, key);
    lease.note(call);
    return lease;
  }

  /** Nothing was acquired. Gives back the error, of which {@link failedToLend} tells from now on. */
  failed(error: unknown): unknown {
    this.#turns?.give();
    return this.#noted(error);
  }

  /** @internal By {@link Lease.note}. */
  note(lease: Lease<Connection, Driver>, { traits, sql, mayLeave }: LeasedStatement): void {
    if (!traits.known) {
      lease.unlearned = [...lease.unlearned, sql];
      if (mayLeave && this.#keeps) this.#markUntilLearned(lease, sql);
      return;
    }
    if (traits.leaves !== 'nothing') this.#leaves(lease, traits.leaves);
    else if (traits.readsLastWrite) this.#session.keep(lease.key);
  }

  /** @internal By {@link Lease.giveBack}. */
  giveBack(lease: Lease<Connection, Driver>): Promise<void> {
    if (this.#turns !== undefined)
      return this.#driver.releaseConnection(lease.connection).then(this.#giveTurn);
    const isPlain =
      lease.kept === undefined &&
      (!this.#keeps || (lease.left === 'nothing' && lease.unlearned.length === 0));
    return isPlain ? this.#driver.releaseConnection(lease.connection) : this.#giveBackMarked(lease);
  }

  async #giveBackMarked(lease: Lease<Connection, Driver>): Promise<void> {
    if (lease.kept !== undefined) {
      lease.kept.turns.give();
      return;
    }
    if (lease.left === 'state') this.#keep(lease);
    else void this.#giveBackLater(lease);
  }

  /** Gives the drivers what keys had to themselves. */
  async releaseKept(): Promise<void> {
    const kept = [...this.#kept.values()];
    this.#kept.clear();
    const connections = await Promise.allSettled(kept.map(({ connection }) => connection));
    const open = connections.flatMap((made) => (made.status === 'fulfilled' ? [made.value] : []));
    for (const connection of [...open, ...this.#aside.splice(0)])
      await this.#driver.releaseConnection(connection);
  }

  async #lend(
    key: string,
    call: LeasedStatement | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Lease<Connection, Driver>> {
    if (this.#turns !== undefined) {
      await this.#turns.take(signal);
      try {
        return this.#lease(await this.#acquire(signal), key);
      } catch (error) {
        this.#turns.give();
        throw error;
      }
    }
    for (let marked = this.#marked.get(key); marked; marked = this.#marked.get(key))
      await marked.over;
    const kept = this.#kept.get(key);
    if (kept !== undefined) return this.#lendKept(key, kept, signal);
    if (this.#keeps && call?.traits.readsLastWrite === true && !this.#session.isKept(key)) {
      this.#session.keep(key);
      throw new LastWriteError(call.sql);
    }
    if (this.#keeps && this.#session.isKept(key))
      return this.#lendKept(key, this.#newKept(key, this.#acquire()), signal);
    return this.#lease(await this.#acquire(signal), key);
  }

  async #lendKept(
    key: string,
    kept: Kept<Connection>,
    signal: AbortSignal | undefined,
  ): Promise<Lease<Connection, Driver>> {
    await kept.turns.take(signal);
    try {
      return this.#lease(await kept.connection, key, kept);
    } catch (error) {
      kept.connection = this.#acquire();
      kept.connection.catch(() => undefined);
      kept.turns.give();
      throw error;
    }
  }

  #isKept(key: string, call: LeasedStatement | undefined): boolean {
    if (!this.#keeps) return false;
    return call?.traits.readsLastWrite === true || this.#session.isKept(key);
  }

  #lease(connection: Connection, key: string, kept?: Kept<Connection>): Lease<Connection, Driver> {
    return new Lease({ connection, driver: this.#driver, key, kept, leases: this });
  }

  #newKept(key: string, connection: Promise<Connection>): Kept<Connection> {
    const kept: Kept<Connection> = { turns: new Turns(), connection };
    this.#kept.set(key, kept);
    return kept;
  }

  #leaves(lease: Lease<Connection, Driver>, leaves: StatementTraits['leaves']): void {
    if (leaves !== 'locks') lease.left = 'state';
    else if (lease.left === 'nothing') lease.left = 'locks';
    if (leaves !== 'locks' || !this.#keeps) this.#session.keep(lease.key);
    if (this.#keeps) this.#mark(lease);
  }

  #mark(lease: Lease<Connection, Driver>): void {
    if (lease.isOver || lease.kept !== undefined || this.#marked.has(lease.key)) return;
    const { promise: over, resolve } = Promise.withResolvers<undefined>();
    this.#marked.set(lease.key, { lease, over, resolve });
  }

  /** Nobody waits for it any more. */
  #unmark(lease: Lease<Connection, Driver>): void {
    const marked = this.#marked.get(lease.key);
    if (marked?.lease !== lease) return;
    this.#marked.delete(lease.key);
    marked.resolve(undefined);
  }

  #markUntilLearned(lease: Lease<Connection, Driver>, sql: string): void {
    this.#mark(lease);
    void this.#session.learn(sql).then(({ leaves }) => {
      if (leaves !== 'nothing') this.#leaves(lease, leaves);
      else if (lease.left === 'nothing') this.#unmark(lease);
    });
  }

  /** Once it is known what was left on it. The caller has had its answer. */
  async #giveBackLater(lease: Lease<Connection, Driver>): Promise<void> {
    for (const sql of lease.unlearned) {
      const { leaves } = await this.#session.learn(sql);
      if (leaves !== 'nothing') this.#leaves(lease, leaves);
    }
    const { connection } = lease;
    lease.isOver = true;
    const isClean =
      lease.left === 'nothing' ||
      (lease.left === 'locks' && (await this.#session.holdsNoLock(connection)));
    if (!isClean) {
      this.#keep(lease);
      return;
    }
    // The driver drops a connection that it can't take back.
    await Promise.resolve(this.#driver.releaseConnection(connection)).catch(() => undefined);
    this.#unmark(lease);
  }

  #keep(lease: Lease<Connection, Driver>): void {
    const { key, connection } = lease;
    lease.isOver = true;
    this.#session.keep(key);
    if (this.#kept.has(key)) this.#aside.push(connection);
    else this.#newKept(key, Promise.resolve(connection));
    this.#unmark(lease);
  }

  async #acquire(signal?: AbortSignal): Promise<Connection> {
    try {
      return await this.#driver.acquireConnection(signal === undefined ? undefined : { signal });
    } catch (error) {
      throw this.#noted(error);
    }
  }

  #noted(error: unknown): unknown {
    if (typeof error === 'object' && error !== null) this.#lendingErrors.add(error);
    return error;
  }
}
