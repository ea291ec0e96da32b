import { ClosedError, InvalidArgumentError } from '@changeover/engines/api';
import type {
  CallOptions,
  Engine,
  StorageSession,
  StorageTransaction,
  TransactionOptions,
} from '@changeover/engines/api';
import { fileStore, schemaStore, toStorageError } from '@changeover/engines';
import type { DatasetStore, Program } from '@changeover/engines';
import { CallEnd } from './call-end.ts';
import { CallerScopes } from './caller-scopes.ts';
import { callLimit, checkLimit, within } from './call-limit.ts';
import type { CallLimit } from './call-limit.ts';
import type { EndableCall } from '@changeover/core';
import type { EngineDriver } from './engine-parts.ts';
import { isWriting } from './job.ts';
import type { DatasetOperation, Job, OperationJob } from './job.ts';
import type { BreakerState } from './pool/pool-breaker.ts';
import type { PoolStats } from './pool/pool-stats.ts';
import { PoolClosedError } from './pool/pool-errors.ts';
import type { PooledDataset } from './pooled-dataset.ts';
import { PostgresPooledSession } from './postgresql/postgres-pooled-session.ts';

/** What an operation on the datasets themselves is. */
export type StoreOperation = 'datasetExists' | 'createDataset' | 'dropDataset' | 'listDatasets';

/** A snapshot and the connection that holds it. */
interface SnapshotOnLoan {
  readonly name: string;
  /** Runs a job in it; one at a time. */
  run(job: Job, signal: AbortSignal): Promise<unknown>;
  /** Gives the connection back. */
  release(): Promise<void>;
}

/** Keeps something closed of a dataset while `work` runs. */
export type ClosedWhile = <Value>(dataset: string, work: () => Promise<Value>) => Promise<Value>;

/** How long closing may take that nobody gave a deadline for. */
const drainMs = 30_000;

/** One engine's datasets in one factory: makes their pools on first use, forgets them when they are empty, and runs calls
 * on them. */
export class PooledEngine {
  readonly engine: Engine;
  readonly #driver: EngineDriver;
  readonly #callTimeoutMs: number;
  readonly #datasets = new Map<string, PooledDataset>();
  /** Datasets whose pools are being closed: new calls wait, so that nothing opens what is being removed. */
  readonly #gates = new Map<string, Promise<void>>();
  readonly #scopes: CallerScopes;
  readonly #othersClosedWhile: ClosedWhile;
  /** Of the call that is being made in this tick. */
  #coming: CallEnd | undefined = undefined;
  #open = true;

  /**
   * @param callTimeoutMs of a call that brings no deadline; 0 for none.
   * @param othersClosedWhile keeps what the factory's other pools hold open of a dataset closed.
   */
  constructor(driver: EngineDriver, callTimeoutMs: number, othersClosedWhile: ClosedWhile) {
    this.engine = driver.setting.engine;
    this.#driver = driver;
    this.#callTimeoutMs = callTimeoutMs;
    this.#othersClosedWhile = othersClosedWhile;
    this.#scopes = new CallerScopes({
      setting: driver.setting,
      callTimeoutMs,
      pooled: (dataset, work) => this.#pooled(dataset, work),
    });
  }

  /** Runs one operation of a dataset. `dataset` must be parsed. */
  run(
    dataset: string,
    operation: DatasetOperation,
    args: readonly unknown[],
    options?: CallOptions,
  ): Promise<unknown> {
    const { setting } = this.#driver;
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
    answer.then(
      () => {
        ended(undefined);
      },
      (error: unknown) => {
        ended(codeOf(error));
      },
    );
    return answer;
  }

  /** See `Leg.endable`. Writes and transactions can be ended. */
  endable(call: () => unknown): EndableCall {
    const end = new CallEnd();
    this.#coming = end;
    try {
      return { answer: call(), end: (reason) => end.end(reason) };
    } finally {
      this.#coming = undefined;
    }
  }

  #takeEnd(): CallEnd | undefined {
    const end = this.#coming;
    this.#coming = undefined;
    if (end !== undefined) end.taken = true;
    return end;
  }

  /** Runs a job for comparison's sake. */
  runJob(dataset: string, job: Job, signal: AbortSignal): Promise<unknown> {
    return this.#pooled(dataset, (pools) => pools.run(job, { signal, atMs: Infinity }));
  }

  /** PostgreSQL: takes a connection and holds a snapshot on it, by a name that other connections to the server can read it by. */
  async holdSnapshot(dataset: string, signal: AbortSignal): Promise<SnapshotOnLoan> {
    return await this.#pooled(dataset, async (pools) => {
      const limit = { signal, atMs: Infinity };
      const lease = await pools.beginTransaction(limit);
      const name = (await pools.runOn(lease, { kind: 'shareSnapshot' }, limit, true)) as string;
      let released: Promise<void> | undefined;
      return {
        name,
        run: (job, jobSignal) =>
          pools.runOn(lease, job, { signal: jobSignal, atMs: Infinity }, false),
        release: () => (released ??= pools.endTransaction(lease, 'rollback', limit)),
      };
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
    if (!this.#open) throw this.#closedError();
    const { clock, keepAlive } = this.#driver.setting;
    const fields = { engine: this.engine, dataset, operation };
    const limit = callLimit(options, this.#callTimeoutMs, clock.monotonicMs());
    checkLimit(limit, clock.monotonicMs(), fields);
    if (operation === 'dropDataset' && this.#scopes.joined(dataset) !== undefined) {
      throw new InvalidArgumentError(
        'A dataset can not be dropped inside a transaction or a session on it.',
        fields,
      );
    }
    keepAlive.hold();
    try {
      return await within(this.#managed(operation, dataset, limit), limit, clock, {
        unapplied: operation === 'listDatasets' || operation === 'datasetExists',
        fields,
        onGiveUp: () => undefined,
      });
    } finally {
      keepAlive.letGo();
    }
  }

  async #managed(operation: StoreOperation, dataset: string, limit: CallLimit): Promise<unknown> {
    const store = this.#store(limit, operation);
    switch (operation) {
      case 'listDatasets':
        return await store.list();
      case 'datasetExists':
        return await this.#ungated(dataset, () => store.exists(dataset));
      case 'createDataset': {
        await this.#ungated(dataset, () => store.create(dataset));
        return undefined;
      }
      case 'dropDataset':
        await this.closedWhile(dataset, () =>
          this.#othersClosedWhile(dataset, () => {
            // Whoever waited for the calls under way may have given up: then it is not dropped.
            checkLimit(limit, this.#driver.setting.clock.monotonicMs(), {
              engine: this.engine,
              dataset,
              operation,
            });
            return store.drop(dataset);
          }),
        );
        return undefined;
    }
  }

  #store(limit: CallLimit, operation: StoreOperation): DatasetStore {
    return this.engine === 'postgresql'
      ? schemaStore((program) => this.#onServer(program, limit, operation))
      : fileStore(this.engine, this.#driver.setting.location);
  }

  /** Closes what is open of a dataset, and lets calls to it wait while `work` runs. */
  closedWhile<Value>(dataset: string, work: () => Promise<Value>): Promise<Value> {
    return this.#gated(dataset, async () => {
      await this.#closeDataset(dataset, drainMs);
      return await work();
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
      [...this.#datasets.keys()].map((dataset) => this.closedWhile(dataset, async () => undefined)),
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

  stats(): PoolStats[] {
    return [...this.#datasets.values()].flatMap((pools) => pools.stats());
  }

  /** How many datasets' breakers are in each state. */
  breakers(): Record<BreakerState, number> {
    const counts = { closed: 0, open: 0, 'half-open': 0 };
    for (const pools of this.#datasets.values()) counts[pools.breakerState] += 1;
    return counts;
  }

  /** Datasets that have pools. */
  names(): string[] {
    return [...this.#datasets.keys()].filter((dataset) => dataset !== '');
  }

  /** Whether it takes no more calls. */
  get closed(): boolean {
    return !this.#open;
  }

  /** Takes no more calls and closes everything within `deadlineMs`. */
  async close(deadlineMs: number): Promise<void> {
    this.#open = false;
    await Promise.all([...this.#datasets.values()].map((pools) => pools.close(deadlineMs)));
    this.#datasets.clear();
    await this.#driver.close?.();
  }

  #run(dataset: string, job: OperationJob, limit: CallLimit): Promise<unknown> {
    const joined = this.#scopes.joined(dataset);
    if (joined !== undefined) return joined.run(job.operation, job.args);
    checkLimit(limit, this.#driver.setting.clock.monotonicMs(), {
      engine: this.engine,
      dataset,
      operation: job.operation,
    });
    return (
      this.#inline(dataset, job) ??
      this.#pooled(dataset, (pools) => pools.run(job, limit)).catch((error: unknown) => {
        // What an argument threw while it was read.
        throw toStorageError(this.engine, error, { dataset, operation: job.operation });
      })
    );
  }

  /** The answer of a read that is done on the spot; undefined where it isn't one. */
  #inline(dataset: string, job: OperationJob): Promise<unknown> | undefined {
    if (!this.#open || this.#gates.size > 0 || this.#scopes.joined(dataset) !== undefined)
      return undefined;
    try {
      const done = this.#datasets.get(dataset)?.tryInline(job);
      return done === undefined ? undefined : Promise.resolve(done.value);
    } catch (error) {
      return Promise.reject(
        toStorageError(this.engine, error, { dataset, operation: job.operation }),
      );
    }
  }

  /** Runs work on a dataset's pools, which are made on first use. The look-up and the call's entry into the pool are one
   * tick, so that the pools are not forgotten in between. */
  async #pooled<Value>(
    dataset: string,
    work: (pools: PooledDataset) => Promise<Value>,
  ): Promise<Value> {
    for (;;) {
      while (this.#gates.has(dataset)) await this.#gates.get(dataset);
      if (!this.#open) throw this.#closedError();
      try {
        return await work(this.#poolsOf(dataset));
      } catch (error) {
        // It waited for a connection of pools that were closed to be opened again: nothing of it was run.
        if (!(error instanceof PoolClosedError) || this.closed) throw error;
      }
    }
  }

  #poolsOf(dataset: string): PooledDataset {
    let pools = this.#datasets.get(dataset);
    if (pools === undefined) {
      const made = this.#driver.open(dataset, () => {
        this.#forgetIfEmpty(dataset, made);
      });
      pools = made;
      this.#datasets.set(dataset, made);
    }
    return pools;
  }

  #forgetIfEmpty(dataset: string, pools: PooledDataset): void {
    // Told in the middle of a release: who was served by it may still come back with another call.
    queueMicrotask(() => {
      if (this.#datasets.get(dataset) === pools && !pools.closed && pools.isEmpty())
        this.#datasets.delete(dataset);
    });
  }

  async #closeDataset(dataset: string, deadlineMs: number): Promise<void> {
    const pools = this.#datasets.get(dataset);
    if (pools === undefined) return;
    await pools.answered(deadlineMs);
    await pools.close(deadlineMs);
    if (this.#datasets.get(dataset) === pools) this.#datasets.delete(dataset);
  }

  /** Keeps new calls to a dataset waiting while something is done to it. One at a time. */
  async #gated<Value>(dataset: string, work: () => Promise<Value>): Promise<Value> {
    while (this.#gates.has(dataset)) await this.#gates.get(dataset);
    const done = work();
    const gate = done
      .then(
        () => undefined,
        () => undefined,
      )
      .then(() => {
        this.#gates.delete(dataset);
      });
    this.#gates.set(dataset, gate);
    await gate;
    return await done;
  }

  async #ungated<Value>(dataset: string, work: () => Promise<Value>): Promise<Value> {
    while (this.#gates.has(dataset)) await this.#gates.get(dataset);
    return await work();
  }

  /** PostgreSQL: runs a program on a connection that belongs to no dataset. */
  #onServer<Value>(
    program: Program<Value>,
    limit: CallLimit,
    operation: StoreOperation,
  ): Promise<Value> {
    return this.#pooled('', (pools) =>
      pools.withSession('write', limit, operation, (session) => {
        if (!(session instanceof PostgresPooledSession))
          throw new TypeError('Only PostgreSQL keeps its datasets on a server.');
        return session.runProgram(program);
      }),
    );
  }

  #closedError(): ClosedError {
    return new ClosedError('The factory is closed and takes no more calls.', {
      engine: this.engine,
    });
  }
}

function codeOf(error: unknown): string {
  const code: unknown =
    typeof error === 'object' && error !== null ? Reflect.get(error, 'code') : undefined;
  return typeof code === 'string' ? code : 'UNKNOWN';
}
