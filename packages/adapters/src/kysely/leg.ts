import type {
  AbortableOperationOptions,
  DatabaseConnection,
  Dialect,
  Driver,
  QueryResult,
  TransactionSettings,
} from 'kysely';
import { LegStream } from './leg-stream.ts';
import type { QueryCall } from './query-call.ts';
import { type Lease, Leases, type LeasesOptions } from './leases.ts';

/** Of the adapter's own work: no program's key is empty. */
const ownKey = '';

/** How a transaction begins. */
export interface TransactionCall {
  readonly key: string;
  /** By the driver, or by the statement that the program wrote. */
  begin(driver: Driver, connection: DatabaseConnection): Promise<unknown>;
}

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
    work: (stream: LegStream) => Promise<void>,
  ): Promise<LegStream | undefined>;
  transaction(call: TransactionCall, work: (begun: Begun) => Promise<void>): Promise<void>;
}

/** A transaction that has begun. */
export interface Begun {
  readonly driver: Driver;
  readonly lease: Lease;
}

/** One of the two dialects as a leg: each query on a connection of its own driver, which is given back after it. */
export class DialectLeg implements LegApi {
  readonly driver: Driver;
  /** Any connection of it, for what its connections can do; undefined before the first. */
  seen: DatabaseConnection | undefined;
  readonly #leases: Leases;

  /** @param keeps whether keys that work with the state of connections get one of their own. */
  constructor(dialect: Dialect, { session, keeps }: Omit<LeasesOptions, 'single'>) {
    this.driver = dialect.createDriver();
    const single = dialect.createAdapter().supportsMultipleConnections === false;
    this.#leases = new Leases(this.driver, { single, session, keeps });
  }

  /** The driver's error was one of acquiring a connection: nothing was run. */
  isUnavailable(error: unknown): boolean {
    return this.#leases.failedToLend(error);
  }

  /** No connection is lent, where the leg has but one. */
  get idle(): boolean {
    return this.#leases.idle;
  }

  async init(options?: AbortableOperationOptions): Promise<this> {
    await this.driver.init(options);
    return this;
  }

  async executeQuery(
    _sql: string,
    parameters: readonly unknown[],
    call: QueryCall,
  ): Promise<QueryResult<unknown>> {
    const options = call.takeOptions();
    const lease = await this.#leases.lend(call.key, call, options?.signal);
    const { connection } = lease;
    this.seen ??= connection;
    try {
      if (options?.signal !== undefined) {
        call.runsOn(connection);
        // What is cancelled later is told by this.
        await connection.collectSessionInfo?.();
      }
      return await connection.executeQuery(call.queryWith(parameters), options);
    } finally {
      await this.#leases.giveBack(lease);
    }
  }

  async streamQuery(
    _sql: string,
    parameters: readonly unknown[],
    call: QueryCall,
    { chunkSize }: { readonly chunkSize: number },
    work: (stream: LegStream) => Promise<void>,
  ): Promise<LegStream | undefined> {
    const options = call.takeOptions();
    const lease = await this.#leases.lend(call.key, call, options?.signal);
    const stream = new LegStream(
      () => lease.connection.streamQuery(call.queryWith(parameters), chunkSize, options),
      () => this.#leases.giveBack(lease),
    );
    if (call.isRead) return stream;
    try {
      await work(stream);
    } finally {
      await stream.close();
    }
    return undefined;
  }

  async transaction(call: TransactionCall, work: (begun: Begun) => Promise<void>): Promise<void> {
    const lease = await this.#leases.lend(call.key);
    try {
      await call.begin(this.driver, lease.connection);
      await work({ driver: this.driver, lease });
    } finally {
      await this.#leases.giveBack(lease);
    }
  }

  /** Runs work of the adapter's own on a connection of the leg. */
  async withConnection<T>(work: (connection: DatabaseConnection) => Promise<T>): Promise<T> {
    const lease = await this.#leases.lend(ownKey);
    this.seen ??= lease.connection;
    try {
      return await work(lease.connection);
    } finally {
      await this.#leases.giveBack(lease);
    }
  }

  async destroy(options?: AbortableOperationOptions): Promise<void> {
    await this.#leases.releaseKept();
    await this.driver.destroy(options);
  }
}

/** Begins as Kysely's own transactions do. */
export function beginByDriver(key: string, settings: TransactionSettings): TransactionCall {
  return {
    key,
    begin: (driver, connection) => driver.beginTransaction(connection, settings),
  };
}
