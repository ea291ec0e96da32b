import { resolve } from 'node:path';
import {
  type ColumnAnalysis,
  type Engine,
  type InputRows,
  type InputValue,
  type Metadata,
  parseDatasetName,
  parseEngine,
  type ReadTableOptions,
  type ResultSet,
  type StorageBackend as StorageApi,
  StorageError,
  type StorageSession,
  type StorageTransaction,
  type StoreLocation,
  type TableInfo,
  type TransactionOptions,
  type WriteTableOptions,
} from '@changeover/engines/api';
import { type Row } from '@changeover/core';
import { type ShadowRun, SingleConnection } from './single-connection.ts';

/** The legacy singletons are process-wide: that is what they are, and why they are to go. */
const instances = new Map<Engine, StorageBackend>();
let configured: StoreLocation | undefined;

/**
 * The legacy storage object: one an engine in the process, with one connection to the one dataset that was named last, and
 * one queue for everybody. Naming another dataset closes the connection and opens the other's.
 */
export class StorageBackend implements StorageApi {
  readonly #connection: SingleConnection;
  readonly #shadow: ShadowRun | undefined;

  private constructor(connection: SingleConnection, shadow?: ShadowRun) {
    this.#connection = connection;
    this.#shadow = shadow;
  }

  /**
   * The engine's object; the same at every call.
   *
   * @throws {UnknownEngineError} for a name that is no supported engine; the message lists them.
   */
  static getInstance(engine: Engine): StorageBackend {
    const known = instances.get(engine);
    if (known !== undefined) return known;
    const connection = new SingleConnection(parseEngine(engine), storeLocation);
    const instance = new StorageBackend(connection);
    instances.set(engine, instance);
    return instance;
  }

  /**
   * Says where the datasets are. Default: the folder in `CHANGEOVER_BASE_PATH`, else `./datasets`, and the server in
   * `DATABASE_URL`. Saying the same again is no error.
   *
   * @throws {StorageError} with code `ALREADY_CONFIGURED` while another place is in use.
   */
  static configure(location: StoreLocation): void {
    const next: StoreLocation = {
      basePath: resolve(location.basePath),
      databaseUrl: location.databaseUrl,
    };
    const inUse = [...instances.values()].some((instance) => !instance.#connection.unused);
    if (
      inUse &&
      (next.basePath !== configured?.basePath || next.databaseUrl !== configured.databaseUrl)
    ) {
      throw new StorageError(
        'ALREADY_CONFIGURED',
        'The legacy objects are in use with another place for the datasets. ' +
          'Configure before the first call, or await closeConnections() on each first.',
      );
    }
    configured = next;
  }

  /** What the legacy leg needs of an object beside its API. */
  static connectionOf(instance: StorageBackend): SingleConnection {
    return instance.#connection;
  }

  /** The same object to make one call on that is no caller's. */
  static asShadow(instance: StorageBackend, shadow: ShadowRun): StorageBackend {
    return new StorageBackend(instance.#connection, shadow);
  }

  async readData(dataset: string): Promise<Row[]> {
    return (await this.#connection.run(dataset, (programs) => programs.readData(), this.#shadow))
      .rows;
  }

  async readTable(dataset: string, table: string, options?: ReadTableOptions): Promise<Row[]> {
    return (
      await this.#connection.run(
        dataset,
        (programs) => programs.readTable(table, options),
        this.#shadow,
      )
    ).rows;
  }

  async query(dataset: string, sql: string, params?: readonly InputValue[]): Promise<ResultSet> {
    const { columns, rows } = await this.#connection.run(
      dataset,
      (programs) => programs.query(sql, params),
      this.#shadow,
    );
    return { columns, rows };
  }

  writeTable(
    dataset: string,
    table: string,
    rows: InputRows,
    options?: WriteTableOptions,
  ): Promise<void> {
    return this.#connection.run(
      dataset,
      (programs) => programs.writeTable(table, rows, options),
      this.#shadow,
    );
  }

  execute(dataset: string, sql: string, params?: readonly InputValue[]): Promise<number> {
    return this.#connection.run(dataset, (programs) => programs.execute(sql, params), this.#shadow);
  }

  transaction<T>(
    dataset: string,
    work: (transaction: StorageTransaction) => Promise<T> | T,
    options?: TransactionOptions,
  ): Promise<T> {
    return this.#connection.transaction(dataset, work, options);
  }

  session<T>(dataset: string, work: (session: StorageSession) => Promise<T> | T): Promise<T> {
    return this.#connection.session(dataset, work);
  }

  getTableInfo(dataset: string, table: string): Promise<TableInfo> {
    return this.#connection.run(dataset, (programs) => programs.getTableInfo(table), this.#shadow);
  }

  getColumns(dataset: string, table: string): Promise<string[]> {
    return this.#connection.run(dataset, (programs) => programs.getColumns(table), this.#shadow);
  }

  tableExists(dataset: string, table: string): Promise<boolean> {
    return this.#connection.run(dataset, (programs) => programs.tableExists(table), this.#shadow);
  }

  listTables(dataset: string): Promise<string[]> {
    return this.#connection.run(dataset, (programs) => programs.listTables(), this.#shadow);
  }

  analyzeColumn(dataset: string, table: string, column: string): Promise<ColumnAnalysis> {
    return this.#connection.run(
      dataset,
      (programs) => programs.analyzeColumn(table, column),
      this.#shadow,
    );
  }

  getMetadata(dataset: string): Promise<Metadata> {
    return this.#connection.run(dataset, (programs) => programs.getMetadata(), this.#shadow);
  }

  updateMetadata(dataset: string, metadata: Metadata): Promise<void> {
    return this.#connection.run(
      dataset,
      (programs) => programs.updateMetadata(metadata),
      this.#shadow,
    );
  }

  async datasetExists(dataset: string): Promise<boolean> {
    const name = parseDatasetName(dataset);
    return this.#connection.onStore(
      'datasetExists',
      (store) => store.exists(name),
      undefined,
      this.#shadow?.signal,
    );
  }

  async createDataset(dataset: string): Promise<void> {
    const name = parseDatasetName(dataset);
    await this.#connection.onStore('createDataset', (store) => store.create(name));
  }

  async dropDataset(dataset: string): Promise<void> {
    const name = parseDatasetName(dataset);
    await this.#connection.onStore('dropDataset', (store) => store.drop(name), name);
  }

  listDatasets(): Promise<string[]> {
    return this.#connection.onStore(
      'listDatasets',
      (store) => store.list(),
      undefined,
      this.#shadow?.signal,
    );
  }

  closeConnections(): Promise<void> {
    return this.#connection.close();
  }
}

function storeLocation(): StoreLocation {
  configured ??= {
    basePath: resolve(process.env['CHANGEOVER_BASE_PATH'] ?? 'datasets'),
    databaseUrl: process.env['DATABASE_URL'],
  };
  return configured;
}
