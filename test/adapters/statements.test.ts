import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { silentLogger } from '@changeover/bridge';
import Database from 'better-sqlite3';
import {
  type Bridge,
  bridgeOf,
  bySql,
  createBridge,
  createStaticStageSource,
  type Stage,
} from 'changeover';
import {
  duckdbStatements,
  postgresStatements,
  sqliteStatements,
  type Statements,
} from 'changeover/statements';
import pg from 'pg';

const stages: readonly Stage[] = ['legacy', 'shadow', 'reverse', 'pooled'];
const databaseUrl = process.env['CHANGEOVER_TEST_DATABASE_URL'];
const schema = `statements_${process.pid.toString(36)}`;

/** The commonest singleton: one method that takes SQL. */
interface Queries {
  query(statement: string | { readonly text: string }): Promise<readonly object[]>;
}

/** Two of them on one store, a classifier, and what is beside them. */
interface Store {
  readonly legacy: Queries;
  readonly pooled: Queries;
  readonly statements: Statements;
  /** A statement that reads by its words, and writes. */
  readonly sneaky: string;
  close(): Promise<void>;
}

const textOf = (statement: string | { readonly text: string }): string =>
  typeof statement === 'string' ? statement : statement.text;

async function sqlite(folder: string): Promise<Store> {
  const handles = [0, 1].map(() => new Database(join(folder, 'd.sqlite')));
  const [first, second] = handles as [Database.Database, Database.Database];
  first.pragma('journal_mode = WAL');
  first.exec('CREATE TABLE note (id INTEGER PRIMARY KEY, t TEXT)');
  const over = (handle: Database.Database): Queries => ({
    query: async (statement) => {
      const prepared = handle.prepare(textOf(statement));
      return prepared.reader ? (prepared.all() as object[]) : [prepared.run()];
    },
  });
  return {
    legacy: over(first),
    pooled: over(second),
    statements: sqliteStatements(
      () =>
        first
          .prepare('SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid')
          .pluck()
          .all() as string[],
    ),
    sneaky: "INSERT INTO note (t) VALUES ('x') RETURNING id",
    close: async () => {
      for (const handle of handles) handle.close();
    },
  };
}

async function postgresql(): Promise<Store> {
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    options: `-c search_path=${schema}`,
    max: 4,
  });
  await pool.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE; CREATE SCHEMA ${schema};
    CREATE TABLE ${schema}.note (id serial PRIMARY KEY, t text);
    CREATE FUNCTION ${schema}.add() RETURNS int LANGUAGE sql AS
      $$ INSERT INTO ${schema}.note (t) VALUES ('x') RETURNING id $$`);
  const over = (): Queries => ({
    query: async (statement) => (await pool.query<object>(textOf(statement))).rows,
  });
  return {
    legacy: over(),
    pooled: over(),
    statements: postgresStatements(
      async (sql, values) => (await pool.query<Record<string, unknown>>(sql, [...values])).rows,
    ),
    sneaky: 'SELECT add()',
    close: async () => {
      await pool.query(`DROP SCHEMA ${schema} CASCADE`);
      await pool.end();
    },
  };
}

async function duckdb(folder: string): Promise<Store> {
  const instance = await DuckDBInstance.create(join(folder, 'd.duckdb'));
  const [first, second] = [await instance.connect(), await instance.connect()];
  await first.run(
    "CREATE SEQUENCE ids; CREATE TABLE note (id INTEGER DEFAULT nextval('ids'), t TEXT)",
  );
  const over = (connection: typeof first): Queries => ({
    query: async (statement) =>
      (await connection.runAndReadAll(textOf(statement))).getRowObjectsJS(),
  });
  return {
    legacy: over(first),
    pooled: over(second),
    statements: duckdbStatements(() => instance.connect()),
    sneaky: "INSERT INTO note (t) VALUES ('x') RETURNING id",
    close: async () => {
      first.closeSync();
      second.closeSync();
      instance.closeSync();
    },
  };
}

const stores = { sqlite, postgresql, duckdb } as const;

describe.each(Object.keys(stores) as (keyof typeof stores)[])('on %s', (engine) => {
  let folder: string;
  let store: Store;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'changeover-statements-'));
    store = await stores[engine](folder);
  });
  afterAll(async () => {
    await store.statements.close();
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  });

  function bridged(stage: Stage): { db: Queries; bridge: Bridge } {
    const db = createBridge({
      name: 'db',
      storePath: ':memory:',
      logger: silentLogger,
      stages: createStaticStageSource(() => stage),
      shadowQueue: { busyShare: 1 },
      legacy: () => store.legacy,
      pooled: () => store.pooled,
      operations: { query: bySql(store.statements) },
    });
    return { db, bridge: bridgeOf(db) };
  }
  const countIn = async (): Promise<number> => {
    const [row] = await store.legacy.query('SELECT count(*) AS n FROM note');
    return Number((row as { n: number | bigint }).n);
  };

  test.each(stages)(
    'at %s a statement that acts is run once, whatever its first word',
    async (stage) => {
      const { db, bridge } = bridged(stage);
      const before = await countIn();
      for (let turn = 0; turn < 3; turn += 1) {
        await db.query(store.sneaky);
        await db.query({ text: store.sneaky });
        await bridge.idle();
      }
      expect((await countIn()) - before).toBe(6);
      expect(bridge.recorder.summary().totals).toMatchObject({ calls: 6, compared: 0 });
      await bridge.close();
    },
  );

  test.each(['shadow', 'reverse'] as const)(
    'at %s a read is compared, as a text and in an object',
    async (stage) => {
      const { db, bridge } = bridged(stage);
      const sql = 'SELECT id, t FROM note ORDER BY id';
      const compared = (): number => bridge.recorder.summary().totals.match;
      while (compared() < 2) {
        await db.query(sql);
        await db.query({ text: sql });
        await bridge.idle();
      }
      expect(bridge.recorder.summary().totals.mismatch).toBe(0);
      expect(bridge.recorder.summary().shapes.map(({ shape }) => shape)).toContain(
        'select id , t from note order by id',
      );
      await bridge.close();
    },
  );

  test('what a statement means is learned anew after the schema was changed', async () => {
    const { statements } = store;
    const sql = 'SELECT * FROM later';
    const effect = async (wanted: string): Promise<void> => {
      while (statements.classify(sql).effect !== wanted)
        await new Promise((resolve) => setImmediate(resolve));
    };
    statements.classify('CREATE TABLE later (a INTEGER)');
    await store.legacy.query('CREATE TABLE later (a INTEGER)');
    await effect('reads');
    expect(statements.classify(sql).effect).toBe('reads');
  });
});
