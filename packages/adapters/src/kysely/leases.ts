import type { DatabaseConnection, Driver } from 'kysely';
import { leavesOnConnection, type QueryCall, usesSession } from './query-call.ts';
import type { LegSession } from './leg-session.ts';
import { SessionStateError } from './session-state-error.ts';
import { Turns } from './turns.ts';

/** A connection that is lent, until it is given back. */
export class Lease {
  readonly connection: DatabaseConnection;
  readonly driver: Driver;
  readonly key: string;
  readonly #leases: Leases;
  /** The key's one connection, where it has one. @internal */
  readonly kept: Kept | undefined;
  /** Something was left on it that is known. @internal */
  isMarked = false;
  /** Texts that ran on it before it was known what they do. @internal */
  readonly unlearned: string[] = [];

  constructor(parts: {
    readonly connection: DatabaseConnection;
    readonly driver: Driver;
    readonly key: string;
    readonly kept: Kept | undefined;
    readonly leases: Leases;
  }) {
    this.connection = parts.connection;
    this.driver = parts.driver;
    this.key = parts.key;
    this.kept = parts.kept;
    this.#leases = parts.leases;
  }

  /** To be called once. */
  giveBack(): Promise<void> {
    return this.#leases.giveBack(this);
  }

  /** Notes that a statement runs on it. */
  note(call: Pick<QueryCall, 'statement' | 'sql'>): void {
    if (call.statement === 'pending') this.unlearned.push(call.sql);
    else if (leavesOnConnection(call.statement)) this.isMarked = true;
  }
}

/** A key's one connection, which runs one call at a time. */
interface Kept {
  readonly turns: Turns;
  connection: Promise<DatabaseConnection>;
}

export interface LeasesOptions {
  /** The driver has but one connection. */
  readonly single: boolean;
  /** Whether keys that need it get a connection of their own. A singleton's connections are its own matter. */
  readonly keeps: boolean;
  readonly session: LegSession;
}

/**
 * Lends a driver's connections. A key that works with what statements leave on connections has one of its own, from then on until
 * the end: nothing that was left on a connection is ever lent to anybody else.
 */
export class Leases {
  readonly #driver: Driver;
  readonly #session: LegSession;
  readonly #keeps: boolean;
  /** Of a driver with one connection, which Kysely would have asked for one call at a time. */
  readonly #turns: Turns | undefined;
  readonly #kept = new Map<string, Kept>();
  /** With something on them, while their key already had another one. */
  readonly #aside: DatabaseConnection[] = [];
  readonly #lendingErrors = new WeakSet<object>();

  constructor(driver: Driver, options: LeasesOptions) {
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
   * @param call the one statement that it is for. Default: any number of them, of which the lease must be told.
   * @param signal gives up waiting for it.
   */
  async lend(key: string, call?: QueryCall, signal?: AbortSignal): Promise<Lease> {
    const lease = await this.#lend(key, call, signal);
    if (call !== undefined) lease.note(call);
    return lease;
  }

  /** @internal By {@link Lease.giveBack}. */
  async giveBack(lease: Lease): Promise<void> {
    if (lease.kept !== undefined) {
      lease.kept.turns.give();
      return;
    }
    if (this.#turns !== undefined) {
      await this.#driver.releaseConnection(lease.connection);
      this.#turns.give();
      return;
    }
    if (!this.#keeps) {
      if (lease.isMarked) this.#session.keep(lease.key);
      await this.#driver.releaseConnection(lease.connection);
    } else if (lease.isMarked) this.#keep(lease);
    else if (lease.unlearned.length > 0) void this.#giveBackLearned(lease);
    else await this.#driver.releaseConnection(lease.connection);
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
    call: QueryCall | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Lease> {
    const statement = call?.statement ?? 'pending';
    const isNew = !this.#session.isKept(key);
    if (statement !== 'pending' && usesSession(statement)) this.#session.keep(key);
    if (this.#turns !== undefined) {
      await this.#turns.take(signal);
      try {
        return this.#lease(await this.#acquire(signal), key);
      } catch (error) {
        this.#turns.give();
        throw error;
      }
    }
    if (this.#keeps && isNew && statement !== 'pending' && statement.readsLastWrite)
      throw new SessionStateError(call?.sql ?? '');
    if (!this.#keeps || !this.#session.isKept(key))
      return this.#lease(await this.#acquire(signal), key);
    return this.#lendKept(key, signal);
  }

  async #lendKept(key: string, signal: AbortSignal | undefined): Promise<Lease> {
    const kept = this.#kept.get(key) ?? this.#newKept(key, this.#acquire());
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

  #lease(connection: DatabaseConnection, key: string, kept?: Kept): Lease {
    return new Lease({ connection, driver: this.#driver, key, kept, leases: this });
  }

  #newKept(key: string, connection: Promise<DatabaseConnection>): Kept {
    const kept: Kept = { turns: new Turns(), connection };
    this.#kept.set(key, kept);
    return kept;
  }

  async #giveBackLearned(lease: Lease): Promise<void> {
    for (const sql of lease.unlearned) {
      const statement = await this.#session.learn(sql);
      if (statement === undefined || !leavesOnConnection(statement)) continue;
      this.#keep(lease);
      return;
    }
    try {
      await this.#driver.releaseConnection(lease.connection);
    } catch {
      // The caller has had its answer; the driver drops a connection that it can't take back.
    }
  }

  #keep({ key, connection }: Lease): void {
    this.#session.keep(key);
    if (this.#kept.has(key)) this.#aside.push(connection);
    else this.#newKept(key, Promise.resolve(connection));
  }

  async #acquire(signal?: AbortSignal): Promise<DatabaseConnection> {
    try {
      return await this.#driver.acquireConnection(signal === undefined ? undefined : { signal });
    } catch (error) {
      if (typeof error === 'object' && error !== null) this.#lendingErrors.add(error);
      throw error;
    }
  }
}
