import type { DuckDBConnection, DuckDBType, DuckDBValue } from '@duckdb/node-api';

interface Setting {
  readonly value: string | null;
  /** It was set for the connection alone. */
  readonly local: boolean;
}

interface Variable {
  readonly value: DuckDBValue;
  readonly type: DuckDBType;
}

/** What was set on a connection and another can be given: settings, the schema that names are looked up in, variables. */
export interface SessionFacts {
  readonly settings: ReadonlyMap<string, Setting>;
  readonly variables: ReadonlyMap<string, Variable>;
}

/** `search_path` says it too, with the database. `custom_profiling_settings` is refused in the form that it is told in. */
const notSet: ReadonlySet<string> = new Set(['schema', 'custom_profiling_settings']);

/** Reads what was set on a connection. */
export async function readFacts(connection: DuckDBConnection): Promise<SessionFacts> {
  const settings = new Map<string, Setting>();
  const found = await connection.runAndReadAll('select name, value, scope from duckdb_settings()');
  for (const [name, value, scope] of found.getRows())
    settings.set(String(name), {
      value: value === null ? null : String(value),
      local: scope === 'LOCAL',
    });
  return { settings, variables: await readVariables(connection) };
}

async function readVariables(connection: DuckDBConnection): Promise<SessionFacts['variables']> {
  const variables = new Map<string, Variable>();
  const names = await connection.runAndReadAll('select name from duckdb_variables() order by name');
  for (const [name] of names.getRows()) {
    // What the list tells of a value is its text, from which it can't always be had again.
    const found = await connection.runAndReadAll(`select getvariable(${literal(String(name))})`);
    variables.set(String(name), {
      value: found.getRows()[0]?.[0] as DuckDBValue,
      type: found.columnType(0),
    });
  }
  return variables;
}

/** Sets on a connection what differs from what another was set to. */
export async function applyFacts(
  connection: DuckDBConnection,
  wanted: SessionFacts,
): Promise<void> {
  const present = await readFacts(connection);
  for (const [name, { value, local }] of wanted.settings) {
    const now = present.settings.get(name);
    if (notSet.has(name) || now === undefined) continue;
    if (now.value === value && now.local === local) continue;
    // What is set for all connections is set on this one as well.
    if (local && value !== null)
      await connection.run(`set session ${quoted(name)} = ${literal(value)}`);
    else if (now.local) await connection.run(`reset session ${quoted(name)}`);
  }
  for (const [name, { value, type }] of wanted.variables)
    await connection.run(`set variable ${quoted(name)} = $1`, [value], [type]);
  for (const name of present.variables.keys())
    if (!wanted.variables.has(name)) await connection.run(`reset variable ${quoted(name)}`);
}

/** Whether two connections are set alike. */
export function sameFacts(one: SessionFacts, other: SessionFacts): boolean {
  return textOf(one) === textOf(other);
}

function textOf({ settings, variables }: SessionFacts): string {
  const local = [...settings].filter(([, { local }]) => local);
  const values = [...variables].map(([name, { value, type }]) => [
    name,
    String(type),
    String(value),
  ]);
  return JSON.stringify([local, values]);
}

const privateObjects = `
select 1 from duckdb_tables() where temporary
union all select 1 from duckdb_views() where temporary and not internal
union all select 1 from duckdb_sequences() where temporary
union all select 1 from duckdb_functions() where database_name = 'temp' and not internal
union all select 1 from duckdb_types() where database_name = 'temp' and not internal
union all select 1 from duckdb_prepared_statements()`;

/** Whether a connection has what no other can have: temporary objects, and statements of PREPARE. */
export async function hasPrivateObjects(connection: DuckDBConnection): Promise<boolean> {
  const found = await connection.runAndReadAll(`select exists (${privateObjects})`);
  return found.getRows()[0]?.[0] === true;
}

/** The number of the transaction that it is asked in; of an instance's connections each transaction has its own. */
export async function transactionNumber(connection: DuckDBConnection): Promise<bigint> {
  const found = await connection.runAndReadAll('select txid_current()');
  return found.getRows()[0]?.[0] as bigint;
}

/** Whether a transaction is open on a connection, a failed one included. */
export async function isInTransaction(connection: DuckDBConnection): Promise<boolean> {
  try {
    return (await transactionNumber(connection)) === (await transactionNumber(connection));
  } catch (error) {
    // As it says of each statement until the transaction is ended.
    return /transaction is aborted/.test(String(error));
  }
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
