import Database from 'better-sqlite3';
import { datasetFile, engineTitles } from '@changeover/engines/api';
import { engines, type Engine } from 'changeover';
import {
  type BenchCase,
  type BenchContext,
  type CaseResult,
  type Figure,
  figureOf,
  type Plot,
} from './figure.ts';
import { timeText, together } from './measure.ts';
import { quantile } from './quantile.ts';
import { atMost, fewestRounds, verdicts } from './verdict.ts';
import { openWorkbench } from './workbench.ts';

export const growth: BenchCase = {
  name: 'growth',
  title: 'cost as work grows: callers 1 to 10,000, rows 1 to 10^6, datasets 1 to 1,000',
  needsPostgres: true,
  run: measureGrowth,
};

/** One size, and what it took in each round, in ms. */
interface Step {
  readonly size: number;
  readonly rounds: readonly number[];
}

interface Line {
  readonly engine: Engine;
  readonly steps: readonly Step[];
  /** The same by the driver alone. */
  readonly bare?: readonly Step[];
}

/** What grows, in one word for the figure's key, and in words for people. */
interface Growing {
  readonly unit: 'callers' | 'rows' | 'datasets';
  readonly what: string;
  readonly lines: readonly Line[];
}

async function measureGrowth(context: BenchContext): Promise<CaseResult> {
  const all: readonly Growing[] = [
    {
      unit: 'callers',
      what: 'point reads by more callers at once',
      lines: await callersGrow(context),
    },
    { unit: 'rows', what: 'reads of more rows', lines: await rowsGrow(context) },
    {
      unit: 'datasets',
      what: 'one read of each of more datasets at once',
      lines: await datasetsGrow(context),
    },
  ];
  return {
    figures: all.flatMap((growing) => growing.lines.map((line) => steepestStep(growing, line))),
    plots: all.map(plotOf),
  };
}

function plotOf({ what, unit, lines }: Growing): Plot {
  return {
    title: what,
    xTitle: unit,
    yTitle: 'ms for all',
    logarithmic: true,
    series: lines.map(({ engine, steps }) => ({
      name: engineTitles[engine],
      points: steps.map((step) => [step.size, medianMs(step)] as const),
    })),
  };
}

function medianMs({ rounds }: Step): number {
  return quantile(rounds, 0.5);
}

/** Where the cost grew most against the size, which is 1 where it is linear: the step with the worst verdict, and of those the one
 * with the highest median. All steps must hold for it to hold, so one that can't be told from noise says so. */
function steepestStep({ unit, what }: Growing, { engine, steps, bare = [] }: Line): Figure {
  const last = steps.at(-1);
  const figures = stepsOf(steps).map(({ at, ratios }) =>
    figureOf({
      key: `${engine}-${unit}`,
      name: `${engineTitles[engine]}: ${what}, the steepest step against a linear one`,
      unit: '×',
      rounds: ratios,
      target: atMost(1.15),
      beside:
        `${at}; ${steps.map((step) => `${step.size}: ${timeText(medianMs(step))}`).join(', ')}` +
        (last === undefined
          ? ''
          : `, which is ${timeText(medianMs(last) / last.size)} each at the end`) +
        bareText(bare),
    }),
  );
  const [worst] = figures.sort(
    (one, other) =>
      verdicts.indexOf(other.verdict) - verdicts.indexOf(one.verdict) || other.figure - one.figure,
  );
  if (worst === undefined) throw new Error('a step needs two sizes');
  return worst;
}

function bareText(bare: readonly Step[]): string {
  if (bare.length === 0) return '';
  const steepest = Math.max(...stepsOf(bare).map(({ ratios }) => quantile(ratios, 0.5)));
  return `; limit: the steepest step of the driver alone is ${steepest.toFixed(2)} ×`;
}

/** Each step's growth in time over its growth in size, round by round. */
function stepsOf(steps: readonly Step[]): { readonly at: string; readonly ratios: number[] }[] {
  return steps.slice(1).map(({ size, rounds }, index) => {
    const before = steps[index];
    return {
      at: `from ${before?.size} to ${size}`,
      ratios: rounds.map(
        (ms, round) => ms / (before?.rounds[round] ?? NaN) / (size / (before?.size ?? NaN)),
      ),
    };
  });
}

/** What is measured at each size. */
interface StepWork {
  readonly sizes: readonly number[];
  /** At most; at least {@link fewestRounds}, beyond which none is begun after {@link longestMs}. */
  readonly rounds: number;
  /** How often each size is done before it is measured, at least: until what it needs is compiled and open. Default: 1. */
  readonly warmUps?: number | undefined;
  run(size: number): unknown;
}

/** For how long rounds are begun, beyond the fewest. */
const longestMs = 6_000;
/** A size that takes longer leaves nothing for the next one to warm up. */
const warmMs = 500;
/** For how long a size is done at least, before it is measured and in a round. */
const [warmUpMs, roundMs] = [100, 25];

/** Measures the sizes in turn, so that a slow moment of the machine meets a round and not a size. */
async function measureSteps({ sizes, rounds, warmUps = 1, run }: StepWork): Promise<Step[]> {
  for (const size of sizes) {
    const begunMs = performance.now();
    for (let made = 0; made < warmUps || performance.now() - begunMs < warmUpMs; made += 1)
      await run(size);
    if (warmUps === 1 && performance.now() - begunMs > warmMs) break;
  }
  const took = new Map<number, number[]>(sizes.map((size) => [size, []]));
  const begunMs = performance.now();
  for (let round = 0; round < rounds; round += 1) {
    if (round >= fewestRounds && performance.now() - begunMs > longestMs) break;
    for (const size of sizes) {
      // Or the smallest size would collect the largest one's garbage.
      globalThis.gc?.();
      const once: number[] = [];
      const fromMs = performance.now();
      do {
        const startedMs = performance.now();
        await run(size);
        once.push(performance.now() - startedMs);
      } while (performance.now() - fromMs < roundMs);
      took.get(size)?.push(quantile(once, 0.5));
    }
  }
  return [...took].map(([size, ms]) => ({ size, rounds: ms }));
}

async function callersGrow(context: BenchContext): Promise<Line[]> {
  // As many may wait as there are callers: the limit's default of 1,000 would refuse the others, which is its task.
  const pool = { maxPending: 20_000, acquireTimeoutMs: 60_000 };
  const bench = await openWorkbench({
    engines,
    databaseUrl: context.databaseUrl,
    datasets: 1,
    rows: 1_000,
    bridge: { pooled: { pools: { sqlite: pool, duckdb: pool, postgresql: { ...pool, max: 10 } } } },
  });
  try {
    const [dataset = ''] = bench.datasets;
    const lines: Line[] = [];
    for (const engine of engines) {
      const steps = await measureSteps({
        sizes: context.quick ? [1, 10, 100] : [1, 10, 100, 1_000, 10_000],
        rounds: context.quick ? 3 : 9,
        run: (size) =>
          together(size, (caller) =>
            bench.pooled(engine).readTable(dataset, 'data', { where: { id: caller % 1_000 } }),
          ),
      });
      lines.push({ engine, steps });
    }
    return lines;
  } finally {
    await bench.close();
  }
}

async function rowsGrow(context: BenchContext): Promise<Line[]> {
  const bench = await openWorkbench({
    engines,
    databaseUrl: context.databaseUrl,
    datasets: 1,
    rows: context.quick ? 1_000 : 1_000_000,
  });
  try {
    const [dataset = ''] = bench.datasets;
    const lines: Line[] = [];
    for (const engine of engines) {
      const work = {
        sizes: context.quick
          ? [1, 10, 100, 1_000]
          : [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000],
        rounds: context.quick ? 3 : 9,
      };
      const steps = await measureSteps({
        ...work,
        run: async (size) => {
          const rows = await bench.pooled(engine).readTable(dataset, 'data', { limit: size });
          if (rows.length !== size)
            throw new Error(`${size} rows were to be read, found ${rows.length}`);
        },
      });
      lines.push(
        engine === 'sqlite'
          ? {
              engine,
              steps,
              bare: await bareSteps(datasetFile(bench.location, engine, dataset), work),
            }
          : { engine, steps },
      );
    }
    return lines;
  } finally {
    await bench.close();
  }
}

async function bareSteps(file: string, work: Omit<StepWork, 'run'>): Promise<Step[]> {
  const database = new Database(file, { readonly: true });
  try {
    const statement = database.prepare('SELECT * FROM data LIMIT ?');
    return await measureSteps({ ...work, run: (size) => statement.all(size) });
  } finally {
    database.close();
  }
}

async function datasetsGrow(context: BenchContext): Promise<Line[]> {
  const lines: Line[] = [];
  for (const engine of engines) {
    // An instance of DuckDB is some MiB, a schema of PostgreSQL some tables of the catalogue: a thousand are SQLite's.
    const most = context.quick ? 10 : engine === 'sqlite' ? 1_000 : 100;
    const bench = await openWorkbench({
      engines: [engine],
      databaseUrl: context.databaseUrl,
      datasets: most,
      rows: 100,
      // What docs/pools.md says to set for as many as are busy at once.
      bridge: { pooled: { budgets: { sqlite: 2 * most, postgresql: most } } },
    });
    try {
      const steps = await measureSteps({
        sizes: [1, 10, 100, 1_000].filter((count) => count <= most),
        rounds: context.quick ? 3 : 9,
        // A connection a dataset on the main thread is opened beside the calls, and not all of a thousand at once.
        warmUps: 12,
        run: (size) =>
          together(size, (at) => bench.pooled(engine).readTable(bench.datasets[at] ?? '', 'data')),
      });
      lines.push({ engine, steps });
    } finally {
      await bench.close();
    }
  }
  return lines;
}
