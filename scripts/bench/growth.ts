import Database from 'better-sqlite3';
import { datasetFile, engines, type Engine, engineTitles } from 'changeover';
import {
  atMost,
  type BenchCase,
  type BenchContext,
  type CaseResult,
  type Figure,
  type Plot,
} from './figure.ts';
import { quantile, timeText, together } from './measure.ts';
import { openWorkbench } from './workbench.ts';

/** What is linear comes out a little above and below 1 from step to step. */
const noise = 1.15;

export const growth: BenchCase = {
  name: 'growth',
  title: 'cost as work grows: callers 1 to 10,000, rows 1 to 10^6, datasets 1 to 1,000',
  needsPostgres: true,
  run: measureGrowth,
};

interface Step {
  readonly size: number;
  readonly ms: number;
}

interface Line {
  readonly engine: Engine;
  readonly steps: readonly Step[];
  /** The same by the driver alone. */
  readonly bare?: readonly Step[];
}

async function measureGrowth(context: BenchContext): Promise<CaseResult> {
  const figures: Figure[] = [];
  const plots: Plot[] = [];
  const note = (what: string, unit: string, lines: readonly Line[]): void => {
    for (const { engine, steps, bare } of lines)
      figures.push(worstStep(`${engineTitles[engine]}: ${what}`, steps, bare));
    plots.push({
      title: what,
      xTitle: unit,
      yTitle: 'ms for all',
      logarithmic: true,
      series: lines.map(({ engine, steps }) => ({
        name: engineTitles[engine],
        points: steps.map(({ size, ms }) => [size, ms] as const),
      })),
    });
  };
  note('point reads by more callers at once', 'callers', await callersGrow(context));
  note('reads of more rows', 'rows', await rowsGrow(context));
  note('one read of each of more datasets at once', 'datasets', await datasetsGrow(context));
  return { figures, plots };
}

function worstStep(name: string, steps: readonly Step[], bare: readonly Step[] = []): Figure {
  const { figure, at } = steepest(steps);
  const last = steps.at(-1);
  return {
    name: `${name}, the steepest step against a linear one`,
    figure,
    unit: '×',
    ...atMost(figure, noise),
    beside:
      `${at}; ${steps.map(({ size, ms }) => `${size}: ${timeText(ms)}`).join(', ')}` +
      (last === undefined ? '' : `, which is ${timeText(last.ms / last.size)} each at the end`) +
      (bare.length === 0
        ? ''
        : `; limit: the steepest step of the driver alone is ${steepest(bare).figure.toFixed(2)} ×`),
  };
}

/** Where the cost grew most against the size: 1 is linear. The first steps, which are fixed cost alone, count like all. */
function steepest(steps: readonly Step[]): { readonly figure: number; readonly at: string } {
  let worst = { figure: 0, at: '' };
  for (const [at, step] of steps.entries()) {
    const before = steps[at - 1];
    if (before === undefined) continue;
    const figure = step.ms / before.ms / (step.size / before.size);
    if (figure > worst.figure) worst = { figure, at: `from ${before.size} to ${step.size}` };
  }
  return worst;
}

/** For how long a step is made before it is measured: until what it needs is compiled and open. And for how long it is measured. */
const phaseMs = 200;
const mostRounds = 25;

/** @param least how many rounds are measured at least; short ones are measured more often.
 * @param warmUps how often it is made before that at least. */
async function medianOf(least: number, work: () => unknown, warmUps = 1): Promise<number> {
  const begunMs = performance.now();
  for (let made = 0; made < warmUps || performance.now() - begunMs < phaseMs; made += 1)
    await work();
  const took: number[] = [];
  const fromMs = performance.now();
  while (
    took.length < least ||
    (took.length < mostRounds && performance.now() - fromMs < phaseMs)
  ) {
    const startedMs = performance.now();
    await work();
    took.push(performance.now() - startedMs);
  }
  return quantile(took, 0.5);
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
      const steps: Step[] = [];
      for (const size of context.quick ? [1, 10, 100] : [1, 10, 100, 1_000, 10_000]) {
        const ms = await medianOf(2, () =>
          together(size, (caller) =>
            bench.pooled(engine).readTable(dataset, 'data', { where: { id: caller % 1_000 } }),
          ),
        );
        steps.push({ size, ms });
      }
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
      const steps: Step[] = [];
      for (const size of context.quick
        ? [1, 10, 100, 1_000]
        : [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000]) {
        const ms = await medianOf(3, async () => {
          const rows = await bench.pooled(engine).readTable(dataset, 'data', { limit: size });
          if (rows.length !== size)
            throw new Error(`${size} rows were to be read, found ${rows.length}`);
        });
        steps.push({ size, ms });
      }
      lines.push(
        engine === 'sqlite'
          ? {
              engine,
              steps,
              bare: await bareSteps(datasetFile(bench.location, engine, dataset), steps),
            }
          : { engine, steps },
      );
    }
    return lines;
  } finally {
    await bench.close();
  }
}

async function bareSteps(file: string, steps: readonly Step[]): Promise<Step[]> {
  const database = new Database(file, { readonly: true });
  try {
    const statement = database.prepare('SELECT * FROM data LIMIT ?');
    const bare: Step[] = [];
    for (const { size } of steps)
      bare.push({ size, ms: await medianOf(3, () => statement.all(size)) });
    return bare;
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
      const steps: Step[] = [];
      for (const size of [1, 10, 100, 1_000].filter((count) => count <= most)) {
        // A connection a dataset on the main thread is opened beside the calls, and not all of a thousand at once.
        const ms = await medianOf(
          3,
          () =>
            together(size, (at) =>
              bench.pooled(engine).readTable(bench.datasets[at] ?? '', 'data'),
            ),
          12,
        );
        steps.push({ size, ms });
      }
      lines.push({ engine, steps });
    } finally {
      await bench.close();
    }
  }
  return lines;
}
