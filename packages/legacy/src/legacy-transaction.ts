import {
  ClosedError,
  type ColumnAnalysis,
  type Engine,
  type InputRows,
  type InputValue,
  type ReadTableOptions,
  type ResultSet,
  type StorageTransaction,
  type TableInfo,
  type WriteTableOptions,
} from '@changeover/engines/api';
import { type Row } from '@changeover/core';
import { datasetPrograms, type DatasetPrograms, type Program } from '@changeover/engines';
import { CallQueue } from './call-queue.ts';
import type { Connection } from './connection.ts';

/** A transaction while `work` runs, and the door that is shut when it ends. */
export class LegacyTransaction implements StorageTransaction {
  readonly dataset: string;
  readonly #programs: DatasetPrograms;
  protected readonly connection: Connection;
  readonly #queue = new CallQueue();
  readonly #pending = new Set<Promise<unknown>>();
  #ended = false;

  constructor(engine: Engine, dataset: string, connection: Connection) {
    this.dataset = dataset;
    this.connection = connection;
    this.#programs = datasetPrograms({ engine, dataset, transaction: 'savepoint' });
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Lets no call in any more and waits for those that `work` began and didn't wait for. */
  async end(): Promise<void> {
    this.#ended = true;
    await this.calls();
  }

  /** Waits for the calls that were begun. */
  protected async calls(): Promise<void> {
    await Promise.allSettled(this.#pending);
  }

  /** What the next call is made with. */
  protected get programs(): DatasetPrograms {
    return this.#programs;
  }

  protected get what(): 'transaction' | 'session' {
    return 'transaction';
  }

  /** Runs a program in the transaction. */
  run<T>(make: (programs: DatasetPrograms) => Program<T>): Promise<T> {
    return this.enqueue(() => this.connection.run(make(this.programs)));
  }

  /** Does something on the connection after what was asked for before. */
  protected enqueue<T>(work: () => Promise<T>): Promise<T> {
    if (this.#ended) {
      return Promise.reject(
        new ClosedError(`The ${this.what} has ended: its object takes no more calls.`, {
          dataset: this.dataset,
        }),
      );
    }
    const running = this.#queue.run(work);
    const settled = running
      .then(
        () => undefined,
        () => undefined,
      )
      .finally(() => this.#pending.delete(settled));
    this.#pending.add(settled);
    return running;
  }

  async readData(): Promise<Row[]> {
    return (await this.run((programs) => programs.readData())).rows;
  }

  async readTable(table: string, options?: ReadTableOptions): Promise<Row[]> {
    return (await this.run((programs) => programs.readTable(table, options))).rows;
  }

  async query(sql: string, params?: readonly InputValue[]): Promise<ResultSet> {
    const { columns, rows } = await this.run((programs) => programs.query(sql, params));
    return { columns, rows };
  }

  writeTable(table: string, rows: InputRows, options?: WriteTableOptions): Promise<void> {
    return this.run((programs) => programs.writeTable(table, rows, options));
  }

  execute(sql: string, params?: readonly InputValue[]): Promise<number> {
    return this.run((programs) => programs.execute(sql, params));
  }

  getTableInfo(table: string): Promise<TableInfo> {
    return this.run((programs) => programs.getTableInfo(table));
  }

  getColumns(table: string): Promise<string[]> {
    return this.run((programs) => programs.getColumns(table));
  }

  tableExists(table: string): Promise<boolean> {
    return this.run((programs) => programs.tableExists(table));
  }

  listTables(): Promise<string[]> {
    return this.run((programs) => programs.listTables());
  }

  analyzeColumn(table: string, column: string): Promise<ColumnAnalysis> {
    return this.run((programs) => programs.analyzeColumn(table, column));
  }
}
