import { type Leg } from '@changeover/core';
import { schemaPrefix } from '@changeover/engines';
import Database from 'better-sqlite3';
import { datasetFile, type Engine, type StorageApi } from 'changeover';
import { Client } from 'pg';
import { Piscina } from 'piscina';
import {
  atMost,
  type BenchCase,
  type BenchContext,
  type CaseResult,
  type Figure,
} from './figure.ts';
import { figureOf, pause, quantile, timeText } from './measure.ts';
import type { Scan } from './sqlite-scan-worker.ts';
import { openWorkbench, type Workbench } from './workbench.ts';

const sizes = [1, 100, 20_000] as const;
/** What the planted fault of the shadow leg is. */
type Fault = 'none' | 'hangs' | 'fails';

export const callerLatencyAtShadow: BenchCase = {
  name: 'caller-latency-at-shadow',
  title:
    "the caller's latency at shadow, every call sampled, at half the machine's load, against legacy",
  needsPostgres: true,
  run: measureLatency,
};

async function measureLatency(context: BenchContext): Promise<CaseResult> {
  const figures: Figure[] = [];
  const fault = { now: 'none' as Fault };
  const bench = await openWorkbench({
    engines: ['sqlite', 'postgresql'],
    databaseUrl: context.databaseUrl,
    datasets: 1,
    rows: 20_000,
    bridge: { decoratePooledLeg: (leg) => faulty(leg, fault), guardrail: {} },
  });
  try {
    for (const engine of ['sqlite', 'postgresql'] as const) {
      for (const size of sizes) figures.push(...(await latencyOf(context, bench, engine, size)));
    }
    for (const planted of ['hangs', 'fails'] as const) {
      fault.now = planted;
      figures.push(...(await latencyOf(context, bench, 'sqlite', 100, `, shadow leg ${planted}`)));
    }
    return { figures };
  } finally {
    await bench.close();
  }
}

async function latencyOf(
  context: BenchContext,
  bench: Workbench,
  engine: Engine,
  size: number,
  planted = '',
): Promise<Figure[]> {
  const {
    datasets: [dataset = ''],
    routed,
    stages,
    bridge,
  } = bench;
  const read = readerOf(routed(engine), dataset, size);
  const rounds = context.quick ? 3 : 8;
  const roundMs = context.quick ? 100 : 400;
  const at = async (stage: 'legacy' | 'shadow'): Promise<number[]> => {
    stages.set(() => stage, { deadlineMs: 1_000, sampleRate: 1 });
    await read();
    const latencies = await atHalfLoad(read, roundMs);
    // What is still compared of one stage must not be part of the other's time.
    await bridge.idle();
    return latencies;
  };
  await at('shadow');
  const all: Record<'legacy' | 'shadow', number[]> = { legacy: [], shadow: [] };
  const medians: number[] = [];
  const tails: number[] = [];
  const before = bridge.recorder.summary().totals;
  for (let round = 0; round < rounds; round += 1) {
    const first = round % 2 === 0 ? 'legacy' : 'shadow';
    const second = first === 'legacy' ? 'shadow' : 'legacy';
    const took = { [first]: await at(first), [second]: await at(second) } as Record<
      'legacy' | 'shadow',
      number[]
    >;
    medians.push(quantile(took.shadow, 0.5) / quantile(took.legacy, 0.5));
    tails.push(quantile(took.shadow, 0.99) / quantile(took.legacy, 0.99));
    all.legacy.push(...took.legacy);
    all.shadow.push(...took.shadow);
  }
  const totals = bridge.recorder.summary().totals;
  const compared = totals.compared - before.compared;
  const sampled = totals.sampled - before.sampled;
  const title = `${engine}, ${size} ${size === 1 ? 'row' : 'rows'}${planted}: shadow / legacy`;
  const bare = async (): Promise<BareReaders> =>
    engine === 'postgresql'
      ? barePostgres(context, dataset, size)
      : bareSqlite(datasetFile(bench.location, engine, dataset), size);
  const limit = planted === '' ? `; limit: ${await bareLimit(context, await bare())}` : '';
  const beside = `${all.shadow.length} calls at shadow, ${sampled} sampled, ${compared} compared, the rest shed; legacy p50 ${timeText(
    quantile(all.legacy, 0.5),
  )}, p99 ${timeText(quantile(all.legacy, 0.99))}${limit}`;
  return [
    {
      ...figureOf(`${title}, p50`, '×', medians),
      ...atMost(quantile(medians, 0.5), size > 100 ? 1.25 : 1.05),
      beside,
    },
    { ...figureOf(`${title}, p99`, '×', tails), ...atMost(quantile(tails, 0.5), 1.1) },
  ];
}

/** Two readers of the same that this project takes no part in. */
interface BareReaders {
  caller(): unknown;
  other(): Promise<unknown>;
  close(): Promise<unknown>;
}

/** What the same reads beside cost then: a caller's at half load, with and without another that makes as many in its rests. */
async function bareLimit(
  context: BenchContext,
  { caller, other, close }: BareReaders,
): Promise<string> {
  try {
    const ratios: Record<'p50' | 'p99', number[]> = { p50: [], p99: [] };
    for (let round = 0; round < (context.quick ? 2 : 3); round += 1) {
      const alone = await atHalfLoad(caller, 300);
      let others = Promise.resolve();
      const accompanied = await atHalfLoad(caller, 300, (calls) => {
        others = others.then(() => repeat(other, calls));
      });
      await others;
      ratios.p50.push(quantile(accompanied, 0.5) / quantile(alone, 0.5));
      ratios.p99.push(quantile(accompanied, 0.99) / quantile(alone, 0.99));
    }
    return `bare reads with another connection's in their rests take ${quantile(ratios.p50, 0.5).toFixed(2)} ×, p99 ${quantile(
      ratios.p99,
      0.5,
    ).toFixed(2)} ×`;
  } finally {
    await close();
  }
}

async function barePostgres(
  context: BenchContext,
  dataset: string,
  size: number,
): Promise<BareReaders> {
  const options = `-c search_path=${schemaPrefix}${dataset}`;
  const clients = [0, 1].map(
    () => new Client({ connectionString: context.databaseUrl ?? '', options }),
  );
  const [caller, other] = clients as [Client, Client];
  let id = 0;
  const readOf = (client: Client) => () =>
    client.query(
      size === 1
        ? {
            name: 'one',
            text: 'SELECT * FROM data WHERE id = $1',
            values: [(id = (id + 7) % 20_000)],
          }
        : { name: 'some', text: 'SELECT * FROM data LIMIT $1', values: [size] },
    );
  for (const client of clients) await client.connect();
  return {
    caller: readOf(caller),
    other: readOf(other),
    close: () => Promise.all(clients.map((client) => client.end())),
  };
}

/** The caller's connection is on its thread, as the legacy one is, the other's on a thread of its own. */
function bareSqlite(file: string, size: number): BareReaders {
  const sql = size === 1 ? 'SELECT * FROM data WHERE id = ?' : 'SELECT * FROM data LIMIT ?';
  let id = 0;
  const params = (): number[] => [size === 1 ? (id = (id + 7) % 20_000) : size];
  const database = new Database(file, { readonly: true });
  const statement = database.prepare(sql);
  const worker = new Piscina({
    filename: new URL('./sqlite-scan-worker.ts', import.meta.url).href,
    minThreads: 1,
    maxThreads: 1,
  });
  return {
    caller: () => statement.all(...params()),
    other: () =>
      worker.run({ file, sql, params: params(), counts: true } satisfies Scan) as Promise<unknown>,
    close: () => {
      database.close();
      return worker.destroy();
    },
  };
}

async function repeat(work: () => Promise<unknown>, times: number): Promise<void> {
  for (let at = 0; at < times; at += 1) await work();
}

function readerOf(storage: StorageApi, dataset: string, size: number): () => Promise<unknown> {
  let id = 0;
  if (size === 1)
    return () => storage.readTable(dataset, 'data', { where: { id: (id = (id + 7) % 20_000) } });
  return size === 20_000
    ? () => storage.readTable(dataset, 'data')
    : () => storage.readTable(dataset, 'data', { limit: size });
}

/** One call after the other, with as long a rest as the calls took: half of what one caller can ask for. Rests are taken
 * every few ms, since timers know nothing shorter.
 *
 * @param rests told of each rest, and of how many calls came before it. */
async function atHalfLoad(
  read: () => unknown,
  durationMs: number,
  rests?: (calls: number) => void,
): Promise<number[]> {
  const latencies: number[] = [];
  let calls = 0;
  const untilMs = performance.now() + durationMs;
  let busyMs = 0;
  while (performance.now() < untilMs) {
    const startedMs = performance.now();
    await read();
    const tookMs = performance.now() - startedMs;
    latencies.push(tookMs);
    busyMs += tookMs;
    calls += 1;
    if (busyMs >= 2) {
      rests?.(calls);
      await pause(busyMs);
      calls = 0;
      busyMs = 0;
    }
  }
  return latencies;
}

/** A leg whose shadow calls fail or never end while that is asked for. */
function faulty(leg: Leg<StorageApi>, fault: { readonly now: Fault }): Leg<StorageApi> {
  const { shadow } = leg;
  if (shadow === undefined) return leg;
  const instead = (): Promise<never> | undefined => {
    if (fault.now === 'hangs') return new Promise<never>(() => undefined);
    return fault.now === 'fails' ? Promise.reject(new Error('planted')) : undefined;
  };
  return {
    ...leg,
    shadow: {
      ...shadow,
      admits: () => shadow.admits(),
      digest: (call) => instead() ?? shadow.digest(call),
      read: (call) => instead() ?? shadow.read(call),
    },
  };
}
