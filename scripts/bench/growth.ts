import { engines, type Engine, engineTitles } from 'changeover';
import { atMost, type BenchCase, type BenchContext, type CaseResult, type Figure, type Plot } from './figure.ts';
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

async function measureGrowth(context: BenchContext): Promise<CaseResult> {
  const figures: Figure[] = [];
  const plots: Plot[] = [];
  const note = (what: string, unit: string, lines: readonly (readonly [Engine, readonly Step[]])[]): void => {
    for (const [engine, steps] of lines) figures.push(worstStep(`${engineTitles[engine]}: ${what}`, steps));
    plots.push({
      title: what, xTitle: unit, yTitle: 'ms for all', logarithmic: true,
      series: lines.map(([engine, steps]) => ({ name: engineTitles[engine], points: steps.map(({ size, ms }) => [size, ms] as const) })),
    });
  };
  note('point reads by more callers at once', 'callers', await callersGrow(context));
  note('reads of more rows', 'rows', await rowsGrow(context));
  note('one read of each of more datasets at once', 'datasets', await datasetsGrow(context));
  return { figures, plots };
}

/** Where the cost grew most against the size: 1 is linear. The first steps, which are fixed cost alone, count like all. */
function worstStep(name: string, steps: readonly Step[]): Figure {
  let worst = { figure: 0, at: '' };
  for (const [at, step] of steps.entries()) {
    const before = steps[at - 1];
    if (before === undefined) continue;
    const figure = (step.ms / before.ms) / (step.size / before.size);
    if (figure > worst.figure) worst = { figure, at: `from ${before.size} to ${step.size}` };
  }
  const last = steps.at(-1);
  return { name: `${name}, the steepest step against a linear one`, figure: worst.figure, unit: '×', ...atMost(worst.figure, noise),
    beside: `${worst.at}; ${steps.map(({ size, ms }) => `${size}: ${timeText(ms)}`).join(', ')}` +
      (last === undefined ? '' : `, which is ${timeText(last.ms / last.size)} each at the end`) };
}

async function medianOf(rounds: number, work: () => Promise<unknown>): Promise<number> {
  await work();
  const took: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const startedMs = performance.now();
    await work();
    took.push(performance.now() - startedMs);
  }
  return quantile(took, 0.5);
}

async function callersGrow(context: BenchContext): Promise<[Engine, Step[]][]> {
  // As many may wait as there are callers: the limit's default of 1,000 would refuse the others, which is its task.
  const pool = { maxPending: 20_000, acquireTimeoutMs: 60_000 };
  const bench = await openWorkbench({
    engines, databaseUrl: context.databaseUrl, datasets: 1, rows: 1_000,
    bridge: { pooled: { pools: { sqlite: pool, duckdb: pool, postgresql: { ...pool, max: 10 } } } },
  });
  try {
    const [dataset = ''] = bench.datasets;
    const lines: [Engine, Step[]][] = [];
    for (const engine of engines) {
      const steps: Step[] = [];
      for (const size of context.quick ? [1, 10, 100] : [1, 10, 100, 1_000, 10_000]) {
        const ms = await medianOf(size > 1_000 ? 2 : 5, () => together(size, (caller) =>
          bench.pooled(engine).readTable(dataset, 'data', { where: { id: caller % 1_000 } })));
        steps.push({ size, ms });
      }
      lines.push([engine, steps]);
    }
    return lines;
  } finally {
    await bench.close();
  }
}

async function rowsGrow(context: BenchContext): Promise<[Engine, Step[]][]> {
  const bench = await openWorkbench({
    engines, databaseUrl: context.databaseUrl, datasets: 1, rows: context.quick ? 1_000 : 1_000_000,
  });
  try {
    const [dataset = ''] = bench.datasets;
    const lines: [Engine, Step[]][] = [];
    for (const engine of engines) {
      const steps: Step[] = [];
      for (const size of context.quick ? [1, 10, 100, 1_000] : [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000]) {
        const ms = await medianOf(size > 10_000 ? 2 : 7, async () => {
          const rows = await bench.pooled(engine).readTable(dataset, 'data', { limit: size });
          if (rows.length !== size) throw new Error(`${size} rows were to be read, found ${rows.length}`);
        });
        steps.push({ size, ms });
      }
      lines.push([engine, steps]);
    }
    return lines;
  } finally {
    await bench.close();
  }
}

async function datasetsGrow(context: BenchContext): Promise<[Engine, Step[]][]> {
  const lines: [Engine, Step[]][] = [];
  for (const engine of engines) {
    // An instance of DuckDB is some MiB, a schema of PostgreSQL some tables of the catalogue: a thousand are SQLite's.
    const most = context.quick ? 10 : engine === 'sqlite' ? 1_000 : 100;
    const bench = await openWorkbench({
      engines: [engine], databaseUrl: context.databaseUrl, datasets: most, rows: 100,
      // What docs/pools.md says to set for as many as are busy at once.
      bridge: { pooled: { budgets: { sqlite: 2 * most, postgresql: Math.min(most, 90) } } },
    });
    try {
      const steps: Step[] = [];
      for (const size of [1, 10, 100, 1_000].filter((count) => count <= most)) {
        const ms = await medianOf(3, () => together(size, (at) => bench.pooled(engine).readTable(bench.datasets[at] ?? '', 'data')));
        steps.push({ size, ms });
      }
      lines.push([engine, steps]);
    } finally {
      await bench.close();
    }
  }
  return lines;
}
