import { setTimeout as pause } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { bridgeDatabase } from '@changeover/adapters/better-sqlite3';
import { bridgeConnection } from '@changeover/adapters/duckdb';
import { bridgeKnex } from '@changeover/adapters/knex';
import { BridgeDialect } from '@changeover/adapters/kysely';
import { bridgeClient } from '@changeover/adapters/pg';
import { bridgeOf, createStaticStageSource, silentLogger } from '@changeover/bridge';
import type { Stage } from '@changeover/core';
import { DuckDBInstance } from '@duckdb/node-api';
import knex, { type Knex } from 'knex';
import { type Dialect, Kysely, SqliteDialect } from 'kysely';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import {
  type BenchCase,
  type BenchContext,
  type CaseResult,
  type Figure,
  figureOf,
  type FigureText,
} from './figure.ts';
import { type Side, takeTurns, timeText, together } from './measure.ts';
import { atLeast, atMost } from './verdict.ts';

export const adapters: BenchCase = {
  name: 'adapters',
  title: 'what the adapters add to a statement, and 1, 10, 100 callers beside the bare handle',
  needsPostgres: true,
  run: measureAdapters,
};

/** Not far from the smallest statement that a program makes: what is added shows most there. */
interface Tables {
  note: { id: number; text: string };
}

const rows = 1_000;

/** How many callers share a handle. */
const callersAtOnce: readonly number[] = [1, 10, 100];

/** How long texts are given to be learned, which happens once each, in ms. */
const learningMs = 500;

async function measureAdapters(context: BenchContext): Promise<CaseResult> {
  return {
    figures: [
      ...(await measureOnFile(context)),
      ...(await measureDuckdb(context)),
      ...(await measureClient(context)),
    ],
  };
}

function settingsAt(name: string, stage: Stage) {
  return {
    name,
    storePath: ':memory:',
    logger: silentLogger,
    guardrail: { mode: 'report' },
    stages: createStaticStageSource(() => stage),
  } as const;
}

async function measureOnFile(context: BenchContext): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'changeover-bench-adapters-'));
  const file = join(folder, 'notes.db');
  const handle = new Database(file);
  handle.pragma('journal_mode = WAL');
  handle.exec('create table note (id integer primary key, text text not null)');
  const insert = handle.prepare('insert into note values (?, ?)');
  for (let id = 0; id < rows; id += 1) insert.run(id, `note ${id}`);
  const db = bridgeDatabase(handle, settingsAt('notes', 'legacy'));
  const dialect = (): Dialect => new SqliteDialect({ database: new Database(file) });
  const bare = new Kysely<Tables>({ dialect: dialect() });
  const bridging = new BridgeDialect({
    ...settingsAt('kysely', 'legacy'),
    legacy: dialect(),
    pooled: dialect(),
  });
  const bridged = new Kysely<Tables>({ dialect: bridging });
  const newKnex = (): Knex =>
    knex({
      client: 'better-sqlite3',
      connection: { filename: file },
      useNullAsDefault: true,
    });
  const bareKnex = newKnex();
  const bridgedKnex = bridgeKnex(newKnex(), settingsAt('knex', 'legacy'));
  try {
    return [
      ...(await addedToGet(context, handle, db)),
      ...(await addedToQuery(context, bare, bridged)),
      ...(await addedToKnex(context, bareKnex, bridgedKnex)),
    ];
  } finally {
    await bareKnex.destroy();
    await bridgedKnex.destroy();
    await bare.destroy();
    await bridged.destroy();
    await bridgeOf(db).close();
    db.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function addedToGet(
  context: BenchContext,
  handle: Database.Database,
  db: Database.Database,
): Promise<Figure[]> {
  const sql = 'select * from note where id = ?';
  const [direct, bridged] = [handle.prepare(sql), db.prepare(sql)];
  await learn(() => bridged.get(7));
  return await addedBy(context, {
    key: 'better-sqlite3-get',
    name: 'changeover/better-sqlite3 adds to a get by primary key, at legacy',
    target: atMost(0.3),
    direct: () => direct.get(7),
    bridged: () => bridged.get(7),
    own: "the driver's own",
  });
}

/** What an adapter adds to a call of the bare handle: to how long its caller waits, and to what the program's own thread works. */
async function addedBy(
  context: BenchContext,
  { key, name, target, direct, bridged, own }: AddedCall,
): Promise<Figure[]> {
  const timings = await takeTurns(context, { direct, bridged }, { rounds: 25, roundMs: 40 });
  const shared = { unit: 'µs', target } as const;
  return [
    figureOf({
      ...shared,
      key,
      name,
      rounds: timings.addedMicros('bridged', 'direct'),
      beside: `${own} takes ${timeText(timings.medianMs('direct'))}`,
    }),
    figureOf({
      ...shared,
      key: `${key}-work`,
      name: `${name}: work of the program's thread`,
      rounds: timings.addedThreadMicros('bridged', 'direct'),
    }),
  ];
}

interface AddedCall extends Pick<FigureText, 'key' | 'name' | 'target'> {
  readonly direct: Side;
  readonly bridged: Side;
  /** Whose call the bare one is, for people. */
  readonly own: string;
}

async function addedToQuery(
  context: BenchContext,
  bare: Kysely<Tables>,
  bridged: Kysely<Tables>,
): Promise<Figure[]> {
  const query = bare.selectFrom('note').selectAll().where('id', '=', 7).compile();
  const sides = {
    direct: async () => (await bare.executeQuery(query)).rows,
    bridged: async () => (await bridged.executeQuery(query)).rows,
  };
  await learn(sides.bridged);
  return await addedBy(context, {
    key: 'kysely-query',
    name: 'changeover/kysely adds to a query by primary key, at legacy',
    target: atMost(1),
    ...sides,
    own: 'Kysely with its SQLite dialect',
  });
}

async function addedToKnex(context: BenchContext, bare: Knex, bridged: Knex): Promise<Figure[]> {
  const read = (db: Knex) => (): Promise<unknown> => Promise.resolve(db('note').where('id', 7));
  const sides = { direct: read(bare), bridged: read(bridged) };
  await learn(sides.bridged);
  return await addedBy(context, {
    key: 'knex-query',
    name: 'changeover/knex adds to a query by primary key, at legacy',
    target: atMost(1),
    ...sides,
    own: 'Knex with better-sqlite3',
  });
}

async function measureDuckdb(context: BenchContext): Promise<Figure[]> {
  const instance = await DuckDBInstance.create(':memory:');
  const bare = await instance.connect();
  await bare.run(
    `create table note as select i as id, 'note ' || i as text from range(${String(rows)}) t(i)`,
  );
  const pooled = (): ReturnType<typeof instance.connect> => instance.connect();
  const atLegacy = bridgeConnection(await instance.connect(), {
    ...settingsAt('duckdb', 'legacy'),
    pooled,
  });
  const atPooled = bridgeConnection(await instance.connect(), {
    ...settingsAt('duckdb-pooled', 'pooled'),
    pooled,
  });
  const read = (connection: typeof bare) => async (): Promise<unknown> =>
    (await connection.runAndReadAll('select * from note where id = 7')).getRowsJson();
  try {
    for (const connection of [atLegacy, atPooled]) await learn(read(connection));
    const figures = await addedBy(context, {
      key: 'duckdb-query',
      name: 'changeover/duckdb adds to a query of one row, at legacy',
      target: atMost(1),
      direct: read(bare),
      bridged: read(atLegacy),
      own: "the driver's own",
    });
    for (const callers of callersAtOnce)
      figures.push(
        await besideHandle(context, callers, {
          ...{ key: 'duckdb', title: 'changeover/duckdb at pooled, times the one connection' },
          ...{ bare: read(bare), pooled: read(atPooled) },
        }),
      );
    return figures;
  } finally {
    for (const bridged of [atLegacy, atPooled]) {
      await bridgeOf(bridged).close();
      bridged.closeSync();
    }
    bare.closeSync();
  }
}

async function measureClient(context: BenchContext): Promise<Figure[]> {
  const clients = [0, 1, 2].map(() => new pg.Client(context.databaseUrl));
  const [bare, raw, other] = clients as [pg.Client, pg.Client, pg.Client];
  const atLegacy = bridgeClient(raw, settingsAt('legacy', 'legacy'));
  const atPooled = bridgeClient(other, { ...settingsAt('pooled', 'pooled'), max: 10 });
  for (const client of [bare, atLegacy, atPooled]) await client.connect();
  const table = 'changeover_bench_notes';
  await bare.query(`drop table if exists ${table}`);
  await bare.query(
    `create table ${table} as select id, 'note ' || id as text from generate_series(1, ${rows}) id`,
  );
  const read = (client: pg.Client) => async (): Promise<readonly unknown[]> =>
    (await client.query<Tables['note']>(`select * from ${table} where id = $1`, [7])).rows;
  try {
    for (const client of [atLegacy, atPooled]) await learn(read(client));
    const figures = await addedBy(context, {
      key: 'pg-query',
      name: 'changeover/pg adds to a query of one row, at legacy',
      target: atMost(1),
      direct: read(bare),
      bridged: read(atLegacy),
      own: "pg's own",
    });
    for (const callers of callersAtOnce)
      figures.push(
        await besideHandle(context, callers, {
          ...{
            key: 'pg',
            title: 'changeover/pg at pooled with 10 connections, times the one client',
          },
          ...{ bare: read(bare), pooled: read(atPooled) },
        }),
      );
    return figures;
  } finally {
    await bare.query(`drop table ${table}`);
    for (const client of [bare, atLegacy, atPooled]) await client.end();
    for (const bridged of [atLegacy, atPooled]) await bridgeOf(bridged).close();
  }
}

interface Handles {
  readonly key: string;
  readonly title: string;
  readonly bare: () => Promise<unknown>;
  readonly pooled: () => Promise<unknown>;
}

async function besideHandle(
  context: BenchContext,
  callers: number,
  handles: Handles,
): Promise<Figure> {
  const sides = {
    bare: () => together(callers, handles.bare),
    pooled: () => together(callers, handles.pooled),
  };
  const timings = await takeTurns(context, sides, { rounds: 15, roundMs: 40 });
  return timings.speedup({
    key: `${handles.key}-${callers}-callers`,
    name: `${handles.title}, ${callers} ${callers === 1 ? 'caller' : 'callers'}`,
    measured: 'pooled',
    against: 'bare',
    target: atLeast(callers === 1 ? 0.8 : 1),
    beside: `for all: changeover ${timeText(timings.medianMs('pooled'))}, the bare handle ${timeText(timings.medianMs('bare'))}`,
  });
}

/** A text seen for the first time counts as acting until it is learned, which takes the event loop. */
async function learn(statement: Side): Promise<void> {
  const until = performance.now() + learningMs;
  while (performance.now() < until) {
    await statement();
    await pause(5);
  }
}
