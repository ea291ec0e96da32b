import type { ColumnInfo } from '../api/storage-backend.ts';
import type { Engine } from '../api/engine.ts';
import type { Dialect } from '../dialect/dialect.ts';

/**
 * One row of `n` and `checksum` over a whole table: the sum of its rows' hashes, so that order plays no part and the engine
 * can go about it as it likes. Undefined where the engine has no hash function, as SQLite. No column is named as the table is
 * here, for a column of that name would then stand for the row.
 *
 * @param table the quoted name.
 */
export function checksumSql(
  dialect: Dialect,
  table: string,
  columns: readonly ColumnInfo[],
): string | undefined {
  return forms[dialect.engine]?.(table, columns, (name) => dialect.quote(name));
}

const forms: Readonly<
  Record<
    Engine,
    | ((table: string, columns: readonly ColumnInfo[], quote: (name: string) => string) => string)
    | undefined
  >
> = {
  sqlite: undefined,
  // Hashed twice: a row's hash joins its values' by exclusive or, and sums of such stay the same where two rows have swapped a
  // value rather more often (about once in 10^8) than a hash of 64 bits suggests.
  duckdb: (table, columns, quote) => {
    const parts = columns.flatMap(({ name, type }) => hashedParts(quote(name), type));
    return `SELECT count(*) AS n, coalesce(sum(hash(hash(${parts.join(', ')}))), 0)::VARCHAR AS checksum FROM ${table}`;
  },
  // The row's text has quotes and commas around each value, and NULL differs from the empty text.
  postgresql: (table) =>
    `SELECT count(*) AS n, coalesce(sum(pg_catalog.hashtextextended(ROW(t.*)::text, 0)), 0)::text AS checksum FROM ${table} AS t`,
};

/** DuckDB's types of which only equal values have equal hashes. */
const toldByHash =
  /^(?:U?(?:TINY|SMALL|BIG|HUGE)INT|U?INTEGER|BOOLEAN|VARCHAR|BLOB|UUID|DATE|TIME|TIMESTAMP(?:_S|_MS|_NS)?|DECIMAL\(\d+,\d+\))$/i;

/** What DuckDB takes for equal it gives one hash, as -0 and 0, 24 hours and 1 day; and an empty list hashes as NULL does. */
function hashedParts(column: string, type: string): readonly string[] {
  if (toldByHash.test(type)) return [column];
  return [column, /^(?:FLOAT|DOUBLE)$/i.test(type) ? `signbit(${column})` : `${column}::VARCHAR`];
}
