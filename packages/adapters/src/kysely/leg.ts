import { NotComparableError } from '@changeover/core';
import type {
  AbortableOperationOptions,
  DatabaseConnection,
  Dialect,
  Driver,
  QueryResult,
} from 'kysely';
import { Leases, type LeasesOptions } from '../shared/leases.ts';
import type { Holder, KyselyLease } from './lease.ts';
import type { QueryCall } from './query-call.ts';

/** Of the adapter's own work: no program's key is empty. */
const ownKey = '';

/** How a transaction begins. */
export interface TransactionCall {
  readonly key: string;
  /** Whose connection it runs on. */
  readonly holder: Holder;
  /** By the driver, or by the statement that the program wrote. */
  begin(lease: KyselyLease): Promise<unknown>;
}

/** A query's rows as they come. */
export type RowStream = AsyncIterableIterator<QueryResult<unknown>>;

/** What both legs offer the bridge: its operations are these methods. */
export interface LegApi {
  executeQuery(
    sql: string,
    parameters: readonly unknown[],
    call: QueryCall,
  ): Promise<QueryResult<unknown>>;
  /** A read answers its stream; anything else hands it to `work`, and lasts as long as that. */
  streamQuery(
    sql: string,
    parameters: readonly unknown[],
    call: QueryCall,
    stream: { readonly chunkSize: number },
    work: (stream: RowStream) => Promise<void>,
  ): Promise<RowStream | undefined>;
  transaction(call: TransactionCall, work: (lease: KyselyLease) => Promise<void>): Promise<void>;
}

/**
 * One of the two dialects as a leg. What it runs for a caller runs on the connection that the caller holds already, or on one that
 * the caller holds from then on; what it runs for comparison, on one that is given back at once.
 */
export class DialectLeg implements LegApi {
  readonly #driver: Driver;
  readonly #leases: Leases<DatabaseConnection, Driver>;
  #seen: DatabaseConnection | undefined;

  /** @param options whether keys that work with the state of connections get one of their own, and which these are. */
  constructor(dialect: Dialect, options: Omit<LeasesOptions<DatabaseConnection>, 'single'>) {
    this.#driver = dialect.createDriver();
    this.#leases = new Leases(this.#driver, { ...options, single: hasOneConnection(dialect) });
  }

  /** The driver's error was one of acquiring a connection: nothing was run. */
  isUnavailable(error: unknown): boolean {
    return this.#leases.failedToLend(error);
  }

  /** Any connection of it, for what its connections can do; undefined before the first. */
  get seen(): DatabaseConnection | undefined {
    return this.#seen;
  }

  async init(options?: AbortableOperationOptions): Promise<this> {
    await this.#driver.init(options);
    return this;
  }

  async executeQuery(
    _sql: string,
    parameters: readonly unknown[],
    call: QueryCall,
  ): Promise<QueryResult<unknown>> {
    const holder = call.takeHolder();
    if (holder === undefined) return this.#executeAgain(parameters, call);
    const signal = call.options?.signal;
    const leases = this.#leases;
    if (holder.lease !== undefined) holder.lease.note(call);
    else if (signal !== undefined || !leases.waitsForDriverAlone(call.key, call))
      holder.lease = await this.#lend(call.key, call, signal);
    else
      try {
        holder.lease = leases.lease(await leases.acquire(), call.key, call);
      } catch (error) {
        throw leases.failed(error);
      }
    const { connection } = holder.lease;
    this.#seen ??= connection;
    // Awaited here, which takes two turns of the microtask queue less than to hand on the promise.
    if (signal === undefined) return await connection.executeQuery(call.query, call.options);
    try {
      // What is cancelled later is told by this.
      await connection.collectSessionInfo?.();
      signal.throwIfAborted();
      return await connection.executeQuery(call.query, call.options);
    } finally {
      call.ended();
    }
  }

  /** For comparison. */
  async #executeAgain(
    parameters: readonly unknown[],
    call: QueryCall,
  ): Promise<QueryResult<unknown>> {
    if (call.wasCancelled)
      throw new NotComparableError('The caller cancelled this query while it ran.');
    return await this.withConnection(
      (connection) => connection.executeQuery(call.queryWith(parameters)),
      call,
    );
  }

  async streamQuery(
    _sql: string,
    _parameters: readonly unknown[],
    call: QueryCall,
    { chunkSize }: { readonly chunkSize: number },
    work: (stream: RowStream) => Promise<void>,
  ): Promise<RowStream | undefined> {
    const holder = call.takeHolder();
    if (holder === undefined) throw new TypeError('a stream was asked for twice');
    const { connection } = await this.#leaseFor(holder, call);
    const stream = connection.streamQuery(call.query, chunkSize, call.options);
    if (call.isRead) return stream;
    await work(stream);
    return undefined;
  }

  async transaction(
    call: TransactionCall,
    work: (lease: KyselyLease) => Promise<void>,
  ): Promise<void> {
    const { holder, key } = call;
    holder.lease ??= await this.#lend(key);
    const { lease } = holder;
    await call.begin(lease);
    await work(lease);
  }

  /** Runs work that is no caller's on a connection of the leg. */
  async withConnection<T>(
    work: (connection: DatabaseConnection) => Promise<T>,
    call?: QueryCall,
  ): Promise<T> {
    const lease = await this.#lend(call?.key ?? ownKey, call);
    try {
      return await work(lease.connection);
    } finally {
      await lease.giveBack();
    }
  }

  async destroy(options?: AbortableOperationOptions): Promise<void> {
    await this.#leases.releaseKept();
    await this.#driver.destroy(options);
  }

  async #leaseFor(holder: Holder, call: QueryCall): Promise<KyselyLease> {
    if (holder.lease === undefined) {
      holder.lease = await this.#lend(call.key, call, call.options?.signal);
      return holder.lease;
    }
    holder.lease.note(call);
    return holder.lease;
  }

  async #lend(key: string, call?: QueryCall, signal?: AbortSignal): Promise<KyselyLease> {
    const lease = await this.#leases.lend(key, call, signal);
    this.#seen ??= lease.connection;
    return lease;
  }
}

/** Whether a dialect's driver has but one connection, for which calls take turns. */
export function hasOneConnection(dialect: Dialect): boolean {
  return dialect.createAdapter().supportsMultipleConnections === false;
}
