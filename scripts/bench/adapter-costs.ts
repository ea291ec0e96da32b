import { setTimeout as pause } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { bridgeDatabase } from '@changeover/adapters/better-sqlite3';
import { bridgeConnection } from '@changeover/adapters/duckdb';
import { bridgeKnex } from '@changeover/adapters/knex';
import { BridgeDialect } from '@changeover/adapters/kysely';
import { bridgeClient } from '@changeover/adapters/pg';
import {
  bridgeOf,
  type BridgeSettings,
  createStaticStageSource,
  silentLogger,
} from '@changeover/bridge';
import type { Stage } from '@changeover/core';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import type { Knex } from 'knex';
import { type Dialect, Kysely } from 'kysely';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { type BenchContext, type Figure, figureOf, figureText } from './figure.ts';
import {
  answerAtOnce,
  fileDialect,
  fileKnex,
  instantDialect,
  instantKnex,
  readAtOnce,
} from './instant-drivers.ts';
import { type Side, takeTurns, timeText } from './measure.ts';
import { atMost } from './verdict.ts';

/** Not far from the smallest statement that a program makes: what is added shows most there. */
export interface Tables {
  note: { id: number; text: string };
}

export const rows = 1_000;

/** How long texts are given to be learned, which happens once each, in ms. */
const learningMs = 1_000;

/** What an adapter may add, in µs: to a call that is answered in the same tick, and to one that is waited for. */
const target = { sync: atMost(0.3), promised: atMost(1) };

/** The bare handle and the bridged one. */
interface Sides {
  readonly direct: Side;
  readonly bridged: Side;
}

/** What every adapter's bridge here is made of. */
export function settingsAt(name: string, stage: Stage): BridgeSettings & { readonly name: string } {
  return {
    name,
    storePath: ':memory:',
    logger: silentLogger,
    guardrail: { mode: 'report' },
    stages: createStaticStageSource(() => stage),
  };
}

/** A text seen for the first time counts as acting until it is learned, which takes the event loop. */
export async function learn(statement: Side): Promise<void> {
  const until = performance.now() + learningMs;
  while (performance.now() < until) {
    await statement();
    await pause(5);
  }
}

/** What each adapter adds to a call at `legacy`. */
export async function measureCosts(context: BenchContext): Promise<Figure[]> {
  return [
    ...(await measureOnFile(context)),
    ...(await measureDuckdb(context)),
    ...(await measureClient(context)),
  ];
}

async function measureOnFile(context: BenchContext): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'changeover-bench-adapters-'));
  const file = join(folder, 'notes.db');
  const handle = new Database(file);
  handle.pragma('journal_mode = WAL');
  handle.exec('create table note (id integer primary key, text text not null)');
  const insert = handle.prepare('insert into note values (?, ?)');
  for (let id = 0; id < rows; id += 1) insert.run(id, `note ${id}`);
  try {
    return [
      ...(await measureGet(context, handle)),
      ...(await measureKysely(context, file)),
      ...(await measureKnex(context, file)),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Answered in the same tick, and by no other thread: the driver's own call varies little enough to tell what is added to it. */
async function measureGet(context: BenchContext, handle: Database.Database): Promise<Figure[]> {
  const db = bridgeDatabase(handle, settingsAt('notes', 'legacy'));
  const sql = 'select * from note where id = ?';
  const [bare, bridged] = [handle.prepare(sql), db.prepare(sql)];
  const sides = { direct: () => bare.get(7), bridged: () => bridged.get(7) };
  await learn(sides.bridged);
  const name = 'changeover/better-sqlite3 adds to a get by primary key, at legacy';
  const timings = await takeTurns(context, sides, turns);
  const figures = [
    figureOf({
      ...{ key: 'better-sqlite3-get', name, unit: 'µs', target: target.sync },
      rounds: timings.addedMicros('bridged', 'direct'),
      beside: `the driver's own takes ${timeText(timings.medianMs('direct'))}`,
    }),
    figureOf({
      ...{ key: 'better-sqlite3-get-work', name: `${name}: work of the program's thread` },
      ...{ unit: 'µs', target: target.sync },
      rounds: timings.addedThreadMicros('bridged', 'direct'),
    }),
  ];
  await bridgeOf(db).close();
  db.close();
  return figures;
}

const turns = { rounds: 25, roundMs: 40 };

interface Promised {
  /** The adapter's subpath. */
  readonly adapter: string;
  /** Over a driver that answers at once. */
  readonly instant: Sides;
  /** Over the driver. */
  readonly real: Sides;
}

/**
 * What an adapter adds to a call that is waited for.
 *
 * The target is about the adapter, so it is judged over a driver that answers at once. Beside the driver's own answer, of a server or
 * of another thread, it is lost: how long the caller waits differs from round to round by more than a hundred times as much.
 *
 * What the program's thread works can be told there too, and is dearer, for meanwhile others have had the processor's caches. Nothing else
 * is done there: of a query of pg's, counted by `async_hooks` and at the socket, the bridge makes three promises more, and no
 * statement, timer or tick. The same call that adds 0.8 µs where it is answered at once added 2 µs where the answer came one turn of
 * the event loop later, and 23 to 28 µs behind a server on a loaded machine (the least of 100 rounds: 64 µs became 88).
 *
 * Of a driver that answers at once nothing is waited for, so what is added is work of the program's thread too, and is told by it: other
 * programs of the machine have no part in it.
 */
async function measurePromised(
  context: BenchContext,
  { adapter, instant, real }: Promised,
): Promise<Figure[]> {
  const shared = { unit: 'µs', target: target.promised } as const;
  for (const { bridged } of [instant, real]) await learn(bridged);
  const atOnce = await takeTurns(context, { ...instant }, turns);
  const answered = await takeTurns(context, { ...real }, turns);
  const waits = figureOf({
    ...{ ...shared, key: 'waits', name: 'waits' },
    rounds: answered.addedMicros('bridged', 'direct'),
  });
  return [
    figureOf({
      ...shared,
      key: `${adapter}-instant`,
      name: `changeover/${adapter} adds to a query that its driver answers at once, at legacy`,
      rounds: atOnce.addedThreadMicros('bridged', 'direct'),
      beside: `without it ${timeText(atOnce.medianMs('direct'))}`,
    }),
    figureOf({
      ...shared,
      key: `${adapter}-query-work`,
      name: `changeover/${adapter} adds to a query of one row, at legacy: work of the program's thread`,
      rounds: answered.addedThreadMicros('bridged', 'direct'),
      beside: `without it the query takes ${timeText(answered.medianMs('direct'))}; its caller waits ${figureText(waits)} longer`,
    }),
  ];
}

async function measureKysely(context: BenchContext, file: string): Promise<Figure[]> {
  const opened: Kysely<Tables>[] = [];
  const open = (dialect: Dialect): Kysely<Tables> => {
    const db = new Kysely<Tables>({ dialect });
    opened.push(db);
    return db;
  };
  const query = open(fileDialect(file))
    .selectFrom('note')
    .selectAll()
    .where('id', '=', 7)
    .compile();
  const sidesOf = (name: string, dialect: () => Dialect): Sides => {
    const legs = { legacy: dialect(), pooled: fileDialect(file) };
    const read =
      (db: Kysely<Tables>): Side =>
      async () =>
        (await db.executeQuery(query)).rows;
    return {
      direct: read(open(dialect())),
      bridged: read(open(new BridgeDialect({ ...settingsAt(name, 'legacy'), ...legs }))),
    };
  };
  try {
    return await measurePromised(context, {
      adapter: 'kysely',
      instant: sidesOf('kysely-instant', () => instantDialect(file, query.sql)),
      real: sidesOf('kysely', () => fileDialect(file)),
    });
  } finally {
    for (const db of opened) await db.destroy();
  }
}

async function measureKnex(context: BenchContext, file: string): Promise<Figure[]> {
  const instances: Knex[] = [];
  const open = (db: Knex): Knex => {
    instances.push(db);
    return db;
  };
  const build = (db: Knex): Knex.QueryBuilder => db('note').where('id', 7);
  const { sql } = build(open(fileKnex(file))).toSQL();
  const sidesOf = (name: string, make: () => Knex): Sides => {
    const read = (db: Knex) => (): Promise<unknown> => Promise.resolve(build(db));
    return {
      direct: read(open(make())),
      bridged: read(open(bridgeKnex(make(), settingsAt(name, 'legacy')))),
    };
  };
  try {
    return await measurePromised(context, {
      adapter: 'knex',
      instant: sidesOf('knex-instant', () => instantKnex(file, sql)),
      real: sidesOf('knex', () => fileKnex(file)),
    });
  } finally {
    for (const db of instances) await db.destroy();
  }
}

async function measureDuckdb(context: BenchContext): Promise<Figure[]> {
  const instance = await DuckDBInstance.create(':memory:');
  const sql = 'select * from note where id = 7';
  const maker = await instance.connect();
  await maker.run(
    `create table note as select i as id, 'note ' || i as text from range(${String(rows)}) t(i)`,
  );
  const opened: DuckDBConnection[] = [maker];
  const sidesOf = async (
    name: string,
    prepare: (connection: DuckDBConnection) => Promise<void>,
  ): Promise<Sides> => {
    const [bare, raw] = [await instance.connect(), await instance.connect()];
    for (const connection of [bare, raw]) await prepare(connection);
    const pooled = (): Promise<DuckDBConnection> => instance.connect();
    const bridged = bridgeConnection(raw, { ...settingsAt(name, 'legacy'), pooled });
    opened.push(bare, bridged);
    const read = (connection: DuckDBConnection) => async (): Promise<number> =>
      (await connection.runAndReadAll(sql)).currentRowCount;
    return { direct: read(bare), bridged: read(bridged) };
  };
  try {
    return await measurePromised(context, {
      adapter: 'duckdb',
      instant: await sidesOf('duckdb-instant', (connection) => readAtOnce(connection, sql)),
      real: await sidesOf('duckdb', () => Promise.resolve()),
    });
  } finally {
    for (const connection of opened) connection.closeSync();
  }
}

async function measureClient(context: BenchContext): Promise<Figure[]> {
  const table = 'changeover_bench_costs';
  const sql = `select * from ${table} where id = $1`;
  const maker = new pg.Client(context.databaseUrl);
  await maker.connect();
  await maker.query(`drop table if exists ${table}`);
  await maker.query(
    `create table ${table} as select id, 'note ' || id as text from generate_series(1, ${rows}) id`,
  );
  const opened: pg.Client[] = [maker];
  const sidesOf = async (name: string, prepare: (client: pg.Client) => void): Promise<Sides> => {
    const [bare, raw] = [
      new pg.Client(context.databaseUrl),
      new pg.Client(context.databaseUrl),
    ] as const;
    for (const client of [bare, raw]) prepare(client);
    const bridged = bridgeClient(raw, settingsAt(name, 'legacy'));
    for (const client of [bare, bridged]) {
      await client.connect();
      opened.push(client);
    }
    const read = (client: pg.Client) => async (): Promise<readonly unknown[]> =>
      (await client.query<Tables['note']>(sql, [7])).rows;
    return { direct: read(bare), bridged: read(bridged) };
  };
  try {
    return await measurePromised(context, {
      adapter: 'pg',
      instant: await sidesOf('pg-instant', (client) => {
        answerAtOnce(client, sql);
      }),
      real: await sidesOf('pg', () => undefined),
    });
  } finally {
    await maker.query(`drop table ${table}`);
    for (const client of opened) await client.end();
  }
}
