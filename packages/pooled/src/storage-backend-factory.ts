import { statSync } from 'node:fs';
import {
  datasetFile,
  engines,
  InvalidArgumentError,
  parseDatasetName,
  parseEngine,
} from '@changeover/engines/api';
import type { DatasetBackend, Engine, StorageBackend } from '@changeover/engines/api';
import type { Leg, SnapshotAnswer } from '@changeover/core';
import { Budget } from './budget.ts';
import { DuckdbDriver } from './duckdb/duckdb-driver.ts';
import { QuerySlots } from './duckdb/query-slots.ts';
import type { EngineDriver, EngineSetting } from './engine-parts.ts';
import { parseFactoryOptions, queriesOfCores } from './factory-options.ts';
import type { ParsedFactoryOptions, StorageBackendFactoryOptions } from './factory-options.ts';
import { isDatasetWrite } from './job.ts';
import { KeepAlive } from './keep-alive.ts';
import type { EngineStats, FactoryStats } from './factory-stats.ts';
import { PooledBackend } from './pooled-backend.ts';
import { PooledEngine } from './pooled-engine.ts';
import { PooledStorage } from './pooled-storage.ts';
import { PostgresDriver } from './postgresql/postgres-driver.ts';
import { RetryBudget } from './dataset/retry-policy.ts';
import { heldSnapshot, PooledShadowLeg } from './shadow/pooled-shadow-leg.ts';
import { ChildSet } from './sqlite/child-set.ts';
import { InlineReaders } from './sqlite/inline-readers.ts';
import { SqliteDriver } from './sqlite/sqlite-driver.ts';
import { WorkerSet } from './sqlite/worker-set.ts';

interface EnginePair {
  readonly callers: PooledEngine;
  readonly shadow: PooledEngine;
  readonly budget: Budget;
  readonly shadowBudget: Budget;
  readonly leg: Leg<StorageBackend>;
}

/** Shadow calls at once, by which the router's queue is bounded too. */
const maxShadowCalls = 16;

/**
 * Makes stateless backends over connection pools. There is no global state: two factories don't know each other, except
 * that one DuckDB file has one instance in a process. Nothing is opened until the first call.
 */
export class StorageBackendFactory implements AsyncDisposable {
  readonly #options: ParsedFactoryOptions;
  readonly #workers: WorkerSet;
  readonly #children: ChildSet;
  /** One of its own, so that what runs for comparison's sake never takes a caller's. */
  readonly #shadowChildren: ChildSet;
  readonly #inline: InlineReaders;
  readonly #shadowInline: InlineReaders;
  readonly #slots: QuerySlots;
  #warned = false;
  readonly #shadowSlots: QuerySlots;
  readonly #keepAlive = new KeepAlive();
  readonly #pairs: Readonly<Record<Engine, EnginePair>>;
  readonly #unobserve: () => void;
  #closing: Promise<void> | undefined;

  /** @throws {InvalidArgumentError} that names the option. */
  constructor(options: StorageBackendFactoryOptions) {
    const parsed = parseFactoryOptions(options);
    const { clock, metrics } = parsed;
    this.#options = parsed;
    this.#workers = new WorkerSet(parsed.sqlite.onWorker, parsed.sqlite.workers);
    const { onChildProcess: onChild, childProcesses: max } = parsed.sqlite;
    this.#children = new ChildSet({ clock, max, onChild });
    this.#shadowChildren = new ChildSet({ clock, max: 1, onChild });
    const inlineReaders = (): InlineReaders =>
      new InlineReaders(
        parsed.sqlite.inlineReaders,
        parsed.engines.sqlite.pool.idleTimeoutMs,
        clock,
      );
    this.#inline = inlineReaders();
    this.#shadowInline = inlineReaders();
    const waited = (durationMs: number): void => {
      metrics.threadWaited(durationMs);
    };
    this.#slots = new QuerySlots(parsed.duckdb.maxQueries, clock, waited);
    // A slot of its own, so that a shadow query never keeps a caller waiting.
    this.#shadowSlots = new QuerySlots(1, clock, waited);
    const pairs = engines.map((engine): [Engine, EnginePair] => [engine, this.#pair(engine)]);
    this.#pairs = Object.freeze(Object.fromEntries(pairs) as Record<Engine, EnginePair>);
    this.#unobserve = metrics.observe(() => this.stats());
  }

  /**
   * A backend bound to one dataset, which need not exist yet.
   *
   * @throws {InvalidNameError} or {@link UnknownEngineError} at once.
   */
  createBackend(dataset: string, engine: Engine): DatasetBackend {
    return new PooledBackend(this.#pairs[parseEngine(engine)].callers, parseDatasetName(dataset));
  }

  /** The legacy API over this factory's backends; the same object at each call. */
  storage(engine: Engine): StorageBackend {
    return this.#pairs[parseEngine(engine)].leg.api;
  }

  /** The pooled leg, as the router takes it; the same object at each call. */
  leg(engine: Engine): Leg<StorageBackend> {
    return this.#pairs[parseEngine(engine)].leg;
  }

  /** The figures now. */
  stats(): FactoryStats {
    return {
      engines: engines.map((engine): EngineStats => {
        const { callers, shadow, budget, shadowBudget } = this.#pairs[engine];
        return {
          engine,
          callers: {
            connections: budget.used,
            budget: budget.total,
            pools: callers.stats(),
            breakers: callers.breakers(),
          },
          shadow: {
            connections: shadowBudget.used,
            budget: shadowBudget.total,
            pools: shadow.stats(),
            breakers: shadow.breakers(),
          },
        };
      }),
      workers: {
        alive: this.#workers.alive,
        running: this.#workers.running + this.#children.running + this.#shadowChildren.running,
      },
      childProcesses: this.#children.alive + this.#shadowChildren.alive,
      inlineReaders: this.#inline.size + this.#shadowInline.size,
      duckdbQueries: {
        running: this.#slots.used + this.#shadowSlots.used,
        waiting: this.#slots.waiting + this.#shadowSlots.waiting,
        max: this.#slots.max,
      },
      sqliteWalBytes: () => this.#walBytes(),
    };
  }

  /** Takes no more calls, refuses those that wait, lets the others end, and cuts what is left at the deadline.
   *
   * @param options `deadlineMs`: the longest time until the result resolves, 0 to 600,000. Default: 10,000. It never
   * rejects, unless with an `InvalidArgumentError` for that number. */
  close(options: { readonly deadlineMs?: number | undefined } = {}): Promise<void> {
    const { deadlineMs = 10_000 } = options;
    if (!(deadlineMs >= 0 && deadlineMs <= 600_000)) {
      return Promise.reject(
        new InvalidArgumentError(
          `Option deadlineMs is ${deadlineMs}: use a number from 0 to 600000.`,
        ),
      );
    }
    this.#closing ??= this.#close(deadlineMs);
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(deadlineMs: number): Promise<void> {
    this.#keepAlive.hold();
    const { clock } = this.#options;
    const endMs = clock.monotonicMs() + deadlineMs;
    // The worker threads and child processes end last, in the time that is kept for them.
    const forPoolsMs = deadlineMs * 0.8;
    await Promise.all(
      Object.values(this.#pairs).flatMap(({ callers, shadow }) => [
        callers.close(forPoolsMs),
        shadow.close(forPoolsMs),
      ]),
    );
    await new Promise<void>((resolve) => {
      const timer = clock.after(Math.max(0, endMs - clock.monotonicMs()), resolve);
      void Promise.all([
        this.#workers.terminate(),
        this.#children.close(),
        this.#shadowChildren.close(),
      ])
        .catch(() => undefined)
        .then(() => {
          timer.cancel();
          resolve();
        });
    });
    this.#unobserve();
    this.#keepAlive.letGo();
    this.#keepAlive.close();
  }

  #walBytes(): number {
    const { location } = this.#options;
    return this.#pairs.sqlite.callers.names().reduce((sum, dataset) => {
      const found = statSync(`${datasetFile(location, 'sqlite', dataset)}-wal`, {
        throwIfNoEntry: false,
      });
      return sum + (found?.size ?? 0);
    }, 0);
  }

  #pair(engine: Engine): EnginePair {
    const { engines: byEngine, callTimeoutMs, clock } = this.#options;
    const { pool, shadowPool, ...totals } = byEngine[engine];
    const budget = new Budget(totals.budget, clock);
    const shadowBudget = new Budget(totals.shadowBudget, clock);
    const callers: PooledEngine = new PooledEngine(
      this.#driver({ ...this.#setting(engine), purpose: 'callers', pool, budget }),
      callTimeoutMs,
      (dataset, work) => shadow.closedWhile(dataset, work),
    );
    const shadow: PooledEngine = new PooledEngine(
      this.#driver({
        ...this.#setting(engine),
        purpose: 'shadow',
        pool: shadowPool,
        budget: shadowBudget,
      }),
      callTimeoutMs,
      (dataset, work) => callers.closedWhile(dataset, work),
    );
    const leg: Leg<StorageBackend> = Object.freeze({
      name: 'pooled',
      api: new PooledStorage(callers),
      endable: (call: () => unknown, caller?: object) => callers.endable(call, caller),
      ...(engine === 'sqlite' ? { keepsOrder: isDatasetWrite } : {}),
      ...(engine === 'postgresql'
        ? { answerInSnapshot: (call: () => unknown) => answerInSnapshot(callers, call) }
        : {}),
      shadow: new PooledShadowLeg(shadow, maxShadowCalls),
      closedWhile: async <Value>(dataset: string, work: () => Promise<Value>): Promise<Value> => {
        const name = parseDatasetName(dataset);
        return await callers.closedWhile(name, () => shadow.closedWhile(name, work));
      },
    });
    return { callers, shadow, budget, shadowBudget, leg };
  }

  #setting(engine: Engine): Omit<EngineSetting, 'purpose' | 'pool' | 'budget'> {
    const { location, breaker, lockWaitMs, clock, random, logger, metrics } = this.#options;
    const { sessionOf, knownReliance, sessionFacts } = this.#options;
    return {
      sessionOf: (dataset) => sessionOf(engine, dataset),
      knownReliance: (dataset) => knownReliance(engine, dataset),
      factsOf: (dataset) => sessionFacts(engine, dataset),
      engine,
      location,
      breaker,
      lockWaitMs,
      clock,
      random,
      logger,
      metrics,
      retryBudget: new RetryBudget(),
      keepAlive: this.#keepAlive,
    };
  }

  #driver(setting: EngineSetting): EngineDriver {
    const { sqlite, duckdb, postgresql } = this.#options;
    const forCallers = setting.purpose === 'callers';
    switch (setting.engine) {
      case 'sqlite':
        return new SqliteDriver(setting, sqlite, {
          workers: this.#workers,
          children: forCallers ? this.#children : this.#shadowChildren,
          inline: forCallers ? this.#inline : this.#shadowInline,
        });
      case 'duckdb':
        return new DuckdbDriver(
          setting,
          duckdb,
          forCallers ? this.#slots : this.#shadowSlots,
          () => {
            this.#warnOfThreads();
          },
        );
      case 'postgresql':
        return new PostgresDriver(setting, postgresql);
    }
  }

  /** Told once, when DuckDB comes into use. */
  #warnOfThreads(): void {
    if (this.#warned) return;
    this.#warned = true;
    const {
      duckdb: { maxQueries, threadPoolSize },
      engines: {
        duckdb: { pool },
      },
      logger,
    } = this.#options;
    if (Math.min(pool.max, queriesOfCores()) <= maxQueries) return;
    logger.warn(
      { event: 'duckdb-queries-capped', maxQueries, poolMax: pool.max, threadPoolSize },
      `at most ${maxQueries} DuckDB queries run at once, because each occupies one of libuv's ${threadPoolSize} threads; ` +
        'set UV_THREADPOOL_SIZE before the process starts to allow more',
    );
  }
}

function answerInSnapshot(callers: PooledEngine, call: () => unknown): SnapshotAnswer {
  const { answer, snapshot } = callers.answerInSnapshot(call);
  return {
    answer,
    snapshot: snapshot.then((held) => (held === undefined ? undefined : heldSnapshot(held))),
  };
}
