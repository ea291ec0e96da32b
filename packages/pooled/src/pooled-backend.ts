import type {
  CallOptions,
  ColumnAnalysis,
  DatasetBackend,
  InputRows,
  InputValue,
  Metadata,
  ReadTableOptions,
  ResultSet,
  StorageSession,
  StorageTransaction,
  TableInfo,
  TransactionOptions,
  WriteTableOptions,
} from '@changeover/engines/api';
import type { Row } from '@changeover/core';
import type { DatasetOperation } from './job.ts';
import type { PooledEngine } from './pooled-engine.ts';

/** A stateless backend bound to one dataset. Holds nothing: as cheap to make as to keep. */
export class PooledBackend implements DatasetBackend {
  readonly dataset: string;
  readonly #engine: PooledEngine;

  /** @param dataset a parsed name. */
  constructor(engine: PooledEngine, dataset: string) {
    this.#engine = engine;
    this.dataset = dataset;
  }

  readData(options?: CallOptions): Promise<Row[]> {
    return this.#run('readData', [], options);
  }

  readTable(table: string, read?: ReadTableOptions, options?: CallOptions): Promise<Row[]> {
    return this.#run('readTable', [table, read], options);
  }

  query(sql: string, params?: readonly InputValue[], options?: CallOptions): Promise<ResultSet> {
    return this.#run('query', [sql, params], options);
  }

  writeTable(
    table: string,
    rows: InputRows,
    write?: WriteTableOptions,
    options?: CallOptions,
  ): Promise<void> {
    return this.#run('writeTable', [table, rows, write], options);
  }

  execute(sql: string, params?: readonly InputValue[], options?: CallOptions): Promise<number> {
    return this.#run('execute', [sql, params], options);
  }

  transaction<T>(
    work: (transaction: StorageTransaction) => Promise<T> | T,
    options?: CallOptions & TransactionOptions,
  ): Promise<T> {
    return this.#engine.transaction(this.dataset, work, options);
  }

  session<T>(work: (session: StorageSession) => Promise<T> | T, options?: CallOptions): Promise<T> {
    return this.#engine.session(this.dataset, work, options);
  }

  getTableInfo(table: string, options?: CallOptions): Promise<TableInfo> {
    return this.#run('getTableInfo', [table], options);
  }

  getColumns(table: string, options?: CallOptions): Promise<string[]> {
    return this.#run('getColumns', [table], options);
  }

  tableExists(table: string, options?: CallOptions): Promise<boolean> {
    return this.#run('tableExists', [table], options);
  }

  listTables(options?: CallOptions): Promise<string[]> {
    return this.#run('listTables', [], options);
  }

  analyzeColumn(table: string, column: string, options?: CallOptions): Promise<ColumnAnalysis> {
    return this.#run('analyzeColumn', [table, column], options);
  }

  getMetadata(options?: CallOptions): Promise<Metadata> {
    return this.#run('getMetadata', [], options);
  }

  updateMetadata(metadata: Metadata, options?: CallOptions): Promise<void> {
    return this.#run('updateMetadata', [metadata], options);
  }

  async datasetExists(options?: CallOptions): Promise<boolean> {
    return (await this.#engine.manage('datasetExists', this.dataset, options)) === true;
  }

  async createDataset(options?: CallOptions): Promise<void> {
    await this.#engine.manage('createDataset', this.dataset, options);
  }

  async dropDataset(options?: CallOptions): Promise<void> {
    await this.#engine.manage('dropDataset', this.dataset, options);
  }

  /** The programs of the engines promise these types by name. */
  #run<Value>(
    operation: DatasetOperation,
    args: readonly unknown[],
    options?: CallOptions,
  ): Promise<Value> {
    return this.#engine.run(this.dataset, operation, args, options) as Promise<Value>;
  }
}
