import type { Engine } from '@changeover/core';

/**
 * One row of `n` and `checksum` over a whole table: the sum of its rows' hashes, so that order plays no part and the engine
 * can go about it as it likes. SQLite has no hash function.
 */
export function checksumSql(engine: Engine, table: string): string | undefined {
  switch (engine) {
    case 'sqlite':
      return undefined;
    case 'duckdb':
      return `SELECT count(*) AS n, coalesce(sum(hash(t)), 0)::VARCHAR AS checksum FROM ${table} AS t`;
    case 'postgresql':
      // The row's text has quotes and commas around each value, and NULL differs from the empty text.
      return `SELECT count(*) AS n, coalesce(sum(pg_catalog.hashtextextended(t::text, 0)), 0)::text AS checksum FROM ${table} AS t`;
  }
}
