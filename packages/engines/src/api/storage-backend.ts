import type { InputRows, InputValue, Metadata, ResultSet } from './input-values.ts';
import type { Row, Value } from '@changeover/core';

/** Which rows and columns of a table. */
export interface ReadTableOptions {
  /** Columns in the order wanted. Default: all, in the table's order. */
  readonly columns?: readonly string[] | undefined;
  /** Either `{column: value}` (all must hold; `null` matches NULL, a list matches any of its values), or a condition in
   * the engine's SQL, which is passed on as it is: never build one from input that you don't trust. */
  readonly where?:
    string | { readonly [column: string]: InputValue | readonly InputValue[] } | undefined;
  /** The first `limit` rows in insertion order, or in that of `orderBy`. 0 gives none. Default: all. */
  readonly limit?: number | undefined;
  /** A column, `'column desc'`, or a list of these. */
  readonly orderBy?: string | readonly (string | OrderBy)[] | undefined;
}

/** One column to order by. */
export interface OrderBy {
  readonly column: string;
  readonly direction?: 'asc' | 'desc' | undefined;
}

/** What to do where the table is there already. Default: `'fail'`. */
export interface WriteTableOptions {
  readonly ifExists?: 'fail' | 'replace' | 'append' | undefined;
}

/** A column as the engine describes it. */
export interface ColumnInfo {
  name: string;
  /** The engine's name of the type. */
  type: string;
  nullable: boolean;
  /** The default's SQL text, or null where there is none. */
  default: string | null;
  primaryKey: boolean;
}

/** A table as the engine describes it. */
export interface TableInfo {
  name: string;
  columns: ColumnInfo[];
  rowCount: number;
  columnCount: number;
}

/** One column's statistics. `mean` and `std` (of the sample, n - 1) are null where the column holds no numbers. */
export interface ColumnAnalysis {
  /** Rows whose value is not NULL. */
  count: number;
  uniqueCount: number;
  min: Value;
  max: Value;
  mean: number | null;
  std: number | null;
}

/** What can be done inside a transaction, all of it on the transaction's own connection. */
export interface StorageTransaction {
  readData(): Promise<Row[]>;
  readTable(table: string, options?: ReadTableOptions): Promise<Row[]>;
  /** Runs one statement that reads. Takes one that gives the rows of its own write as well (`INSERT … RETURNING id`), and on PostgreSQL one
   * that locks what it reads (`SELECT … FOR UPDATE`). */
  query(sql: string, params?: readonly InputValue[]): Promise<ResultSet>;
  writeTable(table: string, rows: InputRows, options?: WriteTableOptions): Promise<void>;
  execute(sql: string, params?: readonly InputValue[]): Promise<number>;
  getTableInfo(table: string): Promise<TableInfo>;
  getColumns(table: string): Promise<string[]>;
  tableExists(table: string): Promise<boolean>;
  listTables(): Promise<string[]>;
  analyzeColumn(table: string, column: string): Promise<ColumnAnalysis>;
}

/** What can be done inside a session: all of a transaction's calls, on one connection, each committed by itself. `query` takes rows of a
 * write here too (`INSERT … RETURNING id`), and `execute` takes what sets the connection: `SET` on PostgreSQL, `PRAGMA foreign_keys` and
 * the like on SQLite, `SET SESSION` and `SET VARIABLE` on DuckDB. */
export interface StorageSession extends StorageTransaction {
  /** Runs `work` once in a transaction on the session's connection: committed when it returns, rolled back when it throws. All calls on the
   * session are part of it meanwhile. One at a time. Throws an `InvalidArgumentError` inside of another. */
  transaction<T>(work: (transaction: StorageTransaction) => Promise<T> | T): Promise<T>;
}

/** How a transaction is run. */
export interface TransactionOptions {
  /** `serializable`: as if no other transaction ran meanwhile, in this process or another. PostgreSQL gives up one of two that could
   * not have run one after the other; the whole transaction, **`work` included, is then run again**: it must have no effect but on the
   * transaction. On SQLite each transaction is serializable, on DuckDB those of one process are. Default: the engine's own isolation
   * level, and `work` runs once. */
  readonly isolation?: 'serializable' | undefined;
  /** How often `work` is run at most, with growing pauses of up to 250 ms, before the engine's refusal is the caller's error
   * (`retryable: true`). From 1 to 1,000. Default: 20. Only with `isolation`. */
  readonly attempts?: number | undefined;
}

/**
 * The legacy storage API, one object an engine, the dataset's name as first argument: what call sites use and what both
 * legs and the router between them provide. Every error is a {@link StorageError} with the driver's error as `cause`.
 */
export interface StorageBackend {
  /** All rows of the dataset's primary table: `data`, else `train`. */
  readData(dataset: string): Promise<Row[]>;
  /** Rows of one table. */
  readTable(dataset: string, table: string, options?: ReadTableOptions): Promise<Row[]>;
  /** Runs one statement that reads, with the engine's own placeholders. A statement that writes is refused. */
  query(dataset: string, sql: string, params?: readonly InputValue[]): Promise<ResultSet>;
  /** Creates or extends a table, in one transaction. */
  writeTable(
    dataset: string,
    table: string,
    rows: InputRows,
    options?: WriteTableOptions,
  ): Promise<void>;
  /** Runs one statement and commits it. Resolves to the number of rows affected. */
  execute(dataset: string, sql: string, params?: readonly InputValue[]): Promise<number>;
  /** Runs `work` once in a transaction: committed when it returns, rolled back when it throws. Calls that `work` makes
   * for the same dataset on this object take part in the transaction, as they do on one connection.
   *
   * With `isolation: 'serializable'` `work` may be run several times: see {@link TransactionOptions}. */
  transaction<T>(
    dataset: string,
    work: (transaction: StorageTransaction) => Promise<T> | T,
    options?: TransactionOptions,
  ): Promise<T>;
  /** Runs `work` once with a connection of its own, on which nothing was left, and of which nothing is left afterwards: what its
   * statements set, lock or make temporary is there for its later ones, and for nobody else. Each statement commits by itself. Calls that `work`
   * makes for the same dataset on this object run on that connection. Like a transaction it excludes the dataset's other writes in this
   * process while it lasts, and holds a connection: keep it short. Throws an `InvalidArgumentError` inside of a transaction or a session on
   * the dataset. */
  session<T>(dataset: string, work: (session: StorageSession) => Promise<T> | T): Promise<T>;
  getTableInfo(dataset: string, table: string): Promise<TableInfo>;
  /** The columns' names in the table's order. */
  getColumns(dataset: string, table: string): Promise<string[]>;
  tableExists(dataset: string, table: string): Promise<boolean>;
  /** The tables' names, sorted. */
  listTables(dataset: string): Promise<string[]>;
  analyzeColumn(dataset: string, table: string, column: string): Promise<ColumnAnalysis>;
  /** The dataset's metadata; `{}` where none was set. */
  getMetadata(dataset: string): Promise<Metadata>;
  /** Merges by key into the dataset's metadata: keys not named stay as they are. */
  updateMetadata(dataset: string, metadata: Metadata): Promise<void>;
  datasetExists(dataset: string): Promise<boolean>;
  /** Creates an empty dataset. */
  createDataset(dataset: string): Promise<void>;
  /** Removes the dataset with everything in it. One that doesn't exist is no error. */
  dropDataset(dataset: string): Promise<void>;
  /** The datasets' names, sorted. */
  listDatasets(): Promise<string[]>;
  /** Closes what is open. Idempotent; the next call opens again. */
  closeConnections(): Promise<void>;
}

/** The names of the operations. */
export type StorageOperation = keyof StorageBackend;

/** What a single call may bring along. */
export interface CallOptions {
  /** Gives the call up: it rejects with an `AbortedError` and the statement is cancelled where the engine can. */
  readonly signal?: AbortSignal | undefined;
  /** The call is answered within this time, in ms, by a result or an error. Default: the pool's. */
  readonly deadlineMs?: number | undefined;
}

/** A stateless backend, bound to one dataset: the API that a codebase moves to. */
export interface DatasetBackend {
  readonly dataset: string;
  readData(options?: CallOptions): Promise<Row[]>;
  readTable(table: string, read?: ReadTableOptions, options?: CallOptions): Promise<Row[]>;
  query(sql: string, params?: readonly InputValue[], options?: CallOptions): Promise<ResultSet>;
  writeTable(
    table: string,
    rows: InputRows,
    write?: WriteTableOptions,
    options?: CallOptions,
  ): Promise<void>;
  execute(sql: string, params?: readonly InputValue[], options?: CallOptions): Promise<number>;
  transaction<T>(
    work: (transaction: StorageTransaction) => Promise<T> | T,
    options?: CallOptions & TransactionOptions,
  ): Promise<T>;
  /** As that of {@link StorageBackend}. */
  session<T>(work: (session: StorageSession) => Promise<T> | T, options?: CallOptions): Promise<T>;
  getTableInfo(table: string, options?: CallOptions): Promise<TableInfo>;
  getColumns(table: string, options?: CallOptions): Promise<string[]>;
  tableExists(table: string, options?: CallOptions): Promise<boolean>;
  listTables(options?: CallOptions): Promise<string[]>;
  analyzeColumn(table: string, column: string, options?: CallOptions): Promise<ColumnAnalysis>;
  getMetadata(options?: CallOptions): Promise<Metadata>;
  updateMetadata(metadata: Metadata, options?: CallOptions): Promise<void>;
  datasetExists(options?: CallOptions): Promise<boolean>;
  createDataset(options?: CallOptions): Promise<void>;
  dropDataset(options?: CallOptions): Promise<void>;
}
