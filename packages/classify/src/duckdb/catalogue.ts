import type { Relation } from '../query/query.ts';

/** What is used of a `DuckDBConnection` of `@duckdb/node-api`. */
export interface DuckdbConnection {
  runAndReadAll(
    sql: string,
    values?: string[],
  ): Promise<{ getRows(): readonly (readonly unknown[])[] }>;
  closeSync?(): void;
}

/** One of the functions that a name may mean. */
export interface FunctionFact {
  readonly type: string;
  readonly volatile: boolean;
  readonly internal: boolean;
  readonly macro: string | null;
  readonly float: boolean;
}

/** A table or view. */
export interface RelationFact extends Pick<Relation, 'columns' | 'keys'> {
  readonly temporary: boolean;
  readonly view: string | null;
  /** Of its columns. */
  readonly defaults: readonly { readonly column: string; readonly sql: string }[];
}

/** Functions, macros, views and tables of an instance. */
export interface Catalogue {
  readonly functions: ReadonlyMap<string, readonly FunctionFact[]>;
  /** By name in lower case: all of any schema and attached database. */
  readonly relations: ReadonlyMap<string, readonly RelationFact[]>;
}

/** Where DuckDB's own functions are: a macro of a user's of the same name is found first, and may act. */
export const own: string = 'system.main';

const functionsSql = `
select ${own}.lower(function_name), function_type, ${own}.bool_or(coalesce(stability, '') = 'VOLATILE'), internal, macro_definition, ${own}.bool_or(return_type in ('DOUBLE', 'FLOAT'))
from duckdb_functions() group by all`;
const viewsSql = `select ${own}.lower(view_name), sql, temporary from duckdb_views() where not internal`;
const columnsSql = `
select ${own}.lower(c.table_name), c.database_name || '.' || c.schema_name, ${own}.lower(c.column_name), c.data_type, coalesce(t.temporary, false), c.column_default
from duckdb_columns() c left join duckdb_tables() t on t.table_oid = c.table_oid and t.database_oid = c.database_oid
where not c.internal order by c.database_name, c.schema_name, c.table_name, c.column_index`;
// A column's collation may call equal what the key does not.
const keysSql = `
select ${own}.lower(c.table_name), c.database_name || '.' || c.schema_name, ${own}.to_json(${own}.list_transform(c.constraint_column_names, x -> ${own}.lower(x)))::varchar, c.constraint_type
from duckdb_constraints() c join duckdb_tables() t on t.table_oid = c.table_oid and t.database_oid = c.database_oid
where not ${own}.contains(${own}.lower(t.sql), 'collate')`;

/** Reads all of it, on a connection that nobody else uses. */
export async function readCatalogue(connection: DuckdbConnection): Promise<Catalogue> {
  const rows = async (sql: string) => (await connection.runAndReadAll(sql)).getRows();
  const functions = new Map<string, FunctionFact[]>();
  for (const [name, type, volatile, internal, macro, float] of await rows(functionsSql))
    add(functions, String(name), {
      type: String(type),
      volatile: volatile === true,
      internal: internal === true,
      macro: typeof macro === 'string' ? macro : null,
      float: float === true,
    });
  const relations = new Map<string, RelationFact[]>();
  const keys = keysOf(await rows(keysSql));
  for (const [place, table] of tablesOf(await rows(columnsSql)))
    add(relations, table.name, { ...table, keys: keys.get(place) ?? [], view: null });
  for (const [name, sql, temporary] of await rows(viewsSql)) {
    // A view has columns too, and was taken for a table.
    relations.delete(String(name));
    add(relations, String(name), {
      columns: undefined,
      keys: [],
      temporary: temporary === true,
      view: String(sql),
      defaults: [],
    });
  }
  return { functions, relations };
}

function add<T>(map: Map<string, T[]>, name: string, value: T): void {
  const known = map.get(name);
  if (known === undefined) map.set(name, [value]);
  else known.push(value);
}

interface Table {
  readonly name: string;
  readonly temporary: boolean;
  readonly columns: { readonly name: string; readonly float: boolean; readonly whole: boolean }[];
  readonly defaults: { readonly column: string; readonly sql: string }[];
}

function tablesOf(rows: readonly (readonly unknown[])[]): Map<string, Table> {
  const tables = new Map<string, Table>();
  for (const [name, schema, column, type, temporary, filled] of rows) {
    const place = `${String(schema)}.${String(name)}`;
    const table = tables.get(place) ?? {
      name: String(name),
      temporary: temporary === true,
      columns: [],
      defaults: [],
    };
    // A list or a struct of such numbers as well.
    table.columns.push({
      name: String(column),
      float: /DOUBLE|FLOAT/.test(String(type)),
      whole: /^(TINYINT|SMALLINT|INTEGER|BIGINT)$/.test(String(type)),
    });
    if (typeof filled === 'string') table.defaults.push({ column: String(column), sql: filled });
    tables.set(place, table);
  }
  return tables;
}

function keysOf(rows: readonly (readonly unknown[])[]): Map<string, string[][]> {
  const keys = new Map<string, string[][]>();
  const required = new Set<string>();
  const parsed = rows.map(([name, schema, columns, type]) => ({
    place: `${String(schema)}.${String(name)}`,
    columns: JSON.parse(String(columns)) as string[],
    type: String(type),
  }));
  for (const { place, columns, type } of parsed)
    if (type === 'NOT NULL') for (const column of columns) required.add(`${place}.${column}`);
  for (const { place, columns, type } of parsed) {
    const certain =
      type === 'PRIMARY KEY' ||
      (type === 'UNIQUE' && columns.every((column) => required.has(`${place}.${column}`)));
    if (certain) keys.set(place, [...(keys.get(place) ?? []), columns]);
  }
  return keys;
}
