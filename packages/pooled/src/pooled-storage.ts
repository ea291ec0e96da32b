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
import { PooledBackend } from './pooled-backend.ts';
import type { PooledEngine } from './pooled-engine.ts';

/** The legacy API, the dataset's name first, over the pooled backends: what the router takes. */
export class PooledStorage implements StorageBackend {
  readonly #engine: PooledEngine;

  constructor(engine: PooledEngine) {
    this.#engine = engine;
  }

  async readData(dataset: string): Promise<Row[]> {
    return await this.#of(dataset).readData();
  }

  async readTable(dataset: string, table: string, options?: ReadTableOptions): Promise<Row[]> {
    return await this.#of(dataset).readTable(table, options);
  }

  async query(dataset: string, sql: string, params?: readonly InputValue[]): Promise<ResultSet> {
    return await this.#of(dataset).query(sql, params);
  }

  async writeTable(
    dataset: string,
    table: string,
    rows: InputRows,
    options?: WriteTableOptions,
  ): Promise<void> {
    await this.#of(dataset).writeTable(table, rows, options);
  }

  async execute(dataset: string, sql: string, params?: readonly InputValue[]): Promise<number> {
    return await this.#of(dataset).execute(sql, params);
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

  async getTableInfo(dataset: string, table: string): Promise<TableInfo> {
    return await this.#of(dataset).getTableInfo(table);
  }

  async getColumns(dataset: string, table: string): Promise<string[]> {
    return await this.#of(dataset).getColumns(table);
  }

  async tableExists(dataset: string, table: string): Promise<boolean> {
    return await this.#of(dataset).tableExists(table);
  }

  async listTables(dataset: string): Promise<string[]> {
    return await this.#of(dataset).listTables();
  }

  async analyzeColumn(dataset: string, table: string, column: string): Promise<ColumnAnalysis> {
    return await this.#of(dataset).analyzeColumn(table, column);
  }

  async getMetadata(dataset: string): Promise<Metadata> {
    return await this.#of(dataset).getMetadata();
  }

  async updateMetadata(dataset: string, metadata: Metadata): Promise<void> {
    await this.#of(dataset).updateMetadata(metadata);
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

  #of(dataset: string): PooledBackend {
    return new PooledBackend(this.#engine, parseDatasetName(dataset));
  }
}
