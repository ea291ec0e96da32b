import { type Dialect, quoteIdentifier } from './dialect.ts';

const numeric = /^(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|FLOAT|DOUBLE|DECIMAL.*)$/;

/** The catalogue of every dataset's file, `dataset.duckdb`. */
export const duckdbCatalog = 'dataset';

export const duckdbDialect: Dialect = {
  engine: 'duckdb',
  maxIdentifierBytes: undefined,
  ignoresCase: true,
  savepoints: false,
  types: {
    boolean: 'BOOLEAN',
    integer: 'BIGINT',
    hugeint: 'HUGEINT',
    double: 'DOUBLE',
    text: 'VARCHAR',
    blob: 'BLOB',
    timestamp: 'TIMESTAMP',
    json: 'JSON',
  },
  quote: quoteIdentifier,
  placeholder: (position) => `$${position}`,
  // With the catalogue, which is named for the file, or a temporary table of the same name would be meant.
  tableName: (_dataset, table) => `${duckdbCatalog}.main.${quoteIdentifier(table)}`,
  temporaryName: (table) => `temp.main.${quoteIdentifier(table)}`,
  findTable: (_dataset, table) => ({
    kind: 'all',
    sql:
      "SELECT table_name AS name, 'table' AS kind FROM duckdb_tables() WHERE database_name = current_database() " +
      "AND schema_name = 'main' AND NOT internal AND lower(table_name) = lower($1) " +
      "UNION ALL SELECT view_name, 'view' FROM duckdb_views() WHERE database_name = current_database() " +
      "AND schema_name = 'main' AND NOT internal AND lower(view_name) = lower($1)",
    params: [table],
  }),
  listTables: () => ({
    kind: 'all',
    sql:
      'SELECT table_name AS name FROM duckdb_tables() WHERE database_name = current_database() ' +
      "AND schema_name = 'main' AND NOT internal",
  }),
  listColumns: (_dataset, table) => ({
    kind: 'all',
    sql:
      'SELECT c.column_name AS name, c.data_type AS type, c.is_nullable AS nullable, c.column_default AS "default", ' +
      'EXISTS (SELECT 1 FROM duckdb_constraints() k WHERE k.database_name = c.database_name ' +
      "AND k.schema_name = c.schema_name AND k.table_name = c.table_name AND k.constraint_type = 'PRIMARY KEY' " +
      'AND list_contains(k.constraint_column_names, c.column_name)) AS "primaryKey", false AS generated ' +
      "FROM duckdb_columns() c WHERE c.database_name = current_database() AND c.schema_name = 'main' " +
      'AND c.table_name = $1 ORDER BY c.column_index',
    params: [table],
  }),
  // The engine keeps the order of insertion (`preserve_insertion_order`), through filters too.
  insertionOrder: () => undefined,
  analyzeColumn(table, { name, type }) {
    const column = quoteIdentifier(name);
    const double = `${column}::DOUBLE`;
    // stddev_samp fails on what is not finite, where the others say NaN.
    const moments = numeric.test(type)
      ? `avg(${double}) AS mean, CASE WHEN bool_or(NOT isfinite(${double})) THEN 'NaN'::DOUBLE ` +
        `ELSE stddev_samp(${double}) FILTER (isfinite(${double})) END AS std`
      : 'NULL AS mean, NULL AS std';
    return {
      kind: 'all',
      sql:
        `SELECT count(${column}) AS count, count(DISTINCT ${column}) AS "uniqueCount", ` +
        `min(${column}) AS min, max(${column}) AS max, ${moments} FROM ${table}`,
    };
  },
  // Two who create one table conflict, and one of them is told so.
  lockName: () => undefined,
};
