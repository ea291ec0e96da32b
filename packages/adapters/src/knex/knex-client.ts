/** A driver's connection, as a Knex client's pool has it. */
export interface RawConnection {
  readonly __knexUid?: string | undefined;
  __knex__disposed?: unknown;
}

/** A compiled query on its way through a Knex client, which puts the driver's answer into it. */
export interface KnexQuery {
  readonly sql: string;
  readonly bindings?: readonly unknown[] | undefined;
  /** What the query builder made it of: `select`, `insert`, `raw`; undefined for what Knex writes itself. */
  readonly method?: string | undefined;
  /** The time that its caller gave it, in ms. */
  readonly timeout?: number | false | undefined;
  response?: unknown;
  context?: unknown;
}

/** Where a stream's rows go. */
export interface RowSink {
  readonly closed: boolean;
  once(event: 'close', listener: () => void): unknown;
  emit(event: 'error', error: unknown): unknown;
}

/** Configuration of a Knex instance, as far as it is looked at here. */
export interface KnexConfig {
  /** A function gives it anew each time it has expired. */
  readonly connection?: unknown;
  /** Of a driver, or one that was made elsewhere. */
  readonly connectionPool?: { readonly options?: { readonly max?: number } } | undefined;
  readonly pool?: { readonly max?: number; readonly acquireTimeoutMillis?: number } | undefined;
  readonly acquireConnectionTimeout?: number | undefined;
}

/** What of Knex's `Client` stands between the query builder and the driver, which its types leave out. */
export interface KnexClient {
  readonly config: KnexConfig;
  readonly dialect: string;
  readonly driverName: string;
  readonly pool: { readonly max?: number } | undefined;
  readonly connectionSettings: { readonly filename?: unknown } | undefined;
  readonly transacting?: boolean;
  /** Gives what the driver connects by, where that is a function's to say. */
  connectionConfigProvider?: (() => unknown) | undefined;
  version?: string | undefined;
  acquireConnection(): Promise<RawConnection>;
  releaseConnection(connection: RawConnection): Promise<void>;
  cancelQuery(connection: RawConnection): Promise<unknown>;
  _query(connection: RawConnection, query: KnexQuery): Promise<KnexQuery>;
  _stream(
    connection: RawConnection,
    query: KnexQuery,
    stream: RowSink,
    options: unknown,
  ): Promise<unknown>;
  transaction(container: TransactionContainer, config: unknown, outer: unknown): KnexTransaction;
  runner(builder: KnexBuilder): KnexRunner;
  initializePool(config?: unknown): void;
  destroy(callback?: (error?: unknown) => void): Promise<void>;
}

/** What a transaction is given to do. */
export type TransactionContainer = (transaction: { readonly client: KnexClient }) => unknown;

/** What a program builds, as it was written. */
export interface KnexBuilder {
  readonly sql?: unknown;
  readonly bindings?: unknown;
}

/** Runs what a builder was compiled to. */
export interface KnexRunner {
  /** What it runs on, once it has one. */
  readonly connection: RawConnection | undefined;
  query(query: KnexQuery): Promise<unknown>;
  /** Asks the client for a connection before it returns, where it was given none. */
  ensureConnection(...how: unknown[]): Promise<unknown>;
  readonly builder: KnexBuilder;
}

/** A class of runners. */
export type KnexRunnerClass = new (client: KnexClient, builder: KnexBuilder) => KnexRunner;

/** A transaction of Knex's. */
export interface KnexTransaction {
  /** Asks the client for a connection before it returns, where it was given none. */
  acquireConnection(...how: unknown[]): Promise<unknown>;
}

/** A class of clients: one a dialect, or the program's own. */
export type KnexClientClass = new (config: object) => KnexClient;

/** Whether all that a client runs has one connection. */
export function hasOneConnection({ pool, config }: Pick<KnexClient, 'pool' | 'config'>): boolean {
  return (pool?.max ?? config.connectionPool?.options?.max) === 1;
}

/** How long Knex waits for a connection, in ms: the smaller of what was configured. */
export function acquireTimeoutMs({ config }: Pick<KnexClient, 'config'>): number {
  const given = [config.acquireConnectionTimeout, config.pool?.acquireTimeoutMillis].filter(
    (each) => each !== undefined,
  );
  return given.length === 0 ? 60_000 : Math.min(...given);
}
