import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { bridgeDatabase } from '@changeover/adapters/better-sqlite3';
import { bridgeConnection } from '@changeover/adapters/duckdb';
import { bridgeKnex } from '@changeover/adapters/knex';
import { BridgeDialect } from '@changeover/adapters/kysely';
import { bridgeClient } from '@changeover/adapters/pg';
import {
  type Bridge,
  bridgeOf,
  createStaticStageSource,
  defaultShadowSettings,
  silentLogger,
} from '@changeover/bridge';
import { systemClock } from '@changeover/core';
import { DuckDBInstance } from '@duckdb/node-api';
import Database from 'better-sqlite3';
import knex, { type Knex } from 'knex';
import { type Dialect, Kysely, PostgresDialect, sql, SqliteDialect } from 'kysely';
import pg from 'pg';
import { lying } from './duckdb/lying-connection.ts';
import { everyClass, Lie, lyingDatabase, lyingDialect, lyingKnex, lyingPgClient } from './lies.ts';
import { type Handle, notFound, plantedIn, warmUp } from './under-load.ts';

const url = process.env['CHANGEOVER_TEST_DATABASE_URL'] ?? '';
const plain = 'select * from tree where id > 0';
const ordered = `${plain} order by id`;

/** Numbers, texts, NULL, the empty text and a double, so that all that can go wrong with rows can go wrong with these. */
const trees = [
  `create table tree (id int not null primary key, kind varchar, girth double precision, note varchar)`,
  'create table leaf (id int)',
  `insert into tree values (1, 'Oak', 1.25, 'old'), (2, 'Elm', 0.5, ''), (3, 'Fir', null, null), (4, 'Yew', 7.75, 'red')`,
];

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

function settingsAt(stage: 'shadow' | 'reverse') {
  return {
    name: 'trees',
    storePath: ':memory:',
    logger: silentLogger,
    guardrail: { mode: 'report' },
    stages: createStaticStageSource(() => stage, { ...defaultShadowSettings, sampleRate: 1 }),
  } as const;
}

function newFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'changeover-planted-'));
  ends.push(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  const file = join(folder, 'trees.db');
  const database = new Database(file);
  database.pragma('journal_mode = WAL');
  for (const text of trees) database.exec(text);
  database.close();
  return file;
}

let schemas = 0;

async function newSchema(): Promise<{ connectionString: string; options: string }> {
  schemas += 1;
  const schema = `planted_${String(process.pid)}_${String(schemas)}`;
  const config = { connectionString: url, options: `-c search_path=${schema}` };
  const admin = new pg.Client(config);
  await admin.connect();
  await admin.query(`create schema ${schema}`);
  for (const text of trees) await admin.query(text);
  ends.push(async () => {
    await admin.query(`drop schema ${schema} cascade`);
    await admin.end();
  });
  return config;
}

type Open = (stage: 'shadow' | 'reverse', lie: Lie) => Promise<Handle>;

/** A handle by what runs a text. */
function handleOf(bridge: Bridge, run: (text: string) => unknown): Handle {
  return {
    bridge,
    read: (inOrder) => run(inOrder ? ordered : plain),
    readOther: () => run('select count(*) as n from tree'),
    write: () => run('insert into leaf values (1)'),
  };
}

const overPg: Open = async (stage, lie) => {
  const config = await newSchema();
  const Client = lyingPgClient(lie);
  const db = bridgeClient(new pg.Client(config), {
    ...settingsAt(stage),
    pooled: () => new pg.Pool({ ...config, Client, max: 4 }),
  });
  await db.connect();
  ends.push(async () => {
    await db.end();
    await bridgeOf(db).close();
  });
  return handleOf(bridgeOf(db), (text) => db.query(text));
};

const overSqlite: Open = (stage, lie) => {
  const file = newFile();
  let aheadMs = 0;
  const db = bridgeDatabase(new Database(file), {
    ...settingsAt(stage),
    clock: { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + aheadMs },
    pooled: (path) => lyingDatabase(new Database(path), lie),
  });
  ends.push(async () => {
    await bridgeOf(db).close();
    db.close();
  });
  const run = (text: string): unknown => {
    const statement = db.prepare(text);
    return statement.reader ? statement.all() : statement.run();
  };
  return Promise.resolve({
    ...handleOf(bridgeOf(db), run),
    // What is run in the caller's thread may take a share of it, and rests for a minute where it once took long: on a busy machine.
    pass: () => {
      aheadMs += 120_000;
    },
  });
};

const overKysely =
  (engine: 'sqlite' | 'postgresql'): Open =>
  async (stage, lie) => {
    let dialect: () => Dialect;
    if (engine === 'sqlite') {
      const file = newFile();
      dialect = () => new SqliteDialect({ database: new Database(file) });
    } else {
      const config = await newSchema();
      dialect = () => new PostgresDialect({ pool: new pg.Pool({ ...config, max: 4 }) });
    }
    const bridging = new BridgeDialect({
      ...settingsAt(stage),
      legacy: dialect(),
      pooled: lyingDialect(dialect(), lie),
    });
    const db = new Kysely({ dialect: bridging });
    ends.push(() => db.destroy());
    return handleOf(bridgeOf(bridging), (text) => sql.raw(text).execute(db));
  };

const overKnex =
  (engine: 'sqlite' | 'postgresql'): Open =>
  async (stage, lie) => {
    const config: Knex.Config =
      engine === 'sqlite'
        ? {
            client: 'better-sqlite3',
            connection: { filename: newFile() },
            useNullAsDefault: true,
          }
        : { client: 'pg', connection: await newSchema(), pool: { min: 0, max: 4 } };
    const db = bridgeKnex(knex(config), {
      ...settingsAt(stage),
      pooled: () => lyingKnex(knex(config), lie),
    });
    ends.push(() => db.destroy());
    return handleOf(bridgeOf(db), (text) => Promise.resolve(db.raw(text)));
  };

describe.each([
  ['pg', overPg],
  ['better-sqlite3', overSqlite],
  ['Kysely over SQLite', overKysely('sqlite')],
  ['Kysely over PostgreSQL', overKysely('postgresql')],
  ['Knex over SQLite', overKnex('sqlite')],
  ['Knex over PostgreSQL', overKnex('postgresql')],
])('%s under load', (_name, open) => {
  test.each(['shadow', 'reverse'] as const)(
    'at %s, every kind of fault in what the pooled leg answers is found, as what it is',
    async (stage) => {
      const lie = new Lie(/^select \* from tree/);
      const handle = await open(stage, lie);
      await warmUp(handle);
      const faults = plantedIn(lie);
      expect(await notFound(handle, faults)).toEqual([]);
      expect(new Set(faults.map((fault) => fault.class))).toEqual(new Set(everyClass));
    },
  );
});

/** Its answers are the driver's own objects: another statement makes them another. */
const duckdbFaults: readonly (readonly [name: string, kind: string, text: string, lie: string])[] =
  [
    ['another number', 'value', plain, 'select * replace (girth * 2 as girth) from tree'],
    ['another text', 'value', plain, "select * replace (kind || '~' as kind) from tree"],
    ['NULL for a value', 'value', plain, 'select * replace (nullif(kind, kind) as kind) from tree'],
    [
      'the empty text for NULL',
      'value',
      plain,
      "select * replace (ifnull(note, '') as note) from tree",
    ],
    ['a number as text', 'columns', plain, 'select * replace (id::varchar as id) from tree'],
    ['a row is missing', 'missing-row', plain, `${plain} and id <> 3`],
    ['all rows are missing', 'missing-row', plain, `${plain} and false`],
    ['a row twice', 'extra-row', plain, `${plain} union all select * from tree where id = 2`],
    ['the rows backwards', 'order', ordered, `${ordered} desc`],
    ['a column of another name', 'columns', plain, 'select * rename (kind as kind_) from tree'],
    ['a column is missing', 'columns', plain, 'select * exclude (note) from tree'],
    ['a column more', 'columns', plain, 'select *, null as more from tree'],
    ['an error', 'error', plain, "select * replace (error('planted') as note) from tree"],
  ];

describe('DuckDB under load', () => {
  test.each(['shadow', 'reverse'] as const)(
    'at %s, every kind of fault in what the pooled leg answers is found, as what it is',
    async (stage) => {
      const instance = await DuckDBInstance.create();
      const first = await instance.connect();
      for (const text of trees) await first.run(text);
      first.closeSync();
      let lie: Readonly<Record<string, string>> = {};
      const db = bridgeConnection(await instance.connect(), {
        ...settingsAt(stage),
        pooled: async () => lying(await instance.connect(), (text) => lie[text] ?? text),
      });
      ends.push(async () => {
        await bridgeOf(db).close();
        db.closeSync();
      });
      await bridgeOf(db).ready();
      const handle = handleOf(bridgeOf(db), (text) => db.runAndReadAll(text));
      await warmUp(handle);
      const faults = duckdbFaults.map(([name, kind, text, told]) => ({
        ...{ name, class: kind, inOrder: text === ordered },
        begin: () => {
          lie = { [text]: told };
        },
        end: () => {
          lie = {};
        },
      }));
      expect(await notFound(handle, faults)).toEqual([]);
    },
  );
});
