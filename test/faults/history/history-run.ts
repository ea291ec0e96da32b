import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import {
  createStaticStageSource,
  createStorageBridge,
  type Engine,
  type Stage,
  stages,
  type StorageBridge,
} from 'changeover';
import type { StageContext, StaticStageSource } from '@changeover/bridge';
import { TcpProxy } from '../../kit/tcp-proxy.ts';
import { toldBy } from '../call-log.ts';
import type { FaultyPostgres } from '../faulty-postgres.ts';
import { pick } from '../random.ts';
import { checkHistory, type Order } from './check-history.ts';
import { createHistoryTables, HistoryLoad } from './history-load.ts';
import { type Plant, plantedLeg } from './plant.ts';

/** Where the calls of one history are answered: at one stage, or at whichever the flag says at that moment. */
type Place = Stage | 'flips' | 'flips and faults';

export interface HistoryRunOptions {
  readonly postgres: FaultyPostgres;
  readonly random: () => number;
  readonly engines: readonly Engine[];
  /** A fault in the pooled leg that is to be found. */
  readonly plant?: Plant | undefined;
  /** Default: every one, or with a plant those in which the pooled leg answers. */
  readonly places?: readonly Place[] | undefined;
  /** Whose order is in force. Default: drawn by chance. */
  readonly order?: Order | undefined;
}

export interface HistoryRunResult {
  readonly calls: number;
  readonly histories: number;
  /** Calls of which nobody knows whether they took effect. */
  readonly unknown: number;
  /** What is explained by no order of the calls, or could not be decided; and errors that no fault explains. */
  readonly problems: readonly string[];
}

/** At once, and how often each: as many as the search decides in a moment, and enough for them to overlap. */
const callers = 8;
const turns = 8;

/** Makes calls through the bridge at each stage and across changes of it, and checks the history of each key. */
export async function runHistories(options: HistoryRunOptions): Promise<HistoryRunResult> {
  const { plant, engines } = options;
  const places: readonly Place[] =
    options.places ??
    (plant === undefined
      ? [...stages, 'flips', 'flips and faults']
      : ['reverse', 'pooled', 'flips']);
  const run = await HistoryRun.open(options);
  try {
    await Promise.all(
      engines.map(async (engine) => {
        for (const place of places) await run.history(engine, place);
      }),
    );
  } catch (error) {
    run.problems.push(
      `the histories failed: ${error instanceof Error ? (error.stack ?? '') : String(error)}`,
    );
  } finally {
    await run.close();
  }
  run.check();
  const { calls, unknown, histories, problems } = run;
  return { calls, unknown, histories, problems };
}

class HistoryRun {
  readonly problems: string[] = [];
  calls = 0;
  unknown = 0;
  histories = 0;
  readonly #options: HistoryRunOptions;
  readonly #basePath = mkdtempSync(join(tmpdir(), 'changeover-histories-'));
  readonly #proxy: TcpProxy;
  readonly #bridge: StorageBridge;
  readonly #workers: Worker[] = [];
  readonly #stages = new Map<string, Stage>();
  readonly #order: Order;
  readonly #source: StaticStageSource;
  readonly #dataset: string;
  readonly #unchecked: (() => void)[] = [];
  readonly #ready = new Set<Engine>();
  readonly #stageOf = ({ backend }: StageContext): Stage => this.#stages.get(backend) ?? 'legacy';

  private constructor(options: HistoryRunOptions, proxy: TcpProxy) {
    this.#options = options;
    this.#proxy = proxy;
    const { plant, random } = options;
    this.#dataset = `histories_${process.pid.toString(36)}_${Math.floor(random() * 1e9).toString(36)}`;
    this.#order = options.order ?? pick(random, ['process', 'caller'] as const);
    this.#source = createStaticStageSource(this.#stageOf, {
      guarantees: { order: this.#order, exclusion: 'process', session: 'pin' },
    });
    this.#bridge = createStorageBridge({
      basePath: this.#basePath,
      databaseUrl: proxy.urlFor(options.postgres.reachedBy),
      storePath: ':memory:',
      stages: this.#source,
      guardrail: { mode: 'report' },
      ...(plant === undefined ? {} : { decoratePooledLeg: (leg) => plantedLeg(plant, leg) }),
      pooled: {
        callTimeoutMs: 10_000,
        sqlite: {
          onWorker: (worker) => {
            this.#workers.push(worker);
          },
        },
      },
    });
  }

  static async open(options: HistoryRunOptions): Promise<HistoryRun> {
    return new HistoryRun(options, await TcpProxy.start(options.postgres.reachedBy));
  }

  /** The calls of some callers at one place, and whether an order explains them. */
  async history(engine: Engine, place: Place): Promise<void> {
    const { random } = this.#options;
    const storage = this.#bridge.storage(engine);
    const order = this.#order;
    await this.#prepare(engine);
    const isSteady = place !== 'flips' && place !== 'flips and faults';
    this.#move(engine, isSteady ? place : pick(random, stages));
    const epoch = (this.histories += 1);
    const where = `history ${String(epoch)}, ${engine} at ${place}, order by ${order}`;
    const load = new HistoryLoad({
      storage,
      engine,
      dataset: this.#dataset,
      epoch,
      random,
      callers,
      turns,
      // The contract of the pooled leg says what its errors tell; the singleton's never told.
      toldBy: place === 'pooled' ? toldBy : () => 'unknown',
      onTurn: () => {
        if (!isSteady && random() < 0.15) this.#move(engine, pick(random, stages));
        if (place === 'flips and faults' && random() < 0.15) this.#befall(engine);
      },
      onError: (error) => {
        // A move back cuts off what has not ended in time.
        const isCut = !isSteady && (error as { code?: unknown }).code === 'ABORTED';
        if (place !== 'flips and faults' && !isCut)
          this.problems.push(`${where}: ${String(error)}`);
      },
    });
    await load.run();
    const { calls } = load.recorder;
    this.calls += calls.length;
    this.unknown += calls.filter(({ outcome }) => outcome === 'unknown').length;
    this.#unchecked.push(() => {
      const verdict = checkHistory(calls, { order, initial: load.initial });
      if (verdict.kind !== 'explained')
        this.problems.push(`${where}: ${verdict.kind}: ${verdict.why}`);
    });
  }

  /** Once no call is under way any more: a search may take seconds, in which none would be answered. */
  check(): void {
    for (const check of this.#unchecked.splice(0)) check();
  }

  async close(): Promise<void> {
    for (const engine of this.#ready)
      await this.#bridge
        .storage(engine)
        .dropDataset(this.#dataset)
        .catch((error: unknown) => {
          this.problems.push(`a dataset could not be dropped: ${String(error)}`);
        });
    await this.#bridge.close({ deadlineMs: 3_000 });
    await this.#proxy.stop();
    rmSync(this.#basePath, { recursive: true, force: true, maxRetries: 3 });
  }

  async #prepare(engine: Engine): Promise<void> {
    if (this.#ready.has(engine)) return;
    const storage = this.#bridge.storage(engine);
    await storage.createDataset(this.#dataset);
    await createHistoryTables(storage, this.#dataset);
    this.#ready.add(engine);
  }

  #move(engine: Engine, stage: Stage): void {
    this.#stages.set(engine, stage);
    this.#source.set(this.#stageOf);
  }

  /** What befalls an engine whichever leg uses it. */
  #befall(engine: Engine): void {
    if (engine === 'postgresql') this.#proxy.reset();
    if (engine === 'sqlite') for (const worker of this.#workers.splice(0)) void worker.terminate();
  }
}
