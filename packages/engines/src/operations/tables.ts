import { type StorageError, TableNotFoundError } from '../api/storage-errors.ts';
import { type TableInfo } from '../api/storage-backend.ts';
import type { FoundColumn, FoundTable } from '../dialect/dialect.ts';
import type { Program } from '../program.ts';
import { textIn } from '../rows.ts';
import { checkName, type OperationContext } from './context.ts';

/** The table that keeps the metadata; no table of the dataset's. */
export const metadataTable = '_changeover_metadata';

/** What goes by the name of a table: the exact name first, then as the engine ignores case. */
export function* findTable(
  context: OperationContext,
  table: string,
): Program<FoundTable | undefined> {
  checkName(context, 'table', table);
  const { rows } = yield context.dialect.findTable(context.dataset, table);
  const found = rows as unknown as FoundTable[];
  return found.find(({ name }) => name === table) ?? found[0];
}

/** @throws {TableNotFoundError} where nothing goes by the name. */
export function* requireTable(context: OperationContext, table: string): Program<FoundTable> {
  const found = yield* findTable(context, table);
  if (found === undefined) throw tableNotFound(context, table);
  return found;
}

export function tableNotFound(context: OperationContext, table: string): StorageError {
  return new TableNotFoundError(context.dataset, table, { engine: context.dialect.engine });
}

/** The columns of a table by the name that the engine has for it. */
export function* listColumns(context: OperationContext, table: string): Program<FoundColumn[]> {
  const { rows } = yield context.dialect.listColumns(context.dataset, table);
  return rows.map((row) => ({
    name: textIn(row, 'name'),
    type: textIn(row, 'type'),
    nullable: Boolean(row['nullable']),
    default: typeof row['default'] === 'string' ? row['default'] : null,
    primaryKey: Boolean(row['primaryKey']),
    generated: Boolean(row['generated']),
  }));
}

export function* tableExists(context: OperationContext, table: string): Program<boolean> {
  return (yield* findTable(context, table)) !== undefined;
}

/** Sorted by code unit, because each engine's own order of text is another. */
export function* listTables(context: OperationContext): Program<string[]> {
  const { rows } = yield context.dialect.listTables(context.dataset);
  return rows
    .map((row) => textIn(row, 'name'))
    .filter((name) => name !== metadataTable)
    .sort();
}

export function* getColumns(context: OperationContext, table: string): Program<string[]> {
  const found = yield* requireTable(context, table);
  return (yield* listColumns(context, found.name)).map(({ name }) => name);
}

export function* getTableInfo(context: OperationContext, table: string): Program<TableInfo> {
  const found = yield* requireTable(context, table);
  const columns = yield* listColumns(context, found.name);
  const { rows } = yield {
    kind: 'all',
    sql: `SELECT count(*) AS count FROM ${context.dialect.tableName(context.dataset, found.name)}`,
  };
  return {
    name: found.name,
    columns: columns.map(({ generated: _generated, ...column }) => column),
    rowCount: Number(rows[0]?.['count']),
    columnCount: columns.length,
  };
}
