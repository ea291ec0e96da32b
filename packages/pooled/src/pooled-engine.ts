import { InvalidArgumentError } from '@changeover/engines/api';
import type {
  CallOptions,
  Engine,
  StorageSession,
  StorageTransaction,
  TransactionOptions,
} from '@changeover/engines/api';
import { toStorageError } from '@changeover/engines';
import type { EndableCall } from '@changeover/core';
import { CallEnd } from './dataset/call-end.ts';
import { callLimit, checkLimit } from './dataset/call-limit.ts';
import type { CallLimit } from './dataset/call-limit.ts';
import { CallerScopes } from './dataset/caller-scopes.ts';
import { DatasetManagement } from './dataset/dataset-management.ts';
import type { ClosedWhile, StoreOperation } from './dataset/dataset-management.ts';
import { OpenDatasets } from './dataset/open-datasets.ts';
import { type PlaceInLine, WriteLine } from './dataset/write-line.ts';
import type { EngineDriver, EngineSetting } from './engine-parts.ts';
import { HeldSnapshots, type SnapshotOnLoan } from './held-snapshots.ts';
import { isWriting } from './job.ts';
import type { DatasetOperation, Job, OperationJob } from './job.ts';
import type { BreakerState } from './pool/pool-breaker.ts';
import type { PoolStats } from './pool/pool-stats.ts';

/** A read that was made, and what it was answered in. */
export interface HeldAnswer {
  readonly answer: unknown;
  /** Undefined where it isn't held. Never rejects. */
  readonly snapshot: Promise<SnapshotOnLoan | undefined>;
}

/** Takes the snapshot of an answer that is wanted with it. */
type TakeSnapshot = (snapshot: Promise<SnapshotOnLoan> | undefined) => void;

/** One engine's datasets in one factory, and the calls on them. */
export class PooledEngine {
  readonly engine: Engine;
  readonly #driver: EngineDriver;
  readonly #setting: EngineSetting;
  readonly #callTimeoutMs: number;
  readonly #datasets: OpenDatasets;
  readonly #scopes: CallerScopes;
  readonly #management: DatasetManagement;
  readonly #lines = new WeakMap<object, WriteLine>();
  readonly #held: HeldSnapshots;
  /** Of the call that is being made in this tick. */
  #coming: CallEnd | undefined = undefined;
  /** Of the read that is being made in this tick, where its snapshot is wanted. */
  #wanted: TakeSnapshot | undefined = undefined;

  /**
   * @param callTimeoutMs of a call that brings no deadline; 0 for none.
   * @param othersClosedWhile keeps what the factory's other pools hold open of a dataset closed.
   */
  constructor(driver: EngineDriver, callTimeoutMs: number, othersClosedWhile: ClosedWhile) {
    const { setting } = driver;
    const { engine } = setting;
    const datasets = new OpenDatasets(driver);
    this.#held = new HeldSnapshots(setting, (dataset) => datasets.isClosing(dataset));
    this.engine = engine;
    this.#driver = driver;
    this.#setting = setting;
    this.#callTimeoutMs = callTimeoutMs;
    this.#datasets = datasets;
    this.#scopes = new CallerScopes({
      setting,
      callTimeoutMs,
      pooled: (dataset, work) => datasets.use(dataset, work),
    });
    this.#management = new DatasetManagement({ setting, datasets, othersClosedWhile });
  }

  /** Runs one operation of a dataset. `dataset` must be parsed. */
  run(
    dataset: string,
    operation: DatasetOperation,
    args: readonly unknown[],
    options?: CallOptions,
  ): Promise<unknown> {
    const setting = this.#setting;
    const {
      metrics: { operation: timed },
      clock,
    } = setting;
    const job: OperationJob = { kind: 'operation', operation, args };
    if (options === undefined && timed === undefined) {
      // The way of most calls, kept short: a point read takes 3 µs.
      const done = this.#inline(dataset, job);
      if (done !== undefined) return done;
    }
    const startedMs = clock.monotonicMs();
    let answer: Promise<unknown>;
    try {
      const limit = callLimit(options, this.#callTimeoutMs, startedMs);
      const end = this.#coming === undefined || !isWriting(job) ? undefined : this.#takeEnd();
      const take = this.#wanted === undefined || isWriting(job) ? undefined : this.#takeWanted();
      if (take !== undefined) answer = this.#runAndHold(dataset, job, limit, take);
      else
        answer = this.#run(
          dataset,
          job,
          end === undefined ? limit : { ...limit, signal: end.signal, end },
        );
    } catch (error) {
      answer = Promise.reject(error);
    }
    if (timed === undefined) return answer;
    const ended = (code: string | undefined): void => {
      timed(setting, dataset, operation, clock.monotonicMs() - startedMs, code);
    };
    return answer.then(
      (value) => {
        ended(undefined);
        return value;
      },
      (error: unknown) => {
        ended(codeOf(error));
        throw error;
      },
    );
  }

  /** See `Leg.endable`. Writes and transactions can be ended.
   *
   * @param caller whose writes on one dataset are kept in order, plain ones alone: see `Leg.keepsOrder`. */
  endable(call: () => unknown, caller?: object): EndableCall {
    const end = new CallEnd(caller);
    this.#coming = end;
    try {
      return { answer: call(), end: (reason) => end.end(reason) };
    } finally {
      this.#coming = undefined;
    }
  }

  /** See `Leg.answerInSnapshot`: of PostgreSQL alone. */
  answerInSnapshot(call: () => unknown): HeldAnswer {
    const { promise, resolve } = Promise.withResolvers<SnapshotOnLoan | undefined>();
    const take: TakeSnapshot = (snapshot) => {
      // What can't be held after all tells nothing, and is nobody's error.
      if (snapshot === undefined) resolve(undefined);
      else snapshot.then(resolve, () => resolve(undefined));
    };
    this.#wanted = take;
    try {
      return { answer: call(), snapshot: promise };
    } finally {
      if (this.#wanted === take) take(undefined);
      this.#wanted = undefined;
    }
  }

  #takeWanted(): TakeSnapshot | undefined {
    const wanted = this.#wanted;
    this.#wanted = undefined;
    return wanted;
  }

  #takeEnd(): CallEnd | undefined {
    const end = this.#coming;
    this.#coming = undefined;
    if (end !== undefined) end.taken = true;
    return end;
  }

  /** Runs a job for comparison's sake. */
  runJob(dataset: string, job: Job, signal: AbortSignal): Promise<unknown> {
    return this.#datasets.use(dataset, (pools) => pools.run(job, { signal, atMs: Infinity }));
  }

  /** PostgreSQL: takes a connection and holds a snapshot on it, by a name that other connections to the server can read it by. It
   * makes way for whoever closes the dataset.
   *
   * @throws {SnapshotLostError} where that has happened. */
  async holdSnapshot(dataset: string, signal: AbortSignal): Promise<SnapshotOnLoan> {
    return await this.#datasets.use(dataset, async (pools) => {
      const limit = { signal, atMs: Infinity };
      const lease = await pools.transactions.begin(limit);
      return await this.#held.lend(dataset, pools, { lease, limit, name: 'shareSnapshot' });
    });
  }

  /** Runs a read and holds what it was answered in, where nobody goes short by that. */
  #runAndHold(
    dataset: string,
    job: OperationJob,
    limit: CallLimit,
    take: TakeSnapshot,
  ): Promise<unknown> {
    const pools = this.#datasets.ready(dataset);
    const mayHold =
      this.engine === 'postgresql' &&
      this.#scopes.joined(dataset) === undefined &&
      pools?.mayHold(job) === true;
    const over = mayHold ? this.#held.reserve(dataset) : undefined;
    if (over === undefined) {
      take(undefined);
      return this.#run(dataset, job, limit);
    }
    return this.#datasets
      .use(dataset, async (open) => {
        const { value, lease } = await open.transactions.readAndHold(job, limit);
        take(this.#held.lendAnswer(dataset, open, lease, over));
        return value;
      })
      .catch(() => {
        over();
        take(undefined);
        // What it failed by may be the transaction's doing: a plan that went stale, the end of a connection.
        return this.#run(dataset, job, limit);
      });
  }

  /** Runs a caller's function in a transaction; calls that it makes for the same dataset take part. */
  transaction<Value>(
    dataset: string,
    work: (transaction: StorageTransaction) => Promise<Value> | Value,
    options?: CallOptions & TransactionOptions,
  ): Promise<Value> {
    return this.#scopes.transaction(dataset, work, options, this.#takeEnd());
  }

  /** Runs a caller's function on a connection of its own; calls that it makes for the same dataset take part. */
  session<Value>(
    dataset: string,
    work: (session: StorageSession) => Promise<Value> | Value,
    options?: CallOptions,
  ): Promise<Value> {
    return this.#scopes.session(dataset, work, options, this.#takeEnd());
  }

  /** Runs an operation on the datasets themselves. */
  async manage(
    operation: StoreOperation,
    dataset: string,
    options?: CallOptions,
  ): Promise<unknown> {
    this.#datasets.checkOpen();
    const { clock } = this.#setting;
    const fields = { engine: this.engine, dataset, operation };
    const limit = callLimit(options, this.#callTimeoutMs, clock.monotonicMs());
    checkLimit(limit, clock.monotonicMs(), fields);
    if (operation === 'dropDataset' && this.#scopes.joined(dataset) !== undefined) {
      throw new InvalidArgumentError(
        'A dataset can not be dropped inside a transaction or a session on it.',
        fields,
      );
    }
    return await this.#management.run(operation, dataset, limit);
  }

  /** Closes what is open of a dataset, and lets calls to it wait while `work` runs. */
  closedWhile<Value>(dataset: string, work: () => Promise<Value>): Promise<Value> {
    return this.#datasets.closedWhile(dataset, work, () => {
      // Who holds one may wait for the very call that closes the dataset: for the other leg, or for the dataset to be open again.
      this.#held.makeWay(dataset);
    });
  }

  /** Closes what is open; the next call opens again. */
  async closeConnections(): Promise<void> {
    if (this.#scopes.inside) {
      throw new InvalidArgumentError(
        'Connections can not be closed inside a transaction or a session, which needs one.',
        {
          engine: this.engine,
          operation: 'closeConnections',
        },
      );
    }
    await Promise.all(
      this.#datasets.names().map((dataset) => this.closedWhile(dataset, async () => undefined)),
    );
  }

  /** What a job is expected to take, in ms; Infinity for what may never end, undefined where nothing is known. */
  estimatedCostMs(dataset: string, job: Job): number | undefined {
    return this.#datasets.get(dataset)?.estimatedCostMs(job);
  }

  /** See `ShadowLeg.version`. */
  version(dataset: string): string | undefined {
    // One process only can have the file open, so that nobody else can commit.
    if (this.engine === 'duckdb') return 'this process';
    return this.#datasets.get(dataset)?.version();
  }

  /** See `Leg.state`. SQLite's is told by the connection by which {@link version} is, and which is opened for it. */
  async state(dataset: string, signal: AbortSignal): Promise<string | undefined> {
    if (this.engine === 'postgresql')
      return (await this.runJob(dataset, { kind: 'snapshotBounds' }, signal)) as string;
    if (this.engine === 'duckdb') return this.version(dataset);
    return await this.#datasets.look(dataset);
  }

  /** See `ShadowLeg.mark`: of SQLite alone. */
  async mark(dataset: string): Promise<string | undefined> {
    return this.engine === 'sqlite' ? await this.#datasets.mark(dataset) : undefined;
  }

  stats(): PoolStats[] {
    return this.#datasets.all().flatMap((pools) => pools.stats());
  }

  /** How many datasets' breakers are in each state. */
  breakers(): Record<BreakerState, number> {
    const counts = { closed: 0, open: 0, 'half-open': 0 };
    for (const pools of this.#datasets.all()) counts[pools.breakerState] += 1;
    return counts;
  }

  /** Datasets that have pools. */
  names(): string[] {
    return this.#datasets.names().filter((dataset) => dataset !== '');
  }

  /** Whether it takes no more calls. */
  get closed(): boolean {
    return this.#datasets.closed;
  }

  /** Takes no more calls and closes everything within `deadlineMs`. */
  async close(deadlineMs: number): Promise<void> {
    await this.#datasets.close(deadlineMs);
    await this.#driver.close?.();
  }

  #run(dataset: string, job: OperationJob, limit: CallLimit): Promise<unknown> {
    const joined = this.#scopes.joined(dataset);
    if (joined !== undefined) return joined.run(job.operation, job.args);
    const caller = limit.end?.caller;
    if (caller !== undefined)
      return this.#runInLine(this.#lineOf(caller, dataset).enter(), dataset, job, limit);
    checkLimit(limit, this.#setting.clock.monotonicMs(), {
      engine: this.engine,
      dataset,
      operation: job.operation,
    });
    return (
      this.#inline(dataset, job) ??
      this.#datasets
        .use(dataset, (pools) => pools.run(job, limit))
        .catch((error: unknown) => this.#fail(error, dataset, job))
    );
  }

  async #runInLine(
    place: PlaceInLine,
    dataset: string,
    given: OperationJob,
    limit: CallLimit,
  ): Promise<unknown> {
    const job = { ...given, inLine: true };
    try {
      return await this.#datasets.use(dataset, (pools) => pools.run(job, limit, place));
    } catch (error) {
      return this.#fail(error, dataset, job);
    } finally {
      place.leave();
    }
  }

  #lineOf(caller: object, dataset: string): WriteLine {
    const known = this.#lines.get(caller);
    if (known?.dataset === dataset) return known;
    const line = new WriteLine(dataset);
    this.#lines.set(caller, line);
    return line;
  }

  #fail(error: unknown, dataset: string, { operation }: OperationJob): never {
    // What an argument threw while it was read.
    throw toStorageError(this.engine, error, { dataset, operation });
  }

  /** The answer of a read that is done on the spot; undefined where it isn't one. */
  #inline(dataset: string, job: OperationJob): Promise<unknown> | undefined {
    const pools = this.#datasets.ready(dataset);
    if (pools === undefined || this.#scopes.joined(dataset) !== undefined) return undefined;
    try {
      const done = pools.tryInline(job);
      return done === undefined ? undefined : Promise.resolve(done.value);
    } catch (error) {
      return Promise.reject(
        toStorageError(this.engine, error, { dataset, operation: job.operation }),
      );
    }
  }
}

function codeOf(error: unknown): string {
  const code: unknown =
    typeof error === 'object' && error !== null ? Reflect.get(error, 'code') : undefined;
  return typeof code === 'string' ? code : 'UNKNOWN';
}
