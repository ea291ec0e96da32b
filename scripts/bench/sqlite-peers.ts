import Database from 'better-sqlite3';
import { Piscina } from 'piscina';
import { datasetFile } from '@changeover/engines/api';
import {
  type BenchCase,
  type BenchContext,
  type CaseResult,
  type Figure,
  figureOf,
} from './figure.ts';
import { loopDelayP99, takeTurns, timeText, together } from './measure.ts';
import { atLeast, atMost } from './verdict.ts';
import { openWorkbench, type Workbench } from './workbench.ts';

const engine = 'sqlite';
const callers = 10;
const scan =
  'SELECT kind, count(*) AS n, sum(amount) AS total, max(length(name)) AS longest FROM data GROUP BY kind ORDER BY kind';

export const sqlitePeers: BenchCase = {
  name: 'sqlite-peers',
  title:
    'SQLite: point reads, scans of 200,000 rows by 10 callers, 5 writers, beside better-sqlite3 and piscina',
  run: measureSqlite,
};

async function measureSqlite(context: BenchContext): Promise<CaseResult> {
  const small = await openWorkbench({ engines: [engine], datasets: 2 });
  const figures: Figure[] = [];
  try {
    figures.push(...(await pointReads(context, small)), ...(await writers(context, small)));
  } finally {
    await small.close();
  }
  const large = await openWorkbench({ engines: [engine], datasets: 1, rows: 200_000 });
  try {
    figures.push(...(await scans(context, large)));
    return { figures };
  } finally {
    await large.close();
  }
}

async function pointReads(
  context: BenchContext,
  { routed, location, datasets: [dataset = ''] }: Workbench,
): Promise<Figure[]> {
  const database = new Database(datasetFile(location, engine, dataset), { readonly: true });
  try {
    const statement = database.prepare('SELECT * FROM "data" WHERE "id" = ?');
    const through = routed(engine);
    let id = 0;
    const next = (): number => (id = (id + 7) % 5_000);
    const sides = {
      dropIn: () => through.readTable(dataset, 'data', { where: { id: next() } }),
      query: async () =>
        (await through.query(dataset, 'SELECT * FROM "data" WHERE "id" = ?', [next()])).rows,
      bare: () => statement.all(next()),
      awaited: async () => await Promise.resolve(statement.all(next())),
    };
    // Compiled before they are timed: the first thousands tell who has less code.
    for (const side of Object.values(sides))
      for (let call = 0; call < 10_000; call += 1) await side();
    const timings = await takeTurns(context, sides, { rounds: 25, equal: sameShape });
    return [
      timings.ratio({
        key: 'point',
        name: 'point read through the drop-in at pooled / better-sqlite3',
        measured: 'dropIn',
        against: 'bare',
        target: atMost(1.8),
        beside:
          `drop-in ${timeText(timings.medianMs('dropIn'))}, better-sqlite3 ${timeText(timings.medianMs('bare'))}; ` +
          `awaited, as any async API must be, it takes ${timeText(timings.medianMs('awaited'))}`,
      }),
      timings.ratio({
        key: 'point-query',
        name: 'the same by query() / better-sqlite3',
        measured: 'query',
        against: 'bare',
        target: atMost(1.8),
        beside: `query ${timeText(timings.medianMs('query'))}`,
      }),
    ];
  } finally {
    database.close();
  }
}

async function scans(
  context: BenchContext,
  { pooled, location, datasets: [dataset = ''] }: Workbench,
): Promise<Figure[]> {
  const file = datasetFile(location, engine, dataset);
  const database = new Database(file, { readonly: true });
  const plain = new Piscina({
    filename: new URL('./sqlite-scan-worker.ts', import.meta.url).href,
    minThreads: 2,
    maxThreads: 2,
  });
  try {
    const statement = database.prepare(scan);
    const ten = {
      pooled: () =>
        together(callers, () =>
          pooled(engine)
            .query(dataset, scan)
            .then(({ rows }) => rows),
        ),
      piscina: () => together(callers, () => plain.run({ file, sql: scan }) as Promise<unknown[]>),
      bare: () => Array.from({ length: callers }, () => statement.all()),
    };
    const timings = await takeTurns(context, ten, { rounds: 9, roundMs: 100 });
    const delays: number[] = [];
    for (let round = 0; round < (context.quick ? 3 : 7); round += 1)
      delays.push(await loopDelayP99(ten.pooled));
    const withBare = await loopDelayP99(async () => {
      for (let at = 0; at < 3; at += 1) {
        ten.bare();
        await Promise.resolve();
      }
    });
    return [
      timings.speedup({
        key: 'scans',
        name: 'scans of 200,000 rows, 10 callers, times better-sqlite3',
        measured: 'pooled',
        against: 'bare',
        target: atLeast(1.85),
        beside:
          `a plain worker pool (piscina, 2 threads) comes to ${(timings.medianMs('bare') / timings.medianMs('piscina')).toFixed(2)} ×, ` +
          'which is what the cores had to give during this run',
      }),
      figureOf({
        key: 'loop-delay',
        name: 'event-loop delay p99 meanwhile',
        unit: 'ms',
        rounds: delays,
        target: atMost(10),
        beside: `better-sqlite3 on the main thread: ${withBare.toFixed(0)} ms`,
      }),
    ];
  } finally {
    await plain.destroy();
    database.close();
  }
}

/** Five callers who each insert, one row a time, until all rows are in. */
async function writers(
  context: BenchContext,
  { pooled, location, datasets: [, dataset = ''] }: Workbench,
): Promise<Figure[]> {
  const rows = context.quick ? 100 : 400;
  const file = datasetFile(location, engine, dataset);
  await pooled(engine).execute(dataset, 'CREATE TABLE log (owner INTEGER, at INTEGER)');
  const competing = new Piscina({
    filename: new URL('./sqlite-write-worker.ts', import.meta.url).href,
    minThreads: 5,
    maxThreads: 5,
  });
  const count = async (): Promise<number> => {
    const {
      rows: [row],
    } = await pooled(engine).query(dataset, 'SELECT count(*) AS n FROM log');
    return Number(row?.['n']);
  };
  const ours = async (): Promise<void> => {
    await together(5, async (owner) => {
      for (let at = 0; at < rows; at += 1)
        await pooled(engine).execute(dataset, 'INSERT INTO log VALUES (?, ?)', [owner, at]);
    });
  };
  const theirs = async (): Promise<void> => {
    await together(5, async (owner) => {
      for (let at = 0; at < rows; at += 1) await competing.run({ file, owner, at });
    });
  };
  try {
    await theirs();
    await ours();
    const before = await count();
    const ratios: number[] = [];
    const took = { ours: 0, theirs: 0 };
    const rounds = context.quick ? 3 : 7;
    for (let round = 0; round < rounds; round += 1) {
      for (const side of round % 2 === 0
        ? (['ours', 'theirs'] as const)
        : (['theirs', 'ours'] as const)) {
        const startedMs = performance.now();
        await (side === 'ours' ? ours() : theirs());
        took[side] = performance.now() - startedMs;
      }
      ratios.push(took.theirs / took.ours);
    }
    const written = (await count()) - before;
    if (written !== rounds * 2 * 5 * rows)
      throw new Error(`${rounds * 2 * 5 * rows} rows were to be written, ${written} were`);
    return [
      figureOf({
        key: 'writers',
        name: '5 writers, times 5 competing writers',
        unit: '×',
        rounds: ratios,
        target: atLeast(2),
        beside:
          `${Math.round(((5 * rows) / took.ours) * 1_000)} writes a second against ${Math.round(((5 * rows) / took.theirs) * 1_000)} ` +
          'of five better-sqlite3 connections, each in a thread of piscina, BEGIN IMMEDIATE with a busy time-out; ' +
          'all of them synchronous = FULL',
      }),
    ];
  } finally {
    await competing.destroy();
  }
}

function sameShape(one: unknown, other: unknown): boolean {
  const [a] = one as Record<string, unknown>[];
  const [b] = other as Record<string, unknown>[];
  return a !== undefined && b !== undefined && Object.keys(a).join() === Object.keys(b).join();
}
