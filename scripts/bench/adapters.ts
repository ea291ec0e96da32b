import { setTimeout as pause } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { bridgeDatabase } from '@changeover/adapters/better-sqlite3';
import { BridgeDialect } from '@changeover/adapters/kysely';
import { bridgeClient } from '@changeover/adapters/pg';
import { bridgeOf, createStaticStageSource, silentLogger } from '@changeover/bridge';
import type { Stage } from '@changeover/core';
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
} from './figure.ts';
import { type Side, takeTurns, timeText, together } from './measure.ts';
import { atLeast, atMost } from './verdict.ts';

export const adapters: BenchCase = {
  name: 'adapters',
  title:
    'what the adapters of pg, better-sqlite3 and Kysely add to a statement, and 1, 10, 100 callers beside the bare handle',
  needsPostgres: true,
  run: measureAdapters,
};

/** Not far from the smallest statement that a program makes: what is added shows most there. */
interface Tables {
  note: { id: number; text: string };
}

const rows = 1_000;

/** How long texts are given to be learned, which happens once each, in ms. */
const learningMs = 500;

async function measureAdapters(context: BenchContext): Promise<CaseResult> {
  const onFile = await measureOnFile(context);
  return { figures: [...onFile, ...(await measureClient(context))] };
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
  try {
    return [await addedToGet(context, handle, db), await addedToQuery(context, bare, bridged)];
  } finally {
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
): Promise<Figure> {
  const sql = 'select * from note where id = ?';
  const [direct, bridged] = [handle.prepare(sql), db.prepare(sql)];
  await learn(() => bridged.get(7));
  const timings = await takeTurns(
    context,
    { direct: () => direct.get(7), bridged: () => bridged.get(7) },
    { rounds: 25, roundMs: 40 },
  );
  return figureOf({
    key: 'better-sqlite3-get',
    name: 'changeover/better-sqlite3 adds to a get by primary key, at legacy',
    unit: 'µs',
    rounds: timings.addedMicros('bridged', 'direct'),
    target: atMost(0.3),
    beside: `the driver's own takes ${timeText(timings.medianMs('direct'))}`,
  });
}

async function addedToQuery(
  context: BenchContext,
  bare: Kysely<Tables>,
  bridged: Kysely<Tables>,
): Promise<Figure> {
  const query = bare.selectFrom('note').selectAll().where('id', '=', 7).compile();
  const sides = {
    direct: async () => (await bare.executeQuery(query)).rows,
    bridged: async () => (await bridged.executeQuery(query)).rows,
  };
  await learn(sides.bridged);
  const timings = await takeTurns(context, sides, { rounds: 25, roundMs: 40 });
  return figureOf({
    key: 'kysely-query',
    name: 'changeover/kysely adds to a query by primary key, at legacy',
    unit: 'µs',
    rounds: timings.addedMicros('bridged', 'direct'),
    target: atMost(1),
    beside: `Kysely with its SQLite dialect takes ${timeText(timings.medianMs('direct'))}`,
  });
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
    const added = await takeTurns(
      context,
      { direct: read(bare), bridged: read(atLegacy) },
      { rounds: 25, roundMs: 40 },
    );
    const figures = [
      figureOf({
        key: 'pg-query',
        name: 'changeover/pg adds to a query of one row, at legacy',
        unit: 'µs',
        rounds: added.addedMicros('bridged', 'direct'),
        target: atMost(1),
        beside: `pg's own takes ${timeText(added.medianMs('direct'))}`,
      }),
    ];
    for (const callers of [1, 10, 100])
      figures.push(await besideHandle(context, callers, read(bare), read(atPooled)));
    return figures;
  } finally {
    await bare.query(`drop table ${table}`);
    for (const client of [bare, atLegacy, atPooled]) await client.end();
    for (const bridged of [atLegacy, atPooled]) await bridgeOf(bridged).close();
  }
}

async function besideHandle(
  context: BenchContext,
  callers: number,
  bare: () => Promise<unknown>,
  pooled: () => Promise<unknown>,
): Promise<Figure> {
  const sides = {
    bare: () => together(callers, bare),
    pooled: () => together(callers, pooled),
  };
  const timings = await takeTurns(context, sides, { rounds: 15, roundMs: 40 });
  return timings.speedup({
    key: `pg-${callers}-callers`,
    name: `changeover/pg at pooled with 10 connections, times the one client, ${callers} ${callers === 1 ? 'caller' : 'callers'}`,
    measured: 'pooled',
    against: 'bare',
    target: atLeast(callers === 1 ? 0.8 : 1),
    beside: `for all: changeover ${timeText(timings.medianMs('pooled'))}, the client ${timeText(timings.medianMs('bare'))}`,
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
