import type { Leg } from '@changeover/core';
import { engineTitles } from '@changeover/engines/api';
import { type Engine, type StorageApi } from 'changeover';
import {
  type BenchCase,
  type BenchContext,
  type CaseResult,
  type Figure,
  figureOf,
  figureText,
} from './figure.ts';
import { countText, pause, timeText } from './measure.ts';
import { withServerOnOwnCore } from './own-core.ts';
import { quantile } from './quantile.ts';
import { atLeast, atMost } from './verdict.ts';
import { openWorkbench, type Workbench } from './workbench.ts';

const sizes = [1, 100, 20_000] as const;
/** What the planted fault of the shadow leg is. */
type Fault = 'none' | 'hangs' | 'fails';

export const callerLatencyAtShadow: BenchCase = {
  name: 'caller-latency-at-shadow',
  title:
    "the caller's latency at shadow, every call sampled, against legacy: at half the machine's load, and of compared calls alone",
  needsPostgres: true,
  run: measureLatency,
};

async function measureLatency(context: BenchContext): Promise<CaseResult> {
  return {
    figures: [
      ...(await underLoad(context)),
      ...(await onOwnCore(context)),
      ...(await compared(context)),
    ],
  };
}

/** What is read in one figure. */
interface Read {
  readonly engine: Engine;
  readonly size: number;
  readonly planted: Fault;
  /** The server has a core of its own. Default: it shares all of them with the program. */
  readonly ownCore?: boolean | undefined;
}

/** The least share of eligible calls to be compared, in %. */
const leastCompared = 30;

/** The same as {@link underLoad} of PostgreSQL, without what the server's share of the program's core does to it. */
async function onOwnCore(context: BenchContext): Promise<Figure[]> {
  const figures = await withServerOnOwnCore(context.databaseUrl, async () => {
    const bench = await openWorkbench({
      engines: ['postgresql'],
      databaseUrl: context.databaseUrl,
      datasets: 1,
      rows: 20_000,
      bridge: { guardrail: {} },
    });
    try {
      const made: Figure[] = [];
      for (const size of sizes) {
        const read = { engine: 'postgresql', size, planted: 'none', ownCore: true } as const;
        made.push(...(await latencyOf(context, bench, read)));
      }
      return made;
    } finally {
      await bench.close();
    }
  });
  return figures ?? [];
}

/** As the bridge is set by default: on a busy event loop most comparisons give way to callers. */
async function underLoad(context: BenchContext): Promise<Figure[]> {
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
      for (const size of sizes)
        figures.push(...(await latencyOf(context, bench, { engine, size, planted: 'none' })));
    }
    for (const planted of ['hangs', 'fails'] as const) {
      fault.now = planted;
      figures.push(...(await latencyOf(context, bench, { engine: 'sqlite', size: 100, planted })));
    }
    return figures;
  } finally {
    await bench.close();
  }
}

/** The sides of a figure. Legacy takes part twice: its ratio to itself tells how much of the spread is the machine's. */
type Turn = 'legacy' | 'shadow' | 'again';
const turns: readonly Turn[] = ['legacy', 'shadow', 'again'];

/**
 * A round is made of short blocks in turn, so that a slow moment of the machine, which lasts some hundred ms, meets all sides of a
 * round. Rounds of one block of 400 ms a side, 13 calls of 20,000 rows, came to anything between 0.6 and 1.7 × for legacy against
 * itself.
 */
async function latencyOf(context: BenchContext, bench: Workbench, asked: Read): Promise<Figure[]> {
  const { engine, size } = asked;
  const { routed, stages, bridge, datasets } = bench;
  const read = readerOf(routed(engine), datasets[0] ?? '', size);
  const [rounds, blocks, blockMs] = context.quick ? [3, 2, 30] : [9, 4, size > 100 ? 100 : 40];
  const block = async (turn: Turn): Promise<number[]> => {
    stages.set(() => (turn === 'shadow' ? 'shadow' : 'legacy'), {
      deadlineMs: 1_000,
      sampleRate: 1,
    });
    await read();
    const latencies = await atHalfLoad(read, blockMs);
    // What is still compared of one stage must not be part of the other's time.
    await bridge.idle();
    return latencies;
  };
  for (const turn of turns) await block(turn);
  const shares: number[] = [];
  const took: Record<Turn, number[][]> = { legacy: [], shadow: [], again: [] };
  for (let round = 0; round < rounds; round += 1) {
    const before = bridge.recorder.summary().totals;
    const now: Record<Turn, number[]> = { legacy: [], shadow: [], again: [] };
    for (let at = 0; at < blocks * turns.length; at += 1) {
      // Each side comes first as often as the others.
      const turn = turns[(at + Math.floor(at / turns.length) + round) % turns.length];
      if (turn !== undefined) now[turn].push(...(await block(turn)));
    }
    for (const turn of turns) took[turn].push(now[turn]);
    const totals = bridge.recorder.summary().totals;
    const eligible = totals.eligible - before.eligible;
    shares.push((100 * (totals.compared - before.compared)) / eligible);
  }
  return judged(asked, took, shares);
}

function judged(
  { engine, size, planted, ownCore = false }: Read,
  took: Readonly<Record<Turn, readonly (readonly number[])[]>>,
  shares: readonly number[],
): Figure[] {
  const ratios = (turn: Turn, share: number): number[] =>
    took[turn].map(
      (latencies, round) => quantile(latencies, share) / quantile(took.legacy[round] ?? [], share),
    );
  const fault = planted === 'none' ? '' : `, shadow leg ${planted}`;
  const place = ownCore ? ', the server on a core of its own' : '';
  const what = `${engineTitles[engine]}, ${rowsText(size)}${fault}${place}, at half load`;
  const key = `${engine}-${size}${planted === 'none' ? '' : `-${planted}`}${ownCore ? '-own-core' : ''}`;
  const latencies = [['p50', 0.5, mostSlower(size)] as const, ['p99', 0.99, 1.1] as const].map(
    ([name, share, most]) => {
      const again = figureOf({
        key,
        name,
        unit: '×',
        rounds: ratios('again', share),
        target: atMost(most),
      });
      const legacy = quantile(took.legacy.flat(), share);
      return figureOf({
        key: `${key}-${name}`,
        name: `${what}: shadow / legacy, ${name}`,
        unit: '×',
        rounds: ratios('shadow', share),
        target: atMost(most),
        beside: `legacy ${timeText(legacy)}, against itself ${figureText(again)}`,
      });
    },
  );
  if (planted !== 'none') return latencies;
  const share = figureOf({
    key: `${key}-share`,
    name: `${what}: share of eligible calls that was compared`,
    unit: '%',
    rounds: shares,
    target: atLeast(leastCompared),
    beside: 'the rest shed, since callers come first on a busy event loop',
  });
  return [...latencies, share];
}

/** What a median may come to, the answer being copied. */
function mostSlower(size: number): number {
  return size > 100 ? 1.15 : 1.05;
}

function rowsText(size: number): string {
  return size === 1 ? '1 row' : `${countText(size)} rows`;
}

/**
 * The price of being compared: the answer is copied before the caller has it. Each call is one by itself, with its comparison
 * ended before the next, and none is shed. Where calls are shed, as most are under load, they have no part in this price, and a median
 * of all calls hides it.
 */
async function compared(context: BenchContext): Promise<Figure[]> {
  const figures: Figure[] = [];
  const bench = await openWorkbench({
    engines: ['sqlite', 'postgresql'],
    databaseUrl: context.databaseUrl,
    datasets: 1,
    rows: 20_000,
    bridge: { shadowQueue: { busyShare: 1 } },
  });
  try {
    for (const engine of ['sqlite', 'postgresql'] as const) {
      for (const size of sizes) figures.push(await comparedCalls(context, bench, engine, size));
    }
    return figures;
  } finally {
    await bench.close();
  }
}

async function comparedCalls(
  context: BenchContext,
  { routed, stages, bridge, datasets }: Workbench,
  engine: Engine,
  size: number,
): Promise<Figure> {
  const read = readerOf(routed(engine), datasets[0] ?? '', size);
  const rounds = context.quick ? 3 : 15;
  const calls = size > 100 ? 4 : 12;
  const block = async (stage: 'legacy' | 'shadow'): Promise<number> => {
    stages.set(() => stage, { deadlineMs: 1_000, sampleRate: 1 });
    await read();
    const latencies: number[] = [];
    for (let call = 0; call < calls; call += 1) {
      await bridge.idle();
      // Both stages rest before a call: the first one after a wait takes several times as long, whatever was waited for.
      await pause(2);
      const startedMs = performance.now();
      await read();
      latencies.push(performance.now() - startedMs);
    }
    await bridge.idle();
    return quantile(latencies, 0.5);
  };
  await block('shadow');
  await block('legacy');
  const before = bridge.recorder.summary().totals;
  const took: Record<'legacy' | 'shadow', number[]> = { legacy: [], shadow: [] };
  for (let round = 0; round < rounds; round += 1) {
    for (const stage of round % 2 === 0
      ? (['legacy', 'shadow'] as const)
      : (['shadow', 'legacy'] as const))
      took[stage].push(await block(stage));
  }
  const totals = bridge.recorder.summary().totals;
  const sampledCalls = totals.sampled - before.sampled;
  const comparedCount = totals.compared - before.compared;
  if (comparedCount < sampledCalls * 0.95)
    throw new Error(`${sampledCalls} calls were to be compared, ${comparedCount} were`);
  return figureOf({
    key: `${engine}-${size}-compared`,
    name: `${engineTitles[engine]}, ${rowsText(size)}: a compared call / legacy`,
    unit: '×',
    rounds: took.shadow.map((ms, round) => ms / (took.legacy[round] ?? NaN)),
    target: atMost(mostSlower(size)),
    beside: `legacy ${timeText(quantile(took.legacy, 0.5))}; ${comparedCount} of ${sampledCalls} sampled calls were compared`,
  });
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
 * every few ms, since timers know nothing shorter. */
async function atHalfLoad(read: () => unknown, durationMs: number): Promise<number[]> {
  const latencies: number[] = [];
  const untilMs = performance.now() + durationMs;
  let busyMs = 0;
  while (performance.now() < untilMs) {
    const startedMs = performance.now();
    await read();
    const tookMs = performance.now() - startedMs;
    latencies.push(tookMs);
    busyMs += tookMs;
    if (busyMs >= 2) {
      await pause(busyMs);
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
