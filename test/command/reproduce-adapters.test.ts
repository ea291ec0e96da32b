import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type Bridge, createStaticStageSource, silentLogger } from '@changeover/bridge';
import Database from 'better-sqlite3';
import { bridgeOf } from 'changeover';
import { bridgeDatabase } from 'changeover/better-sqlite3';
import { bridgeConnection } from 'changeover/duckdb';
import { bridgeKnex } from 'changeover/knex';
import { BridgeDialect } from 'changeover/kysely';
import { bridgeClient } from 'changeover/pg';
import knex from 'knex';
import { Kysely, SqliteDialect } from 'kysely';
import pg from 'pg';
import { lying } from '../adapters/duckdb/lying-connection.ts';
import { lyingClient } from '../adapters/pg/lying-client.ts';
import { typeChangeover } from './run-changeover.ts';

const databaseUrl = process.env['CHANGEOVER_TEST_DATABASE_URL'];
const secret = 'kanarienvogel';
const select = 'select id, text from note order by id';

let folder: string;
const ends: (() => unknown)[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-reproduce-adapters-'));
});

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  rmSync(folder, { recursive: true, force: true });
});

const store = (): string => join(folder, 'comparisons.sqlite');

function settings(): {
  name: string;
  stages: ReturnType<typeof createStaticStageSource>;
  storePath: string;
  logger: typeof silentLogger;
  guardrail: { mode: 'report' };
} {
  return {
    name: 'notes',
    stages: createStaticStageSource({ notes: 'shadow' }),
    storePath: store(),
    logger: silentLogger,
    guardrail: { mode: 'report' },
  };
}

/** Two files of one schema, with one value that differs: the pooled leg is on the wrong one. */
function twoFiles(): { readonly right: string; readonly wrong: string } {
  const [right = '', wrong = ''] = ['right', 'wrong'].map((name) => {
    const file = join(folder, `${name}.db`);
    const database = new Database(file);
    database.pragma('journal_mode = wal');
    database.exec('create table note (id integer primary key, text text)');
    database.prepare('insert into note (text) values (?), (?)').run(name, secret);
    database.close();
    return file;
  });
  return { right, wrong };
}

/** A bridge over a handle, and a read through it. */
interface Handled {
  readonly bridge: Bridge;
  read(): unknown;
}

function betterSqlite3(): Handled {
  const { right, wrong } = twoFiles();
  const db = bridgeDatabase(new Database(right), {
    ...settings(),
    pooled: () => new Database(wrong),
  });
  ends.push(() => db.close());
  return { bridge: bridgeOf(db), read: () => db.prepare(select).all() };
}

function kysely(): Handled {
  const { right, wrong } = twoFiles();
  const [legacy, pooled] = [right, wrong].map(
    (file) => new SqliteDialect({ database: new Database(file) }),
  );
  if (legacy === undefined || pooled === undefined) throw new Error('two dialects');
  const dialect = new BridgeDialect({ ...settings(), legacy, pooled });
  const db = new Kysely<{ note: { id: number; text: string } }>({ dialect });
  ends.push(() => db.destroy());
  return {
    bridge: bridgeOf(dialect),
    read: () => db.selectFrom('note').selectAll().orderBy('id').execute(),
  };
}

function knexInstance(): Handled {
  const { right, wrong } = twoFiles();
  const config = (filename: string): knex.Knex.Config => ({
    client: 'better-sqlite3',
    connection: { filename },
    useNullAsDefault: true,
  });
  const db = bridgeKnex(knex(config(right)), { ...settings(), pooled: () => knex(config(wrong)) });
  ends.push(() => db.destroy());
  return { bridge: bridgeOf(db), read: () => db('note').select('*').orderBy('id') };
}

async function duckdb(): Promise<Handled> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  await connection.run('create table note (id integer, text varchar)');
  await connection.run(`insert into note values (1, 'right'), (2, '${secret}')`);
  const wrong = "select id, replace(text, 'right', 'wrong') as text from note order by id";
  const db = bridgeConnection(connection, {
    ...settings(),
    pooled: async () => lying(await instance.connect(), (sql) => (sql === select ? wrong : sql)),
  });
  ends.push(() => {
    db.closeSync();
    instance.closeSync();
  });
  return { bridge: bridgeOf(db), read: () => db.runAndReadAll(select) };
}

async function pgClient(): Promise<Handled> {
  const client = new pg.Client({ connectionString: databaseUrl });
  const schema = `reproduce_${String(process.pid)}`;
  const db = bridgeClient(client, {
    ...settings(),
    pooled: () =>
      new pg.Pool({
        connectionString: databaseUrl,
        allowExitOnIdle: true,
        Client: lyingClient('right', 'wrong'),
      }),
  });
  await db.connect();
  ends.push(() => db.end());
  await db.query(`create schema ${schema}`);
  await db.query(`create table ${schema}.note (id int, text text)`);
  ends.push(() => db.query(`drop schema ${schema} cascade`));
  await db.query(`insert into ${schema}.note values (1, 'right'), (2, $1)`, [secret]);
  return {
    bridge: bridgeOf(db),
    read: () => db.query(`select id, text from ${schema}.note order by id`),
  };
}

const adapters: readonly (readonly [string, () => Handled | Promise<Handled>])[] = [
  ['better-sqlite3', betterSqlite3],
  ['kysely', kysely],
  ['knex', knexInstance],
  ['duckdb', duckdb],
  ...(databaseUrl === undefined ? [] : [['pg', pgClient] as const]),
];

test.each(adapters)(
  'a mismatch of a bridge over %s is made again by the program that runs, for who types its id',
  async (_name, make) => {
    const { bridge, read } = await make();
    ends.push(() => bridge.close());
    const mismatches = (): number => bridge.recorder.summary().totals.mismatch;
    // What a statement does is learned in the background.
    for (let round = 0; round < 300 && mismatches() === 0; round += 1) {
      await read();
      await bridge.idle();
      await nextTurn();
    }
    bridge.recorder.flush();
    const env = { CHANGEOVER_STORE: store(), CHANGEOVER_FLAGS: join(folder, 'flags.json') };
    const listed = JSON.parse(
      (await typeChangeover(['mismatches', '--format', 'json'], env)).out,
    ) as { mismatches: { id: string }[] };
    const id = listed.mismatches[0]?.id ?? '';
    const before = bridge.recorder.summary().totals;
    const { code, out, err } = await typeChangeover(['reproduce', id], env);
    expect([err, code]).toEqual(['', 99]);
    expect(out).toMatch(/MISMATCH/);
    expect(out).toMatch(/legacy {2}2 rows/);
    expect(out).toMatch(/ 1 {2}text( VARCHAR)? +string of 5 /);
    expect(out).toContain(`reproduce('${id}', { showValues: true })`);
    expect(out).not.toContain(secret);
    // A look at it is no call of a caller's.
    expect(bridge.recorder.summary().totals).toEqual(before);
    await bridge.close();
    const gone = await typeChangeover(['reproduce', id], env);
    expect([gone.code, gone.out]).toEqual([3, '']);
    expect(gone.err).toContain('No program that runs on this store has its call in memory');
  },
);
