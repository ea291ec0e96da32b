import { datasetSchema } from '../api/store-location.ts';
import type { OperationContext } from '../operations/context.ts';
import type { Program, StatementStep } from '../program.ts';

/** About how many rows a table has, for showing how far a scan is. Costs nothing that grows with the table. */
export function* estimateRows(
  context: OperationContext,
  table: string,
): Program<number | undefined> {
  let rows: readonly Readonly<Record<string, unknown>>[];
  try {
    ({ rows } = yield estimateOf(context, table));
  } catch (error) {
    // A table without row numbers; a server would have failed the transaction, but its catalog is always there.
    if (context.dialect.engine !== 'sqlite') throw error;
    return undefined;
  }
  const found = rows[0]?.['n'];
  const rowCount = typeof found === 'number' || typeof found === 'bigint' ? Number(found) : -1;
  // PostgreSQL says -1 of a table that was never analysed.
  return rowCount < 0 ? undefined : rowCount;
}

function estimateOf({ dialect, dataset }: OperationContext, table: string): StatementStep {
  switch (dialect.engine) {
    case 'sqlite':
      return {
        kind: 'all',
        sql: `SELECT coalesce(max(rowid), 0) AS n FROM ${dialect.tableName(dataset, table)}`,
      };
    case 'duckdb':
      return {
        kind: 'all',
        sql:
          'SELECT estimated_size AS n FROM duckdb_tables() WHERE database_name = current_database() ' +
          "AND schema_name = 'main' AND table_name = $1",
        params: [table],
      };
    case 'postgresql':
      return {
        kind: 'all',
        sql:
          'SELECT c.reltuples::bigint AS n FROM pg_catalog.pg_class c ' +
          'JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2',
        params: [datasetSchema(dataset), table],
      };
  }
}
