import { parseDatasetName } from '@changeover/engines/api';
import type {
  ColumnAnalysis,
  InputRows,
  InputValue,
  Metadata,
  ReadTableOptions,
  ResultSet,
  StorageBackend,
  StorageSession,
  StorageTransaction,
  TableInfo,
  TransactionOptions,
  WriteTableOptions,
} from '@changeover/engines/api';
import type { Row } from '@changeover/core';
import type { DatasetOperation } from './job.ts';
import { PooledBackend } from './pooled-backend.ts';
import type { PooledEngine } from './pooled-engine.ts';

/** The legacy API, the dataset's name first, over the pooled backends: what the router takes. */
export class PooledStorage implements StorageBackend {
  readonly #engine: PooledEngine;

  constructor(engine: PooledEngine) {
    this.#engine = engine;
  }

  readData(dataset: string): Promise<Row[]> {
    return this.#run(dataset, 'readData', []);
  }

  readTable(dataset: string, table: string, options?: ReadTableOptions): Promise<Row[]> {
    return this.#run(dataset, 'readTable', [table, options]);
  }

  query(dataset: string, sql: string, params?: readonly InputValue[]): Promise<ResultSet> {
    return this.#run(dataset, 'query', [sql, params]);
  }

  writeTable(
    dataset: string,
    table: string,
    rows: InputRows,
    options?: WriteTableOptions,
  ): Promise<void> {
    return this.#run(dataset, 'writeTable', [table, rows, options]);
  }

  execute(dataset: string, sql: string, params?: readonly InputValue[]): Promise<number> {
    return this.#run(dataset, 'execute', [sql, params]);
  }

  async transaction<T>(
    dataset: string,
    work: (transaction: StorageTransaction) => Promise<T> | T,
    options?: TransactionOptions,
  ): Promise<T> {
    return await this.#of(dataset).transaction(work, options);
  }

  async session<T>(dataset: string, work: (session: StorageSession) => Promise<T> | T): Promise<T> {
    return await this.#of(dataset).session(work);
  }

  getTableInfo(dataset: string, table: string): Promise<TableInfo> {
    return this.#run(dataset, 'getTableInfo', [table]);
  }

  getColumns(dataset: string, table: string): Promise<string[]> {
    return this.#run(dataset, 'getColumns', [table]);
  }

  tableExists(dataset: string, table: string): Promise<boolean> {
    return this.#run(dataset, 'tableExists', [table]);
  }

  listTables(dataset: string): Promise<string[]> {
    return this.#run(dataset, 'listTables', []);
  }

  analyzeColumn(dataset: string, table: string, column: string): Promise<ColumnAnalysis> {
    return this.#run(dataset, 'analyzeColumn', [table, column]);
  }

  getMetadata(dataset: string): Promise<Metadata> {
    return this.#run(dataset, 'getMetadata', []);
  }

  updateMetadata(dataset: string, metadata: Metadata): Promise<void> {
    return this.#run(dataset, 'updateMetadata', [metadata]);
  }

  async datasetExists(dataset: string): Promise<boolean> {
    return await this.#of(dataset).datasetExists();
  }

  async createDataset(dataset: string): Promise<void> {
    await this.#of(dataset).createDataset();
  }

  async dropDataset(dataset: string): Promise<void> {
    await this.#of(dataset).dropDataset();
  }

  async listDatasets(): Promise<string[]> {
    return (await this.#engine.manage('listDatasets', '')) as string[];
  }

  async closeConnections(): Promise<void> {
    await this.#engine.closeConnections();
  }

  /** Without an async function of its own, which took a twentieth of a point read. The engines' programs promise these types by name. */
  #run<Value>(
    dataset: string,
    operation: DatasetOperation,
    args: readonly unknown[],
  ): Promise<Value> {
    let name: string;
    try {
      name = parseDatasetName(dataset);
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#engine.run(name, operation, args) as Promise<Value>;
  }

  #of(dataset: string): PooledBackend {
    return new PooledBackend(this.#engine, parseDatasetName(dataset));
  }
}
