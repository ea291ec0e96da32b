import type { InputValue } from './api/input-values.ts';
import type { DuckDBConnection, DuckDBType, DuckDBValue } from '@duckdb/node-api';
import { type ColumnKind, columnKinds } from './column-kind.ts';
import { isDate, timestampText } from './date-text.ts';
import { quoteIdentifier } from './dialect/dialect.ts';
import { duckdbCatalog, duckdbDialect } from './dialect/duckdb.ts';
import { duckdbDriver } from './drivers.ts';
import { checkHugeint, timestampValue } from './duckdb-values.ts';
import { type InputCells, inputCells } from './input-cells.ts';
import type { InsertStep } from './program.ts';
import { jsonText } from './json-text.ts';

const { BIGINT, BLOB, BOOLEAN, blobValue, DOUBLE, DuckDBDataChunk, HUGEINT, TIMESTAMP, VARCHAR } =
  duckdbDriver();

/** The engine's own vector size: a chunk holds no more rows. */
const chunkRows = 2048;
const stagingTable = '_changeover_staging';

const chunkTypes: Readonly<Record<ColumnKind, DuckDBType>> = {
  boolean: BOOLEAN,
  integer: BIGINT,
  hugeint: HUGEINT,
  double: DOUBLE,
  text: VARCHAR,
  blob: BLOB,
  timestamp: TIMESTAMP,
  json: VARCHAR,
};

/**
 * Appends by chunks of columns into a temporary table of simple types, from where the engine casts each column to what
 * the table has. Straight into the table where the types are the same already.
 */
export async function insertIntoDuckdb(
  connection: DuckDBConnection,
  step: InsertStep,
): Promise<void> {
  const { columns } = step;
  const keys = columns.map(({ key }) => key);
  const cells = inputCells(step.rows, keys);
  if (cells.count === 0) return;
  const kinds = columnKinds(step.rows, keys);
  const catalog = step.temporary === true ? 'temp' : duckdbCatalog;
  if (await fitsDirectly(connection, step, kinds)) {
    await append(connection, step.table, catalog, cells, kinds);
    return;
  }
  const definitions = kinds.map(
    (kind, index) => `c${index} ${kind === 'json' ? 'VARCHAR' : duckdbDialect.types[kind]}`,
  );
  await connection.run(`CREATE TEMPORARY TABLE ${stagingTable} (${definitions.join(', ')})`);
  await append(connection, stagingTable, 'temp', cells, kinds);
  const target =
    step.temporary === true
      ? duckdbDialect.temporaryName(step.table)
      : duckdbDialect.tableName('', step.table);
  const names = columns.map(({ name }) => quoteIdentifier(name)).join(', ');
  const values = columns.map(({ type }, index) => `CAST(c${index} AS ${type})`).join(', ');
  await connection.run(
    `INSERT INTO ${target} (${names}) SELECT ${values} FROM ${stagingTable} ORDER BY rowid`,
  );
  await connection.run(`DROP TABLE temp.${stagingTable}`);
}

async function fitsDirectly(
  connection: DuckDBConnection,
  step: InsertStep,
  kinds: readonly ColumnKind[],
): Promise<boolean> {
  if (
    !step.columns.every(({ type }, index) => type === duckdbDialect.types[kinds[index] ?? 'text'])
  )
    return false;
  const appender = await connection.createAppender(
    step.table,
    'main',
    step.temporary === true ? 'temp' : duckdbCatalog,
  );
  try {
    // Columns come in the table's order, so as many as it has are all of them.
    return appender.columnCount === step.columns.length;
  } finally {
    appender.closeSync();
  }
}

async function append(
  connection: DuckDBConnection,
  table: string,
  catalog: string | null,
  cells: InputCells,
  kinds: readonly ColumnKind[],
): Promise<void> {
  const appender = await connection.createAppender(table, 'main', catalog);
  try {
    for (let start = 0; start < cells.count; start += chunkRows) {
      const size = Math.min(chunkRows, cells.count - start);
      const chunk = DuckDBDataChunk.create(
        kinds.map((kind) => chunkTypes[kind]),
        size,
      );
      chunk.setColumns(
        kinds.map((kind, column) =>
          Array.from({ length: size }, (_, row) =>
            chunkValue(kind, cells.value(start + row, column)),
          ),
        ),
      );
      appender.appendDataChunk(chunk);
    }
  } finally {
    appender.closeSync();
  }
}

function chunkValue(kind: ColumnKind, value: InputValue): DuckDBValue {
  if (value === null || value === undefined) return null;
  switch (kind) {
    case 'boolean':
      return value === true;
    case 'double':
      return Number(value);
    case 'integer':
      return BigInt(value as number | bigint);
    case 'hugeint':
      return checkHugeint(BigInt(value as number | bigint));
    case 'blob':
      return blobValue(value as Uint8Array);
    case 'timestamp':
      return timestampValue(value as Date);
    case 'text':
    case 'json':
      return textOf(value);
  }
}

function textOf(value: Exclude<InputValue, null | undefined>): string {
  if (typeof value === 'string') return value;
  if (typeof value !== 'object') return Object.is(value, -0) ? '-0' : String(value);
  return isDate(value) ? timestampText(value) : jsonText(value);
}
