import { targetText } from '@changeover/core';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  createStaticStageSource,
  createStorageBridge,
  engines,
  type Stage,
  type StorageBridge,
} from 'changeover';
import { Failures, SoakCaller } from './soak-load.ts';
import { type Flatness, judgeFlatness, type SoakSample } from './soak-verdict.ts';

/** What a soak is. */
export interface SoakOptions {
  readonly databaseUrl: string;
  readonly durationMs: number;
  /** What is called and which stages are changed to follow from it, as far as real engines let them. */
  readonly seed: number;
  /** Datasets of each engine. Default: 3. */
  readonly datasets?: number | undefined;
  /** Default: a hundredth of the duration, at least 100. */
  readonly sampleEveryMs?: number | undefined;
  /** How often one dataset's stage changes. Default: 250. */
  readonly stageEveryMs?: number | undefined;
  readonly onSample?: ((sample: SoakSample) => void) | undefined;
}

export interface SoakResult {
  readonly samples: readonly SoakSample[];
  /** Calls by engine. */
  readonly calls: Readonly<Record<string, number>>;
  readonly stageChanges: number;
  readonly comparisons: {
    readonly compared: number;
    readonly mismatch: number;
    readonly shed: number;
  };
  readonly flatness: readonly Flatness[];
  /** What failed, and how often. Empty for a good run. */
  readonly failures: readonly (readonly [what: string, count: number])[];
  readonly ok: boolean;
}

/** Mostly the two stages at which both legs run; the others are passed through. */
const wanted: readonly Stage[] = [
  'shadow',
  'reverse',
  'shadow',
  'reverse',
  'shadow',
  'reverse',
  'legacy',
  'pooled',
];

/** Drives all engines through the drop-in's router while stages change, and watches the process. */
export async function soak(options: SoakOptions): Promise<SoakResult> {
  const random = randomFrom(options.seed);
  const failures = new Failures();
  const folder = mkdtempSync(join(tmpdir(), 'changeover-soak-'));
  const stageOf = new Map<string, Stage>();
  const stages = createStaticStageSource(
    ({ backend, dataset }) => stageOf.get(`${backend} ${dataset}`) ?? 'shadow',
  );
  const bridge = createStorageBridge({
    basePath: folder,
    databaseUrl: options.databaseUrl,
    stages,
    storePath: join(folder, 'store.sqlite'),
    // A machine that is busy with something else is not what is looked for here: neither is a call cut, nor a key held back, for that.
    backWithinMs: 120_000,
    guardrail: { latencyFloorMs: 60_000 },
  });
  const unhandled = (error: unknown): void => {
    failures.note(`unhandled rejection: ${String(error)}`);
  };
  process.on('unhandledRejection', unhandled);
  const names = Array.from(
    { length: options.datasets ?? 3 },
    (_, at) => `soak_${process.pid}_${options.seed}_${at}`,
  );
  const callers = engines.flatMap((engine) =>
    names.map(
      (name) =>
        new SoakCaller(
          bridge.storage(engine),
          engine,
          name,
          randomFrom(random() * 2 ** 32),
          failures,
        ),
    ),
  );
  let stageChanges = 0;
  const watch = new SoakWatch(bridge, callers, failures, options);
  try {
    for (const caller of callers) await caller.prepare();
    const changing = setInterval(() => {
      const engine = engines[Math.floor(random() * engines.length)] ?? 'sqlite';
      stageOf.set(
        `${engine} ${names[Math.floor(random() * names.length)] ?? ''}`,
        wanted[Math.floor(random() * wanted.length)] ?? 'shadow',
      );
      stages.set(({ backend, dataset }) => stageOf.get(`${backend} ${dataset}`) ?? 'shadow');
      stageChanges += 1;
    }, options.stageEveryMs ?? 250);
    const untilMs = performance.now() + options.durationMs;
    watch.start();
    await Promise.all(callers.map((caller) => caller.run(() => performance.now() < untilMs)));
    clearInterval(changing);
    watch.stop();
    await bridge.idle();
    const { compared, mismatch, shed } = bridge.recorder.summary().totals;
    if (mismatch > 0) failures.note(`${mismatch} mismatches between legs that do the same`);
    for (const { backend, target, reason } of bridge.guardrail.holds)
      failures.note(`held back: ${backend} ${targetText(target)}: ${reason}`);
    await removeAll(bridge, names, stages);
    await bridge.close();
    const flatness = judgeFlatness(watch.samples);
    const calls = Object.fromEntries(
      engines.map((engine) => [
        engine,
        callers
          .filter((caller) => caller.engine === engine)
          .reduce((sum, caller) => sum + caller.calls, 0),
      ]),
    );
    return {
      samples: watch.samples,
      calls,
      stageChanges,
      comparisons: { compared, mismatch, shed },
      flatness,
      failures: [...failures.counts],
      ok: failures.total === 0 && flatness.every(({ flat }) => flat),
    };
  } finally {
    watch.stop();
    process.off('unhandledRejection', unhandled);
    rmSync(folder, { recursive: true, force: true });
  }
}

async function removeAll(
  bridge: StorageBridge,
  names: readonly string[],
  stages: ReturnType<typeof createStaticStageSource>,
): Promise<void> {
  stages.set(() => 'pooled');
  for (const engine of engines)
    for (const name of names) await bridge.storage(engine).dropDataset(name);
}

/** Looks at the process again and again. */
class SoakWatch {
  readonly samples: SoakSample[] = [];
  readonly #bridge: StorageBridge;
  readonly #callers: readonly SoakCaller[];
  readonly #failures: Failures;
  readonly #options: SoakOptions;
  readonly #loop = monitorEventLoopDelay({ resolution: 5 });
  readonly #collect = collector();
  #timer: NodeJS.Timeout | undefined;
  #startedMs = 0;

  constructor(
    bridge: StorageBridge,
    callers: readonly SoakCaller[],
    failures: Failures,
    options: SoakOptions,
  ) {
    this.#bridge = bridge;
    this.#callers = callers;
    this.#failures = failures;
    this.#options = options;
  }

  start(): void {
    this.#startedMs = performance.now();
    this.#loop.enable();
    const everyMs = this.#options.sampleEveryMs ?? Math.max(100, this.#options.durationMs / 100);
    this.#timer = setInterval(() => {
      this.#sample();
    }, everyMs);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#loop.disable();
  }

  #sample(): void {
    const loopDelayMs = this.#loop.percentile(99) / 1e6;
    // Garbage is no growth; the collection's own pause is no delay of the engines'.
    this.#collect();
    const memory = process.memoryUsage();
    const sample: SoakSample = {
      atMs: performance.now() - this.#startedMs,
      heapMib: memory.heapUsed / 2 ** 20,
      residentMib: memory.rss / 2 ** 20,
      handles: process.getActiveResourcesInfo().length,
      connections: this.#bridge.factory
        .stats()
        .engines.reduce((sum, { callers }) => sum + callers.connections, 0),
      loopDelayMs,
      calls: this.#callers.reduce((sum, { calls }) => sum + calls, 0),
      errors: this.#failures.total,
    };
    this.samples.push(sample);
    this.#options.onSample?.(sample);
    this.#loop.reset();
  }
}

/** The garbage collection, which Node hides unless it is asked for. */
function collector(): () => void {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  return typeof collect === 'function' ? (collect as () => void) : () => undefined;
}

/** Numbers in [0, 1) that follow from a seed: mulberry32 by Tommy Ettinger, public domain. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
