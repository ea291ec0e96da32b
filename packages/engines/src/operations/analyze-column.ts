import { type ColumnAnalysis } from '../api/storage-backend.ts';
import { ColumnNotFoundError } from '../api/storage-errors.ts';
import { type Value } from '@changeover/core';
import type { Program } from '../program.ts';
import { checkName, type OperationContext } from './context.ts';
import { listColumns, requireTable } from './tables.ts';

export function* analyzeColumn(
  context: OperationContext,
  table: string,
  column: string,
): Program<ColumnAnalysis> {
  const { dialect, dataset } = context;
  checkName(context, 'column', column);
  const found = yield* requireTable(context, table);
  const columns = yield* listColumns(context, found.name);
  const described =
    columns.find(({ name }) => name === column) ??
    (dialect.ignoresCase
      ? columns.find(({ name }) => name.toLowerCase() === column.toLowerCase())
      : undefined);
  if (described === undefined)
    throw new ColumnNotFoundError(dataset, found.name, column, { engine: dialect.engine });
  const { rows } = yield dialect.analyzeColumn(dialect.tableName(dataset, found.name), described);
  const statistics = rows[0] ?? {};
  return {
    count: Number(statistics['count']),
    uniqueCount: Number(statistics['uniqueCount']),
    min: statistics['min'] ?? null,
    max: statistics['max'] ?? null,
    mean: numberOrNull(statistics['mean']),
    std: numberOrNull(statistics['std']),
  };
}

function numberOrNull(value: Value | undefined): number | null {
  return value === null || value === undefined ? null : Number(value);
}
