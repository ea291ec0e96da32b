import type { InputValue } from '@changeover/engines/api';
import {
  type ColumnKind,
  columnKinds,
  duckdbCatalog,
  inputCells,
  type InsertStep,
  isDate,
  jsonText,
  quoteIdentifier,
  timestampText,
} from '@changeover/engines';
import type { DuckDBAppender, DuckDBConnection } from '@duckdb/node-api';
import { hugeint, timestampOf } from './duckdb-values.ts';

const stagingTable = '_legacy_staging';

const stagingTypes: Readonly<Record<ColumnKind, string>> = {
  boolean: 'BOOLEAN',
  integer: 'BIGINT',
  hugeint: 'HUGEINT',
  double: 'DOUBLE',
  text: 'VARCHAR',
  blob: 'BLOB',
  timestamp: 'TIMESTAMP',
  json: 'VARCHAR',
};

/** Inserts rows: value by value with the driver's appender into a temporary table, from where the engine casts each column to
 * what the table has. */
export async function insertRows(connection: DuckDBConnection, step: InsertStep): Promise<void> {
  const { columns, rows, temporary } = step;
  const keys = columns.map(({ key }) => key);
  const kinds = columnKinds(rows, keys);
  const definitions = kinds.map((kind, at) => `c${at} ${stagingTypes[kind]}`).join(', ');
  await connection.run(`CREATE TEMPORARY TABLE ${stagingTable} (${definitions})`);
  const appender = await connection.createAppender(stagingTable, 'main', 'temp');
  try {
    const cells = inputCells(rows, keys);
    for (let row = 0; row < cells.count; row += 1) {
      kinds.forEach((kind, at) => {
        append(appender, kind, cells.value(row, at));
      });
      appender.endRow();
    }
  } finally {
    appender.closeSync();
  }
  const table = `${temporary === true ? 'temp.main' : `${duckdbCatalog}.main`}.${quoteIdentifier(step.table)}`;
  const names = columns.map(({ name }) => quoteIdentifier(name)).join(', ');
  const values = columns.map(({ type }, at) => `CAST(c${at} AS ${type})`).join(', ');
  await connection.run(
    `INSERT INTO ${table} (${names}) SELECT ${values} FROM ${stagingTable} ORDER BY rowid`,
  );
  await connection.run(`DROP TABLE temp.${stagingTable}`);
}

function append(appender: DuckDBAppender, kind: ColumnKind, value: InputValue): void {
  if (value === null || value === undefined) {
    appender.appendNull();
    return;
  }
  switch (kind) {
    case 'boolean':
      appender.appendBoolean(value as boolean);
      break;
    case 'integer':
      appender.appendBigInt(BigInt(value as number | bigint));
      break;
    case 'hugeint':
      appender.appendHugeInt(hugeint(BigInt(value as number | bigint)));
      break;
    case 'double':
      appender.appendDouble(Number(value));
      break;
    case 'blob':
      appender.appendBlob(value as Uint8Array);
      break;
    case 'timestamp':
      appender.appendTimestamp(timestampOf(value as Date));
      break;
    case 'text':
    case 'json':
      appender.appendVarchar(textOf(value));
  }
}

function textOf(value: Exclude<InputValue, null | undefined>): string {
  if (Object.is(value, -0)) return '-0';
  if (typeof value !== 'object') return String(value);
  return isDate(value) ? timestampText(value) : jsonText(value);
}
