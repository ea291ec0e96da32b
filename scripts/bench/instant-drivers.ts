import type { DuckDBConnection } from '@duckdb/node-api';
import Database from 'better-sqlite3';
import knex, { type Knex } from 'knex';
import { type Dialect, SqliteDialect } from 'kysely';
import type pg from 'pg';

/*
 * Drivers that have one statement's answer already, so that a call takes what stands before them. A server, a file or a thread takes
 * up to a thousand times as long as an adapter adds, and differs from call to call by more than that: no µs can be told beside them.
 * All other statements are answered as ever, as those by which adapters learn what the one does.
 */

const row = Object.freeze({ id: 7, text: 'note 7' });

/** A Kysely dialect of a SQLite file. */
export function fileDialect(file: string): Dialect {
  return new SqliteDialect({ database: new Database(file) });
}

/** A Knex instance of a SQLite file. */
export function fileKnex(file: string): Knex {
  return knex({
    client: 'better-sqlite3',
    connection: { filename: file },
    useNullAsDefault: true,
  });
}

/** A Kysely dialect of a SQLite file that answers one statement at once. */
export function instantDialect(file: string, sql: string): Dialect {
  const database = new Database(file);
  const prepare = database.prepare.bind(database);
  const statement = { reader: true, all: () => [row] };
  Object.assign(database, {
    prepare: (text: string) => (text === sql ? statement : prepare(text)),
  });
  return new SqliteDialect({ database });
}

/** A Knex instance of a SQLite file whose client answers one statement at once. */
export function instantKnex(file: string, sql: string): Knex {
  const made = fileKnex(file);
  const client = made.client as KnexClient;
  const ask = client._query.bind(client);
  client._query = (connection, query) => {
    if (query.sql !== sql) return ask(connection, query);
    query.response = [row];
    return Promise.resolve(query);
  };
  return made;
}

interface KnexQuery {
  readonly sql: string;
  response?: unknown;
}

/** What of Knex's client its types leave out. */
interface KnexClient {
  _query(connection: unknown, query: KnexQuery): Promise<KnexQuery>;
}

/** Lets a client of pg answer one statement at once. */
export function answerAtOnce(client: pg.Client, sql: string): void {
  const answer = { command: 'SELECT', rowCount: 1, rows: [row], fields: [] };
  const ask = client.query.bind(client) as (...args: readonly unknown[]) => unknown;
  Object.assign(client, {
    query: (...args: readonly unknown[]) =>
      args[0] === sql ? Promise.resolve(answer) : ask(...args),
  });
}

/** Lets a connection of DuckDB answer one statement at once, with what it answers now. */
export async function readAtOnce(connection: DuckDBConnection, sql: string): Promise<void> {
  const read = connection.runAndReadAll.bind(connection);
  const answer = await read(sql);
  connection.runAndReadAll = (text, ...rest) =>
    text === sql ? Promise.resolve(answer) : read(text, ...rest);
}
