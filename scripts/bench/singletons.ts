import { schemaPrefix } from '@changeover/engines';
import { datasetFile } from '@changeover/engines/api';
import { type Engine } from 'changeover';
import Database from 'better-sqlite3';
import { DuckDBInstance } from '@duckdb/node-api';
import pg from 'pg';
import type { Workbench } from './workbench.ts';

/** A bare driver as a singleton uses it: one connection that stays open, and the statement's text with each call. */
export interface Singleton {
  /** Reads the row with this id of the table `data`, by its index. */
  one(id: number): Promise<readonly unknown[]>;
  /** Reads the first rows of the table `data`. */
  some(limit: number): Promise<readonly unknown[]>;
  close(): Promise<void>;
}

/**
 * Opens one engine's driver over a workbench's dataset. What it reads must equal what the legs read in number and columns;
 * values are as the driver has them.
 *
 * @param rows of the table `data`: DuckDB's are made anew in memory, since a second instance over one file would be a danger in a
 *   process that writes.
 */
export function openSingleton(
  engine: Engine,
  { location, datasets: [dataset = ''] }: Workbench,
  rows: number,
): Promise<Singleton> {
  switch (engine) {
    case 'sqlite':
      return openSqlite(datasetFile(location, engine, dataset));
    case 'duckdb':
      return openDuckdb(rows);
    case 'postgresql':
      return openPostgres(location.databaseUrl ?? '', `${schemaPrefix}${dataset}`);
  }
}

async function openSqlite(file: string): Promise<Singleton> {
  const database = new Database(file, { readonly: true });
  return {
    one: async (id) => database.prepare('SELECT * FROM "data" WHERE "id" = ?').all(id),
    some: async (limit) => database.prepare('SELECT * FROM "data" LIMIT ?').all(limit),
    close: async () => {
      database.close();
    },
  };
}

async function openDuckdb(rows: number): Promise<Singleton> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  await connection.run(`CREATE TABLE data AS SELECT i::INTEGER AS id, 'name ' || i AS name, i * 1.25::DOUBLE AS amount,
    (i % 7)::INTEGER AS kind, CASE WHEN i % 3 = 0 THEN NULL ELSE 'note of ' || i END AS note, (i % 2)::INTEGER AS flag
    FROM range(${rows}) AS t(i)`);
  await connection.run('CREATE UNIQUE INDEX data_id ON data (id)');
  const read = async (sql: string, value: number): Promise<readonly unknown[]> =>
    (await connection.runAndReadAll(sql, [value])).getRowObjects();
  return {
    one: (id) => read('SELECT * FROM "data" WHERE "id" = $1', id),
    some: (limit) => read('SELECT * FROM "data" LIMIT $1', limit),
    close: async () => {
      connection.closeSync();
      instance.closeSync();
    },
  };
}

async function openPostgres(connectionString: string, schema: string): Promise<Singleton> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  const read = async (end: string, value: number): Promise<readonly unknown[]> =>
    (await client.query<object>(`SELECT * FROM "${schema}"."data" ${end}`, [value])).rows;
  return {
    one: (id) => read('WHERE "id" = $1', id),
    some: (limit) => read('LIMIT $1', limit),
    close: () => client.end(),
  };
}
