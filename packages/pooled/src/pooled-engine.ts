import { AsyncLocalStorage } from 'node:async_hooks';
import { ClosedError, InvalidArgumentError } from '@changeover/engines/api';
import type { CallOptions, Engine, StorageTransaction } from '@changeover/engines/api';
import { fileStore, schemaStore, toStorageError } from '@changeover/engines';
import type { DatasetStore, Program } from '@changeover/engines';
import { CallEnd } from './call-end.ts';
import { abortedError, callLimit, checkLimit, within } from './call-limit.ts';
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
import { checkWork, OpenTransaction } from './transaction.ts';

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
  readonly #scope = new AsyncLocalStorage<OpenTransaction>();
  readonly #othersClosedWhile: ClosedWhile;
  #transactions = 0;
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

  /** Runs a caller's function once in a transaction; calls that it makes for the same dataset take part. */
  async transaction<Value>(
    dataset: string,
    work: (transaction: StorageTransaction) => Promise<Value> | Value,
    options?: CallOptions,
  ): Promise<Value> {
    checkWork(work);
    const { clock } = this.#driver.setting;
    if (this.#joined(dataset) !== undefined) {
      throw new InvalidArgumentError(
        'A transaction can not be begun inside a transaction on the same dataset.',
        {
          engine: this.engine,
          dataset,
          operation: 'transaction',
        },
      );
    }
    const end = this.#takeEnd();
    const whole = callLimit(options, 0, clock.monotonicMs());
    // Every statement of a transaction has a limit, even where the whole has none.
    const limit = (): CallLimit => {
      const one = callLimit(undefined, this.#callTimeoutMs, clock.monotonicMs());
      return { signal: whole.signal, atMs: Math.min(whole.atMs, one.atMs) };
    };
    const beginning = (): CallLimit =>
      end === undefined ? limit() : { ...limit(), signal: end.signal };
    const transaction = await this.#pooled(
      dataset,
      async (pools) => new OpenTransaction(pools, await pools.beginTransaction(beginning()), limit),
    );
    this.#transactions += 1;
    if (end !== undefined) endBy(end, transaction);
    try {
      let value: Value;
      try {
        const working = this.#scope.run(transaction, () => this.#worked(work, transaction));
        // A function that never returns must not keep its caller, who gave a deadline, or whose connection is gone.
        value = await within(Promise.race([working, transaction.lost]), whole, clock, {
          unapplied: true,
          fields: { engine: this.engine, dataset, operation: 'transaction' },
          onGiveUp: () => undefined,
        });
      } catch (error) {
        await transaction.rollback();
        throw error;
      }
      await transaction.commit();
      return value;
    } finally {
      this.#transactions -= 1;
    }
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
    if (operation === 'dropDataset' && this.#joined(dataset) !== undefined) {
      throw new InvalidArgumentError(
        'A dataset can not be dropped inside a transaction on it.',
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
    if (this.#scope.getStore()?.ended === false) {
      throw new InvalidArgumentError(
        'Connections can not be closed inside a transaction, which needs one.',
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

  /** See `Leg.state`. SQLite's is told by the connection by which {@link version} is, and which is opened for it. */
  async state(dataset: string, signal: AbortSignal): Promise<string | undefined> {
    if (this.engine === 'postgresql')
      return (await this.runJob(dataset, { kind: 'snapshotBounds' }, signal)) as string;
    if (this.engine === 'duckdb') return this.version(dataset);
    while (this.#gates.has(dataset)) await this.#gates.get(dataset);
    if (!this.#open) return undefined;
    const pools = this.#poolsOf(dataset);
    const token = pools.look();
    // Nothing was opened where it can't be told.
    if (token === undefined) this.#forgetIfEmpty(dataset, pools);
    return token;
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
    const joined = this.#joined(dataset);
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
    if (!this.#open || this.#gates.size > 0 || this.#joined(dataset) !== undefined)
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

  async #worked<Value>(
    work: (transaction: StorageTransaction) => Promise<Value> | Value,
    transaction: OpenTransaction,
  ): Promise<Value> {
    return await work(transaction.api());
  }

  #joined(dataset: string): OpenTransaction | undefined {
    if (this.#transactions === 0) return undefined;
    const transaction = this.#scope.getStore();
    return transaction !== undefined &&
      !transaction.ended &&
      transaction.dataset.dataset === dataset
      ? transaction
      : undefined;
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

/** Has a transaction ended when its call is. */
function endBy(end: CallEnd, transaction: OpenTransaction): void {
  const { signal } = end;
  const cut = (): void => {
    const fields = transaction.dataset.fields('transaction');
    transaction.cut(abortedError(signal.reason, true, fields));
  };
  end.mayEnd = () => transaction.mayCut;
  if (signal.aborted) cut();
  else signal.addEventListener('abort', cut, { once: true });
}
