import Database from 'better-sqlite3';
import { schemaPrefix } from '@changeover/engines';
import { datasetFile, engineTitles } from '@changeover/engines/api';
import { engines, type Engine } from 'changeover';
import pg from 'pg';
import type { BenchCase, BenchContext, CaseResult, Plot } from './figure.ts';
import { keysGrow } from './growth-of-keys.ts';
import { growthFigures, type Line, measureBeside, measureSteps, medianMs } from './growth-steps.ts';
import { together } from './measure.ts';
import { openWorkbench, type Workbench } from './workbench.ts';

export const growth: BenchCase = {
  name: 'growth',
  title:
    'cost as work grows: callers 1 to 10,000, rows 1 to 10^6, datasets 1 to 1,000, keys and shapes of calls 10 to 10,000',
  needsPostgres: true,
  run: measureGrowth,
};

/** What grows, and what is done with more of it. */
const growing = {
  callers: 'point reads by more callers at once',
  rows: 'reads of more rows',
  datasets: 'one read of each of more datasets at once',
  keys: 'work for more keys',
} as const;

type Unit = keyof typeof growing;

async function measureGrowth(context: BenchContext): Promise<CaseResult> {
  const lines: Readonly<Record<Unit, readonly Line[]>> = {
    callers: await callersGrow(context),
    rows: await rowsGrow(context),
    datasets: await datasetsGrow(context),
    keys: await keysGrow(context),
  };
  return {
    figures: Object.values(lines).flatMap((of) => of.flatMap(growthFigures)),
    plots: (Object.keys(growing) as Unit[]).map((unit) => plotOf(unit, lines[unit])),
  };
}

function plotOf(unit: Unit, lines: readonly Line[]): Plot {
  return {
    title: growing[unit],
    xTitle: unit,
    yTitle: 'ms for all',
    logarithmic: true,
    series: lines.map(({ name, steps }) => ({
      name: name.replace(`: ${growing[unit]}`, ''),
      points: steps.map((step) => [step.size, medianMs(step)] as const),
    })),
  };
}

function lineOf(
  engine: Engine,
  unit: Exclude<Unit, 'keys'>,
  [steps = [], bare]: readonly Line['steps'][],
): Line {
  return {
    key: `${engine}-${unit}`,
    name: `${engineTitles[engine]}: ${growing[unit]}`,
    steps,
    bare,
  };
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
      lines.push(lineOf(engine, 'callers', [steps]));
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
      const pooled = async (size: number): Promise<void> => {
        const rows = await bench.pooled(engine).readTable(dataset, 'data', { limit: size });
        if (rows.length !== size)
          throw new Error(`${size} rows were to be read, found ${rows.length}`);
      };
      const drivers = await openDrivers(bench, engine, 1);
      try {
        const runs = [pooled, ...(drivers === undefined ? [] : [drivers.readRows])];
        lines.push(lineOf(engine, 'rows', await measureBeside(runs, work)));
      } finally {
        await drivers?.close();
      }
    }
    return lines;
  } finally {
    await bench.close();
  }
}

/** The driver alone, as a program would use it that has a connection open for each dataset; undefined for DuckDB, whose steps hold. */
interface Drivers {
  /** The first so many rows of the first dataset. */
  readRows(count: number): unknown;
  /** All rows of each of the first so many datasets. */
  readDatasets(count: number): unknown;
  close(): Promise<void> | void;
}

async function openDrivers(
  { location, datasets }: Workbench,
  engine: Engine,
  count: number,
): Promise<Drivers | undefined> {
  const used = datasets.slice(0, count);
  if (engine === 'sqlite')
    return openFiles(used.map((name) => datasetFile(location, engine, name)));
  if (engine === 'postgresql') return await openClients(location.databaseUrl ?? '', used);
  return undefined;
}

function openFiles(files: readonly string[]): Drivers {
  const databases = files.map((file) => new Database(file, { readonly: true }));
  const all = databases.map((database) => database.prepare('SELECT * FROM data'));
  const first = databases[0]?.prepare('SELECT * FROM data LIMIT ?');
  return {
    readRows: (count) => first?.all(count),
    readDatasets: (count) => all.slice(0, count).map((statement) => statement.all()),
    close() {
      for (const database of databases) database.close();
    },
  };
}

async function openClients(url: string, datasets: readonly string[]): Promise<Drivers> {
  const clients = await together(datasets.length, async () => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    return client;
  });
  const read = (at: number, rest = ''): Promise<pg.QueryResult> | undefined =>
    clients[at]?.query({
      name: `read${rest}`,
      text: `SELECT * FROM "${schemaPrefix}${datasets[at] ?? ''}"."data"${rest}`,
    });
  return {
    readRows: (count) => read(0, ` LIMIT ${count}`),
    readDatasets: (count) => together(count, async (at) => await read(at)),
    async close() {
      await Promise.all(clients.map((client) => client.end()));
    },
  };
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
      const pooled = (size: number): Promise<unknown> =>
        together(size, (at) => bench.pooled(engine).readTable(bench.datasets[at] ?? '', 'data'));
      const drivers = await openDrivers(bench, engine, most);
      try {
        const runs = [pooled, ...(drivers === undefined ? [] : [drivers.readDatasets])];
        const work = {
          sizes: [1, 10, 100, 1_000].filter((count) => count <= most),
          rounds: context.quick ? 3 : 9,
          // A connection a dataset on the main thread is opened beside the calls, and not all of a thousand at once.
          warmUps: 12,
        };
        lines.push(lineOf(engine, 'datasets', await measureBeside(runs, work)));
      } finally {
        await drivers?.close();
      }
    } finally {
      await bench.close();
    }
  }
  return lines;
}
