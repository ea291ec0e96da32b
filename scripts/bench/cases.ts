import Database from 'better-sqlite3';
import { digestResult } from '@changeover/compare';
import { datasetFile, type Engine, engines, engineTitles, type StorageApi } from 'changeover';
import { type Figure, measureAdded, measureRatio } from './measure.ts';
import { datasetNames, type Workbench } from './workbench.ts';

/** One benchmark: what it measures, and the measurement. */
export interface BenchCase {
  readonly name: string;
  run(workbench: Workbench): Promise<Figure[]>;
}

const first = datasetNames[0] ?? '';

/** All benchmarks in the order of the table. */
export const benchCases: readonly BenchCase[] = [
  { name: 'router', run: routerOverhead },
  ...engines.map((engine) => ({ name: `read-${engine}`, run: (workbench: Workbench) => oneRead(workbench, engine) })),
  ...engines.map((engine) => ({ name: `ten-${engine}`, run: (workbench: Workbench) => tenReads(workbench, engine) })),
  { name: 'point-read-sqlite', run: pointRead },
  { name: 'digest', run: digest },
];

/** An operation that costs next to nothing itself, so that what is added shows. */
async function routerOverhead({ routed, pooled, legacy, stages }: Workbench): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const [stage, leg] of [['legacy', legacy], ['pooled', pooled]] as const) {
    stages.set(() => stage);
    const direct = leg('sqlite');
    const through = routed('sqlite');
    figures.push(await measureAdded({
      name: `router adds to a call at ${stage}`, target: 0.5, rounds: 25, roundMs: 40,
      measured: () => through.tableExists(first, 'data'),
      against: () => direct.tableExists(first, 'data'),
    }));
  }
  stages.set(() => 'pooled');
  return figures;
}

async function oneRead({ legacy, pooled }: Workbench, engine: Engine): Promise<Figure[]> {
  return [await measureRatio({
    name: `${engineTitles[engine]}: one dataset read, pooled / legacy`, target: 0.93,
    measured: () => pooled(engine).readTable(first, 'data'),
    against: () => legacy(engine).readTable(first, 'data'),
  })];
}

async function tenReads({ legacy, pooled }: Workbench, engine: Engine): Promise<Figure[]> {
  const all = (storage: StorageApi): Promise<unknown> =>
    Promise.all(datasetNames.map((dataset) => storage.readTable(dataset, 'data')));
  return [await measureRatio({
    name: `${engineTitles[engine]}: ten concurrent reads of ten datasets, pooled / legacy`, target: engine === 'postgresql' ? 0.5 : 0.85,
    roundMs: 60,
    measured: () => all(pooled(engine)),
    against: () => all(legacy(engine)),
  })];
}

async function pointRead({ routed, location }: Workbench): Promise<Figure[]> {
  const database = new Database(datasetFile(location, 'sqlite', first), { readonly: true });
  try {
    const statement = database.prepare('SELECT * FROM "data" WHERE "id" = ?');
    const through = routed('sqlite');
    let id = 0;
    return [await measureRatio({
      name: 'SQLite: point read through the drop-in at pooled / bare better-sqlite3', target: 2, rounds: 25,
      measured: () => through.readTable(first, 'data', { where: { id: (id = (id + 1) % 5_000) } }),
      against: () => statement.all((id = (id + 1) % 5_000)),
      equal: (a, b) => (a as unknown[]).length === 1 && (b as unknown[]).length === 1,
    })];
  } finally {
    database.close();
  }
}

async function digest(): Promise<Figure[]> {
  const database = new Database(':memory:');
  try {
    database.exec('CREATE TABLE t (id INTEGER, name TEXT, amount REAL, kind INTEGER, note TEXT, flag INTEGER)');
    const insert = database.prepare('INSERT INTO t VALUES (?, ?, ?, ?, ?, ?)');
    database.transaction(() => {
      for (let id = 0; id < 20_000; id += 1) insert.run(id, `name ${id}`, id * 1.25, id % 7, id % 3 === 0 ? null : `note of ${id}`, id % 2);
    })();
    const fetch = database.prepare('SELECT * FROM t');
    const rows = fetch.all();
    return [await measureRatio({
      name: 'digest of 20,000 rows × 6 / fetching them from SQLite', target: 0.4,
      measured: () => digestResult(rows, 'rows'),
      against: () => fetch.all(),
      equal: (made, fetched) => (made as { count: number }).count === (fetched as unknown[]).length,
    })];
  } finally {
    database.close();
  }
}
