import { bridgeConnection } from '@changeover/adapters/duckdb';
import { bridgeClient } from '@changeover/adapters/pg';
import { bridgeOf } from '@changeover/bridge';
import { DuckDBInstance } from '@duckdb/node-api';
import pg from 'pg';
import { learn, measureCosts, rows, settingsAt, type Tables } from './adapter-costs.ts';
import { type BenchCase, type BenchContext, type CaseResult, type Figure } from './figure.ts';
import { takeTurns, timeText, together } from './measure.ts';
import { atLeast } from './verdict.ts';

export const adapters: BenchCase = {
  name: 'adapters',
  title: 'what the adapters add to a statement, and 1, 10, 100 callers beside the bare handle',
  needsPostgres: true,
  run: measureAdapters,
};

/** How many callers share a handle. */
const callersAtOnce: readonly number[] = [1, 10, 100];

async function measureAdapters(context: BenchContext): Promise<CaseResult> {
  return {
    figures: [
      ...(await measureCosts(context)),
      ...(await measureDuckdb(context)),
      ...(await measureClient(context)),
    ],
  };
}

async function measureDuckdb(context: BenchContext): Promise<Figure[]> {
  const instance = await DuckDBInstance.create(':memory:');
  const bare = await instance.connect();
  await bare.run(
    `create table note as select i as id, 'note ' || i as text from range(${String(rows)}) t(i)`,
  );
  const pooled = (): ReturnType<typeof instance.connect> => instance.connect();
  const atPooled = bridgeConnection(await instance.connect(), {
    ...settingsAt('duckdb-pooled', 'pooled'),
    pooled,
  });
  const read = (connection: typeof bare) => async (): Promise<unknown> =>
    (await connection.runAndReadAll('select * from note where id = 7')).getRowsJson();
  try {
    await learn(read(atPooled));
    const figures: Figure[] = [];
    for (const callers of callersAtOnce)
      figures.push(
        await besideHandle(context, callers, {
          ...{ key: 'duckdb', title: 'changeover/duckdb at pooled, times the one connection' },
          ...{ bare: read(bare), pooled: read(atPooled) },
        }),
      );
    return figures;
  } finally {
    await bridgeOf(atPooled).close();
    atPooled.closeSync();
    bare.closeSync();
  }
}

async function measureClient(context: BenchContext): Promise<Figure[]> {
  const bare = new pg.Client(context.databaseUrl);
  const other = new pg.Client(context.databaseUrl);
  const atPooled = bridgeClient(other, { ...settingsAt('pooled', 'pooled'), max: 10 });
  for (const client of [bare, atPooled]) await client.connect();
  const table = 'changeover_bench_notes';
  await bare.query(`drop table if exists ${table}`);
  await bare.query(
    `create table ${table} as select id, 'note ' || id as text from generate_series(1, ${rows}) id`,
  );
  const read = (client: pg.Client) => async (): Promise<readonly unknown[]> =>
    (await client.query<Tables['note']>(`select * from ${table} where id = $1`, [7])).rows;
  try {
    await learn(read(atPooled));
    const figures: Figure[] = [];
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
    for (const client of [bare, atPooled]) await client.end();
    await bridgeOf(atPooled).close();
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
