import { datasetSchema } from '../api/store-location.ts';
import { type Dialect, quoteIdentifier } from './dialect.ts';

const numeric = /^(smallint|integer|bigint|real|double precision|numeric.*|oid)$/;
/** Types with an order but, in some supported versions of the server, without `min` and `max`. */
const sortable = /^(boolean|uuid|bytea|jsonb)$/;
/** Types that have neither an order nor equality. */
const unordered =
  /^(json|xml|point|line|lseg|box|path|polygon|circle|xid|cid|txid_snapshot|pg_snapshot|aclitem|jsonpath)$/;

export const postgresqlDialect: Dialect = {
  engine: 'postgresql',
  maxIdentifierBytes: 63,
  ignoresCase: false,
  savepoints: true,
  types: {
    boolean: 'boolean',
    integer: 'bigint',
    hugeint: 'numeric',
    double: 'double precision',
    text: 'text',
    blob: 'bytea',
    timestamp: 'timestamp',
    json: 'jsonb',
  },
  quote: quoteIdentifier,
  placeholder: (position) => `$${position}`,
  tableName: (dataset, table) =>
    `${quoteIdentifier(datasetSchema(dataset))}.${quoteIdentifier(table)}`,
  temporaryName: (table) => `pg_temp.${quoteIdentifier(table)}`,
  findTable: (dataset, table) => ({
    kind: 'all',
    sql:
      "SELECT c.relname::text AS name, CASE WHEN c.relkind IN ('v', 'm', 'p', 'f') THEN " +
      "CASE c.relkind WHEN 'p' THEN 'table' WHEN 'f' THEN 'table' ELSE 'view' END ELSE 'table' END AS kind, " +
      "c.relkind = 'r' AS stored FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace " +
      "WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')",
    params: [datasetSchema(dataset), table],
  }),
  listTables: (dataset) => ({
    kind: 'all',
    sql:
      'SELECT c.relname::text AS name FROM pg_catalog.pg_class c ' +
      'JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace ' +
      "WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'f')",
    params: [datasetSchema(dataset)],
  }),
  listColumns: (dataset, table) => ({
    kind: 'all',
    sql:
      'SELECT a.attname::text AS name, pg_catalog.format_type(a.atttypid, a.atttypmod) AS type, ' +
      'NOT a.attnotnull AS nullable, ' +
      'CASE WHEN a.attgenerated = \'\' THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) END AS "default", ' +
      'coalesce(a.attnum = ANY (i.indkey), false) AS "primaryKey", ' +
      "a.attgenerated <> '' OR a.attidentity = 'a' AS generated " +
      'FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid ' +
      'JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace ' +
      'LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum ' +
      'LEFT JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND i.indisprimary ' +
      'WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum',
    params: [datasetSchema(dataset), table],
  }),
  // A scan without a condition reads in physical order (synchronized scans are off); with one, an index may be chosen.
  insertionOrder(found, _columns, filtered) {
    return filtered && 'stored' in found && found.stored === true ? 'ctid' : undefined;
  },
  analyzeColumn(table, { name, type }) {
    const column = unordered.test(type) ? `${quoteIdentifier(name)}::text` : quoteIdentifier(name);
    const double = `${column}::double precision`;
    const extreme = (direction: string): string =>
      `(SELECT ${column} FROM ${table} WHERE ${column} IS NOT NULL ORDER BY ${column} ${direction} LIMIT 1)`;
    const [min, max] = sortable.test(type)
      ? [extreme('ASC'), extreme('DESC')]
      : [`min(${column})`, `max(${column})`];
    const moments = numeric.test(type)
      ? `avg(${double}) AS mean, stddev_samp(${double}) AS std`
      : 'NULL::double precision AS mean, NULL::double precision AS std';
    return {
      kind: 'all',
      sql:
        `SELECT count(${column}) AS count, count(DISTINCT ${column}) AS "uniqueCount", ` +
        `${min} AS min, ${max} AS max, ${moments} FROM ${table}`,
    };
  },
  lockName: (dataset, table) => ({
    kind: 'all',
    sql: 'SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended($1, 7071))::text',
    params: [`${datasetSchema(dataset)}.${table}`],
  }),
};
