import { schemaPrefix } from '@changeover/engines';
import { engineTitles } from '@changeover/engines/api';
import { type Engine, type StorageApi } from 'changeover';
import { availableParallelism } from 'node:os';
import pg from 'pg';
import type { BenchCase, BenchContext, CaseResult, Figure } from './figure.ts';
import { type Side, takeTurns, timeText, together } from './measure.ts';
import { quantile } from './quantile.ts';
import { atMost } from './verdict.ts';
import { startDelayProxy } from './delay-proxy.ts';
import { openWorkbench, type Workbench, type WorkbenchOptions } from './workbench.ts';

const callers = 10;
/** Work for the engine and few rows for the answer. */
const heavy =
  'SELECT kind, count(*) AS n, max(length(name)) AS longest, count(DISTINCT note) AS notes FROM data ' +
  'GROUP BY kind ORDER BY kind';

export const concurrentReads: BenchCase = {
  name: 'concurrent-reads',
  title:
    '10 concurrent reads of one dataset and of 10 datasets, per engine; PostgreSQL also 5 ms away each way',
  needsPostgres: true,
  run: measureConcurrent,
};

async function measureConcurrent(context: BenchContext): Promise<CaseResult> {
  const figures: Figure[] = [];
  const url = context.databaseUrl ?? '';
  const proxy = await startDelayProxy(url, 5);
  try {
    figures.push(
      ...(await on({ engines: ['postgresql'], databaseUrl: proxy.url, rows: 500 }, (far) =>
        behindProxy(context, far),
      )),
    );
  } finally {
    await proxy.stop();
  }
  for (const engine of ['sqlite', 'duckdb', 'postgresql'] as const) {
    figures.push(
      ...(await on({ engines: [engine], databaseUrl: url }, (near) =>
        waiting(context, near, engine),
      )),
    );
  }
  for (const engine of ['sqlite', 'duckdb'] as const) {
    figures.push(
      ...(await on({ engines: [engine], datasets: 1, rows: 100_000 }, (large) =>
        computing(context, large, engine),
      )),
    );
  }
  return { figures };
}

/** One workbench at a time: the legacy objects know one place in a process. */
async function on(
  options: WorkbenchOptions,
  measure: (bench: Workbench) => Promise<Figure[]>,
): Promise<Figure[]> {
  const bench = await openWorkbench(options);
  try {
    return await measure(bench);
  } finally {
    await bench.close();
  }
}

/** Where the way to the server is most of the time, the pool's connections wait at the same time. */
async function behindProxy(context: BenchContext, bench: Workbench): Promise<Figure[]> {
  const figures: Figure[] = [];
  const clients = await together(callers, async () => {
    const client = new pg.Client({ connectionString: bench.location.databaseUrl });
    await client.connect();
    return client;
  });
  try {
    for (const { key, what, dataset } of placesOf(bench)) {
      const timings = await takeTurns(
        context,
        {
          ...legs(bench, 'postgresql', dataset),
          bare: () =>
            together(
              callers,
              async (caller) =>
                (
                  await clients[caller]?.query<object>({
                    name: dataset(caller),
                    text: `SELECT * FROM "${schemaPrefix}${dataset(caller)}"."data"`,
                  })
                )?.rows,
            ),
        },
        { rounds: 7, roundMs: 100, equal: sameCounts },
      );
      figures.push(
        timings.ratio({
          key: `far-${key}`,
          name: `PostgreSQL 5 ms away, ${what}: pooled / legacy`,
          measured: 'pooled',
          against: 'legacy',
          target: atMost(0.12),
          beside:
            `legacy ${timeText(timings.medianMs('legacy'))} for all ten; limit: ten bare pg clients, connected, the statement prepared, ` +
            `take ${quantile(timings.ratios('bare', 'legacy'), 0.5).toFixed(3)} ×; the ADR expects 0.19`,
        }),
      );
    }
    return figures;
  } finally {
    await together(callers, async (caller) => {
      await clients[caller]?.end();
    });
  }
}

/** Reads of whole tables of 5,000 rows: the caller's own thread makes the objects, on either leg. */
async function waiting(context: BenchContext, bench: Workbench, engine: Engine): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const { key, what, dataset } of placesOf(bench)) {
    const timings = await takeTurns(context, legs(bench, engine, dataset), {
      rounds: 9,
      roundMs: 100,
    });
    const ratios = timings.ratios('pooled', 'legacy');
    // Of one dataset, all of the work is the making of objects on one thread, which no pool divides: the limit is one core.
    const one = engine === 'postgresql' ? 1 : 1.18;
    figures.push(
      timings.ratio({
        key: `${engine}-${key}`,
        name: `${engineTitles[engine]}, 10 × 5,000 rows of ${what}: pooled / legacy`,
        measured: 'pooled',
        against: 'legacy',
        // The ADR: 20 % better over several datasets.
        target: atMost(key === 'ten' ? 0.8 : one),
        beside: `legacy ${timeText(timings.medianMs('legacy'))} for all ten, fastest round ${quantile(
          ratios,
          0,
        ).toFixed(
          2,
        )}; making 50,000 row objects is work of the caller's one thread: its limit is 1 × legacy`,
      }),
    );
  }
  return figures;
}

/** Work for the engine: the cores are the limit, so the same ten with as many at once as there are cores is what they allow. */
async function computing(
  context: BenchContext,
  bench: Workbench,
  engine: Engine,
): Promise<Figure[]> {
  const [dataset = ''] = bench.datasets;
  const cores = availableParallelism();
  const query = (storage: StorageApi): Promise<unknown> =>
    storage.query(dataset, heavy).then(({ rows }) => rows.map(({ kind, n }) => [kind, Number(n)]));
  const timings = await takeTurns(
    context,
    {
      pooled: () => together(callers, () => query(bench.pooled(engine))),
      legacy: () => together(callers, () => query(bench.legacy(engine))),
    },
    { rounds: 7, roundMs: 200 },
  );
  // SQLite runs a query on one core; DuckDB divides each over all of them, so that one at a time uses all already.
  const most = (engine === 'sqlite' ? 1 / cores : 1) / 0.85;
  return [
    timings.ratio({
      key: `${engine}-aggregates`,
      name: `${engineTitles[engine]}, 10 aggregates over 100,000 rows: pooled / legacy`,
      measured: 'pooled',
      against: 'legacy',
      target: atMost(Number(most.toFixed(2))),
      beside: `legacy ${timeText(timings.medianMs('legacy'))} for all ten; ${cores} cores allow ${
        engine === 'sqlite' ? (1 / cores).toFixed(2) : '1.00'
      } ×, 85 % of that is the target`,
    }),
  ];
}

interface Place {
  readonly key: 'one' | 'ten';
  readonly what: string;
  dataset(caller: number): string;
}

function placesOf({ datasets }: Workbench): Place[] {
  return [
    { key: 'one', what: 'one dataset', dataset: () => datasets[0] ?? '' },
    {
      key: 'ten',
      what: '10 datasets',
      dataset: (caller) => datasets[caller % datasets.length] ?? '',
    },
  ];
}

function legs(
  bench: Workbench,
  engine: Engine,
  dataset: (caller: number) => string,
): Record<'pooled' | 'legacy', Side> {
  return {
    pooled: () =>
      together(callers, (caller) => bench.pooled(engine).readTable(dataset(caller), 'data')),
    legacy: () =>
      together(callers, (caller) => bench.legacy(engine).readTable(dataset(caller), 'data')),
  };
}

/** The bare clients' values are as the driver has them. */
function sameCounts(one: unknown, other: unknown): boolean {
  const counts = (answers: unknown): string =>
    (answers as unknown[][]).map((rows) => rows.length).join();
  return counts(one) === counts(other);
}
