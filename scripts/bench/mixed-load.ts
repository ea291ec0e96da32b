import { engineTitles } from '@changeover/engines/api';
import { type Engine, type StorageApi } from 'changeover';
import {
  type BenchCase,
  type BenchContext,
  type CaseResult,
  countOf,
  type Figure,
  figureOf,
} from './figure.ts';
import { timeText, together } from './measure.ts';
import { quantile } from './quantile.ts';
import { atLeast, atMost } from './verdict.ts';
import { openWorkbench, parameter, type Workbench } from './workbench.ts';

/** Nine reads to a write, as the ADR's users have it. */
const readsToAWrite = 9;
/** The slowest call in a hundred may take this long with every caller at it at once. */
const mostP99Ms = 1_000;

export const mixedLoad: BenchCase = {
  name: 'mixed-load',
  title: 'mixed reads and writes over 100 and 1,000 datasets at once, against the legacy leg',
  needsPostgres: true,
  run: measureMixed,
};

async function measureMixed(context: BenchContext): Promise<CaseResult> {
  const figures: Figure[] = [];
  for (const [engine, datasets] of [
    ['sqlite', 100],
    ['duckdb', 100],
    ['postgresql', 100],
    ['sqlite', 1_000],
  ] as const) {
    if (context.quick && datasets > 100) continue;
    const bench = await openWorkbench({
      engines: [engine],
      databaseUrl: context.databaseUrl,
      datasets,
      rows: 100,
      // More busy datasets than the default budget has connections for: what docs/pools.md says to set then.
      bridge: datasets > 200 ? { pooled: { budgets: { sqlite: 2 * datasets } } } : {},
    });
    try {
      figures.push(...(await mixedOn(bench, engine)));
    } finally {
      await bench.close();
    }
  }
  return { figures };
}

async function mixedOn(bench: Workbench, engine: Engine): Promise<Figure[]> {
  const { datasets } = bench;
  for (const dataset of datasets)
    await bench.pooled(engine).execute(dataset, 'CREATE TABLE log (turn INTEGER)');
  const rounds = 3;
  // The legacy object answers one call at a time, with a connection opened for nearly each: a round of it must end.
  const callsOf = { pooled: readsToAWrite + 1, legacy: 1 };
  const round = async (
    leg: 'pooled' | 'legacy',
    from: number,
  ): Promise<{ perSecond: number; latencies: number[]; errors: number }> => {
    const latencies: number[] = [];
    let errors = 0;
    const startedMs = performance.now();
    const calls = callsOf[leg];
    await together(datasets.length, async (caller) => {
      const dataset = datasets[caller] ?? '';
      for (let at = 0; at < calls; at += 1) {
        const calledMs = performance.now();
        try {
          await call(bench[leg](engine), engine, dataset, from + caller + at);
        } catch (error) {
          errors += 1;
          if (errors === 1) process.stderr.write(`${String(error)}\n`);
        }
        latencies.push(performance.now() - calledMs);
      }
    });
    return {
      perSecond: ((datasets.length * calls) / (performance.now() - startedMs)) * 1_000,
      latencies,
      errors,
    };
  };
  const pooled = await times(rounds, (at) => round('pooled', at));
  // Or the legacy object would not have to open a DuckDB file that the pools hold open in this process.
  await bench.pooled(engine).closeConnections();
  const legacy = await times(rounds, (at) => round('legacy', at));
  const ratios = pooled.map(
    ({ perSecond }, at) => perSecond / (legacy[at]?.perSecond ?? Number.NaN),
  );
  const p99s = pooled.map(({ latencies }) => quantile(latencies, 0.99));
  const longestMs = Math.max(...legacy.map(({ latencies }) => quantile(latencies, 0.99)));
  const errors = pooled.reduce((sum, one) => sum + one.errors, 0);
  const perSecond = pooled.at(-1)?.perSecond ?? 0;
  const title = `${engineTitles[engine]}, ${datasets.length} datasets at once`;
  const key = `${engine}-${datasets.length}`;
  return [
    figureOf({
      key: `${key}-throughput`,
      name: `${title}: throughput, times legacy`,
      unit: '×',
      rounds: ratios,
      target: atLeast(5),
      beside: `${Math.round(perSecond)} calls a second, one caller a dataset, ${readsToAWrite} reads to a write`,
    }),
    figureOf({
      key: `${key}-p99`,
      name: `${title}: p99`,
      unit: 'ms',
      rounds: p99s,
      target: atMost(mostP99Ms),
      beside: `legacy p99 ${timeText(longestMs)}`,
    }),
    countOf({
      key: `${key}-errors`,
      name: `${title}: errors`,
      count: errors,
      unit: 'errors',
      target: atMost(0),
    }),
  ];
}

async function call(
  storage: StorageApi,
  engine: Engine,
  dataset: string,
  at: number,
): Promise<void> {
  if (at % (readsToAWrite + 1) === readsToAWrite) {
    const written = await storage.execute(
      dataset,
      `INSERT INTO log VALUES (${parameter(engine)})`,
      [at],
    );
    if (written !== 1) throw new Error(`one row was to be written, found ${written}`);
    return;
  }
  const rows = await storage.readTable(dataset, 'data', { where: { id: at % 100 } });
  if (rows.length !== 1) throw new Error(`one row was to be read, found ${rows.length}`);
}

async function times<Value>(count: number, run: (at: number) => Promise<Value>): Promise<Value[]> {
  const values: Value[] = [];
  for (let at = 0; at < count; at += 1) values.push(await run(at));
  return values;
}
