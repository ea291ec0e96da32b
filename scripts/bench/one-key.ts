import { engineTitles } from '@changeover/engines/api';
import { caller, type Engine, engines, type StorageApi } from 'changeover';
import type { BenchCase, BenchContext, CaseResult, Figure } from './figure.ts';
import { takeTurns, timeText, together } from './measure.ts';
import { atLeast } from './verdict.ts';
import { openWorkbench, parameter, type Workbench } from './workbench.ts';

const callers = 10;
/** Calls that each caller makes one after another. */
const callsEach = 10;
const rows = 1_000;

/** What the callers do: each call is a write, or one of five is. */
type Load = 'writes' | 'mixed';

export const oneKey: BenchCase = {
  name: 'one-key',
  title: 'writes, and four reads to a write, on one key by 10 callers at default guarantees',
  needsPostgres: true,
  run: measureOneKey,
};

async function measureOneKey(context: BenchContext): Promise<CaseResult> {
  const figures: Figure[] = [];
  for (const engine of engines) {
    const bench = await openWorkbench({
      engines: [engine],
      databaseUrl: context.databaseUrl,
      datasets: 1,
      rows,
    });
    try {
      for (const load of ['writes', 'mixed'] as const)
        figures.push(...(await throughput(context, bench, engine, load)));
    } finally {
      await bench.close();
    }
  }
  return { figures };
}

async function throughput(
  context: BenchContext,
  bench: Workbench,
  engine: Engine,
  load: Load,
): Promise<Figure[]> {
  const [dataset = ''] = bench.datasets;
  const work = async (storage: StorageApi, who: number): Promise<void> => {
    for (let at = 0; at < callsEach; at += 1) {
      const id = (who * callsEach + at) % rows;
      if (load === 'writes' || at % 5 === 4) await writeOne(storage, engine, dataset, id);
      else await readOne(storage, dataset, id);
    }
  };
  const all = (storage: StorageApi) => () => together(callers, (who) => work(storage, who));
  const timings = await takeTurns(
    context,
    {
      legacy: all(bench.legacy(engine)),
      pooled: all(bench.routed(engine)),
      boundaries: () => together(callers, (who) => caller(() => work(bench.routed(engine), who))),
    },
    { rounds: 15, roundMs: 100 },
  );
  const title = `${engineTitles[engine]}, ${load === 'writes' ? 'writes' : 'four reads to a write'}`;
  const beside = `legacy ${timeText(timings.medianMs('legacy') / (callers * callsEach))} a call`;
  return [
    timings.speedup({
      key: `${engine}-${load}`,
      name: `${title}, ten callers that are one process: throughput, times legacy`,
      measured: 'pooled',
      against: 'legacy',
      target: atLeast(1),
      beside,
    }),
    timings.speedup({
      key: `${engine}-${load}-boundaries`,
      name: `${title}, each a caller with a boundary: throughput, times legacy`,
      measured: 'boundaries',
      against: 'legacy',
      target: atLeast(engine === 'postgresql' ? 2 : 1),
      beside,
    }),
  ];
}

async function writeOne(
  storage: StorageApi,
  engine: Engine,
  dataset: string,
  id: number,
): Promise<void> {
  const written = await storage.execute(
    dataset,
    `UPDATE data SET amount = amount + 1 WHERE id = ${parameter(engine)}`,
    [id],
  );
  if (written !== 1) throw new Error(`one row was to be changed, found ${written}`);
}

async function readOne(storage: StorageApi, dataset: string, id: number): Promise<void> {
  const found = await storage.readTable(dataset, 'data', { where: { id } });
  if (found.length !== 1) throw new Error(`one row was to be read, found ${found.length}`);
}
