import { type Dialect, quoteIdentifier } from './dialect.ts';

/** Names that mean the row's number unless the table has a column of that name. */
const rowNumberNames = ['rowid', '_rowid_', 'oid'];

export const sqliteDialect: Dialect = {
  engine: 'sqlite',
  maxIdentifierBytes: undefined,
  ignoresCase: true,
  savepoints: true,
  types: {
    boolean: 'BOOLEAN',
    integer: 'INTEGER',
    hugeint: 'TEXT',
    double: 'REAL',
    text: 'TEXT',
    blob: 'BLOB',
    timestamp: 'TIMESTAMP',
    json: 'TEXT',
  },
  quote: quoteIdentifier,
  placeholder: () => '?',
  tableName: (_dataset, table) => `main.${quoteIdentifier(table)}`,
  temporaryName: (table) => `temp.${quoteIdentifier(table)}`,
  findTable: (_dataset, table) => ({
    kind: 'all',
    sql:
      "SELECT name, CASE type WHEN 'view' THEN 'view' ELSE 'table' END AS kind, wr AS \"withoutRowNumber\" " +
      "FROM pragma_table_list WHERE schema = 'main' AND name = ? COLLATE NOCASE",
    params: [table],
  }),
  listTables: () => ({
    kind: 'all',
    sql:
      "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'virtual') " +
      "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
  }),
  listColumns: (_dataset, table) => ({
    kind: 'all',
    sql:
      'SELECT name, type, "notnull" = 0 AND NOT (pk = 1 AND upper(type) = \'INTEGER\') AS nullable, ' +
      'dflt_value AS "default", pk > 0 AS "primaryKey", hidden IN (2, 3) AS generated ' +
      "FROM pragma_table_xinfo(?, 'main') WHERE hidden <> 1 ORDER BY cid",
    params: [table],
  }),
  insertionOrder(found, columns) {
    if (found.kind === 'view' || ('withoutRowNumber' in found && found.withoutRowNumber === 1))
      return undefined;
    const taken = new Set(columns.map(({ name }) => name.toLowerCase()));
    return rowNumberNames.find((name) => !taken.has(name));
  },
  analyzeColumn(table, { name }) {
    const column = quoteIdentifier(name);
    // Any column holds values of any type: only the numbers have a mean.
    const number = `CASE WHEN typeof(${column}) IN ('integer', 'real') THEN ${column} END`;
    return {
      kind: 'all',
      sql:
        `WITH numbers AS (SELECT avg(${number}) AS mean, count(${number}) AS n FROM ${table}) ` +
        `SELECT count(${column}) AS count, count(DISTINCT ${column}) AS "uniqueCount", ` +
        `min(${column}) AS min, max(${column}) AS max, (SELECT mean FROM numbers) AS mean, ` +
        `CASE WHEN (SELECT n FROM numbers) > 1 THEN sqrt(sum((${number} - (SELECT mean FROM numbers)) * ` +
        `(${number} - (SELECT mean FROM numbers))) / ((SELECT n FROM numbers) - 1)) END AS std FROM ${table}`,
    };
  },
  // BEGIN IMMEDIATE lets one writer in.
  lockName: () => undefined,
};
