import type {
  ColumnAnalysis,
  ReadTableOptions,
  TableInfo,
  WriteTableOptions,
} from './api/storage-backend.ts';
import type { Engine } from './api/engine.ts';
import type { InputRows, InputValue, Metadata } from './api/input-values.ts';
import { analyzeColumn } from './operations/analyze-column.ts';
import {
  dialectOf,
  located,
  type OperationContext,
  type TransactionMode,
} from './operations/context.ts';
import { PointReadTexts } from './operations/point-read-texts.ts';
import { getMetadata, updateMetadata } from './operations/metadata.ts';
import { readData, readTable } from './operations/read-table.ts';
import { execute, query } from './operations/statements.ts';
import { InsertionOrders } from './operations/insertion-orders.ts';
import { getColumns, getTableInfo, listTables, tableExists } from './operations/tables.ts';
import { scratchWrite, writeTable } from './operations/write-table.ts';
import type { OnPart, Program, RowForm, StepResult } from './program.ts';

/** What a dataset's programs are for. */
export interface DatasetProgramsOptions {
  readonly engine: Engine;
  /** A name from `parseDatasetName`. */
  readonly dataset: string;
  /** Default: `objects`. */
  readonly form?: RowForm | undefined;
  /** Default: `own`. */
  readonly transaction?: TransactionMode | undefined;
  /** Whether they are made once for many calls, and so may keep what the next one needs again. Default: false. */
  readonly lasting?: boolean | undefined;
  /** Takes the rows of SQLite's long answers in the form `cells` as they are read; the result then has none. Default: it has all. */
  readonly onPart?: OnPart | undefined;
  /** The connection is its caller's alone and nobody's afterwards. Default: false. */
  readonly inSession?: boolean | undefined;
}

/** Each operation on one dataset as a program. Those that give rows return the step's result: columns, and rows in the
 * form asked for. */
export interface DatasetPrograms {
  readData(): Program<StepResult>;
  readTable(table: string, options?: ReadTableOptions): Program<StepResult>;
  query(sql: string, params?: readonly InputValue[]): Program<StepResult>;
  writeTable(table: string, rows: InputRows, options?: WriteTableOptions): Program<void>;
  execute(sql: string, params?: readonly InputValue[]): Program<number>;
  getTableInfo(table: string): Program<TableInfo>;
  getColumns(table: string): Program<string[]>;
  tableExists(table: string): Program<boolean>;
  listTables(): Program<string[]>;
  analyzeColumn(table: string, column: string): Program<ColumnAnalysis>;
  getMetadata(): Program<Metadata>;
  updateMetadata(metadata: Metadata): Program<void>;
  /** What `writeTable` would write, done to a temporary table and read back; nothing stays, nobody waits. */
  scratchWrite(table: string, rows: InputRows, options?: WriteTableOptions): Program<StepResult>;
}

/** The programs of one dataset. Cheap to make; they hold nothing unless they are `lasting`. */
export function datasetPrograms(options: DatasetProgramsOptions): DatasetPrograms {
  const context: OperationContext = {
    dialect: dialectOf(options.engine),
    dataset: options.dataset,
    form: options.form ?? 'objects',
    transaction: options.transaction ?? 'own',
    pointReads: options.lasting === true ? new PointReadTexts() : undefined,
    insertionOrders:
      options.lasting === true && options.engine === 'sqlite' ? new InsertionOrders() : undefined,
    onPart: options.onPart,
    inSession: options.inSession ?? false,
  };
  return {
    readData: () => located(context, 'readData', readData(context)),
    readTable: (table, read) =>
      located(context, 'readTable', readTable(context, table, read), table),
    query: (sql, params) => located(context, 'query', query(context, sql, params)),
    writeTable: (table, rows, write) =>
      located(context, 'writeTable', writeTable(context, table, rows, write), table),
    execute: (sql, params) => located(context, 'execute', execute(context, sql, params)),
    getTableInfo: (table) => located(context, 'getTableInfo', getTableInfo(context, table), table),
    getColumns: (table) => located(context, 'getColumns', getColumns(context, table), table),
    tableExists: (table) => located(context, 'tableExists', tableExists(context, table), table),
    listTables: () => located(context, 'listTables', listTables(context)),
    analyzeColumn: (table, column) =>
      located(context, 'analyzeColumn', analyzeColumn(context, table, column), table),
    getMetadata: () => located(context, 'getMetadata', getMetadata(context)),
    updateMetadata: (metadata) =>
      located(context, 'updateMetadata', updateMetadata(context, metadata)),
    scratchWrite: (table, rows, write) =>
      located(context, 'writeTable', scratchWrite(context, table, rows, write), table),
  };
}
