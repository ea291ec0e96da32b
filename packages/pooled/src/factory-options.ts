import { availableParallelism, totalmem } from 'node:os';
import type { ChildProcess } from 'node:child_process';
import { resolve } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { describe, knownNames, silentLogger, systemClock } from '@changeover/core';
import { engines, InvalidArgumentError } from '@changeover/engines/api';
import type { Clock, Logger } from '@changeover/core';
import type { Engine, StoreLocation } from '@changeover/engines/api';
import { silentMetrics } from './metrics/pool-metrics.ts';
import type { PoolMetrics } from './metrics/pool-metrics.ts';
import type { Random } from './pool/backoff.ts';
import {
  type KnownReliance,
  type SessionFacts,
  sessionFactsByWords,
  type SessionMode,
} from '@changeover/engines/api';
import type { BreakerOptions } from './pool/pool-breaker.ts';
import { parsePoolOptions } from './pool/pool-options.ts';
import type { ParsedPoolOptions, PoolOptions } from './pool/pool-options.ts';

/** What a factory is made with. Times are in milliseconds. */
export interface StorageBackendFactoryOptions extends StoreLocation {
  /** Each dataset's pool, by engine. Default `max`: PostgreSQL 25, DuckDB 10, SQLite 5 (one of them for writes). */
  readonly pools?: { readonly [Name in Engine]?: PoolOptions | undefined } | undefined;
  /** The most connections of all pools together, by engine. Default: PostgreSQL 75, DuckDB 100, SQLite 200. */
  readonly budgets?: { readonly [Name in Engine]?: number | undefined } | undefined;
  /** The same for connections that serve comparison alone; they come on top. Default: PostgreSQL 5, DuckDB 10, SQLite 20. */
  readonly shadowBudgets?: { readonly [Name in Engine]?: number | undefined } | undefined;
  /** The time of a call that brings no deadline. Default: 120,000. 0 for no limit. */
  readonly callTimeoutMs?: number | undefined;
  /** The longest wait for a lock that another process holds. Default: 5,000. */
  readonly lockWaitMs?: number | undefined;
  readonly breaker?: BreakerOptions | undefined;
  readonly sqlite?:
    | {
        /** Worker threads. Default: one a core, at least two. */
        readonly workers?: number | undefined;
        /** Reads whose measured cost is at most this run on the main thread. Default: 0.5. 0 sends all to the workers. */
        readonly inlineThresholdMs?: number | undefined;
        /** Datasets that have a connection on the main thread for such reads at once, about 0.2 MiB each and its cache. Default: as
         * many as `budgets.sqlite`, on top of which they come. */
        readonly inlineReaders?: number | undefined;
        /** Page cache of each connection, in KiB. Default: 2,000. */
        readonly cacheSizeKib?: number | undefined;
        /** Child processes that run at once what may take long or never end, and as many for transactions; started when first
         * needed, 15 to 22 MiB each. Default: one a core, at least 2 and at most 4. */
        readonly childProcesses?: number | undefined;
        /** Told of each worker thread that is started, to watch it. */
        readonly onWorker?: ((worker: Worker) => void) | undefined;
        /** Told of each child process that is started, to watch it. */
        readonly onChildProcess?: ((child: ChildProcess) => void) | undefined;
      }
    | undefined;
  readonly duckdb?:
    | {
        /** Memory of all instances together, in MiB, divided among as many as may be busy at once. Default: half of the
         * machine's. */
        readonly memoryBudgetMib?: number | undefined;
        /** Queries that run at once. Default: two a core, at least 4, and no more than the size of libuv's thread pool less two. */
        readonly maxQueries?: number | undefined;
      }
    | undefined;
  readonly postgresql?:
    | {
        /** The server gives a statement up after this time. Default: 0, none: the call's own limit cancels it. */
        readonly statementTimeoutMs?: number | undefined;
        /** Reads that take the server less on the average share connections. Default: 2. 0 gives each a connection to itself. */
        readonly shortReadMs?: number | undefined;
      }
    | undefined;
  /** What becomes of statements that set, lock or make something on their connection. `pin` (default): the dataset has one connection
   * from the first of them on, on which all of it works as on a singleton; only its own calls wait for each other. `refuse`: they are a
   * `SessionStateError`. */
  readonly session?: 'pin' | 'refuse' | undefined;
  /** The same for one dataset, asked at each such statement and once when a dataset is first used. `none`: they are run, and what they leave
   * is gone with their connection. Where `session` says `refuse`, that holds. Default: what `session` says. */
  readonly sessionOf?: ((engine: Engine, dataset: string) => SessionMode) | undefined;
  /** What a dataset's calls were seen to rely on before, asked once when it is first used: it has its one connection from then on.
   * Default: nothing. */
  readonly knownReliance?: ((engine: Engine, dataset: string) => KnownReliance) | undefined;
  /** What statements do to their connection, for a dataset. Default: what their words and the engine's own functions tell, which do
   * not look into views, triggers and functions of a user's. */
  readonly sessionFacts?: ((engine: Engine, dataset: string) => SessionFacts) | undefined;
  readonly logger?: Logger | undefined;
  readonly metrics?: PoolMetrics | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
}

/** One engine's share of the options. */
export interface ParsedEngineOptions {
  readonly pool: ParsedPoolOptions;
  readonly shadowPool: ParsedPoolOptions;
  readonly budget: number;
  readonly shadowBudget: number;
}

/** Options with every default applied. */
export interface ParsedFactoryOptions {
  readonly location: StoreLocation;
  readonly engines: Readonly<Record<Engine, ParsedEngineOptions>>;
  readonly callTimeoutMs: number;
  readonly lockWaitMs: number;
  readonly breaker: Required<BreakerOptions>;
  readonly sqlite: {
    readonly workers: number | undefined;
    readonly inlineThresholdMs: number;
    readonly inlineReaders: number;
    readonly cacheSizeKib: number;
    readonly childProcesses: number | undefined;
    readonly onWorker: (worker: Worker) => void;
    readonly onChildProcess: (child: ChildProcess) => void;
  };
  readonly duckdb: {
    readonly memoryLimitMib: number;
    readonly maxQueries: number;
    readonly threadPoolSize: number;
  };
  readonly postgresql: { readonly statementTimeoutMs: number; readonly shortReadMs: number };
  readonly sessionOf: (engine: Engine, dataset: string) => SessionMode;
  readonly knownReliance: (engine: Engine, dataset: string) => KnownReliance;
  readonly sessionFacts: (engine: Engine, dataset: string) => SessionFacts;
  readonly logger: Logger;
  readonly metrics: PoolMetrics;
  readonly clock: Clock;
  readonly random: Random;
}

const known: readonly string[] = [
  'basePath',
  'databaseUrl',
  'pools',
  'budgets',
  'shadowBudgets',
  'callTimeoutMs',
  'lockWaitMs',
  'breaker',
  'sqlite',
  'duckdb',
  'postgresql',
  'session',
  'sessionOf',
  'knownReliance',
  'sessionFacts',
  'logger',
  'metrics',
  'clock',
  'random',
];
const sqliteNames: readonly string[] = [
  'workers',
  'inlineThresholdMs',
  'inlineReaders',
  'cacheSizeKib',
  'childProcesses',
  'onWorker',
  'onChildProcess',
];
const breakerNames: readonly string[] = [
  'threshold',
  'calls',
  'minimumCalls',
  'openMs',
  'maxOpenMs',
];
const defaultMax: Readonly<Record<Engine, number>> = { sqlite: 5, duckdb: 10, postgresql: 25 };
const defaultBudget: Readonly<Record<Engine, number>> = {
  sqlite: 200,
  duckdb: 100,
  postgresql: 75,
};
const defaultShadowBudget: Readonly<Record<Engine, number>> = {
  sqlite: 20,
  duckdb: 10,
  postgresql: 5,
};
/** DuckDB instances that are expected to be busy at once. */
const busyInstances = 4;

/**
 * Checks a factory's options and applies the defaults.
 *
 * @throws {InvalidArgumentError} that names the option, what was found and what is allowed.
 */
export function parseFactoryOptions(options: StorageBackendFactoryOptions): ParsedFactoryOptions {
  checkNames(options, 'option of the factory', known, '');
  for (const part of ['pools', 'budgets', 'shadowBudgets'] as const)
    checkNames(options[part], 'engine', engines, part);
  checkNames(options.breaker, 'option of a breaker', breakerNames, 'breaker');
  checkNames(options.sqlite, 'option of SQLite', sqliteNames, 'sqlite');
  checkNames(options.duckdb, 'option of DuckDB', ['memoryBudgetMib', 'maxQueries'], 'duckdb');
  checkNames(
    options.postgresql,
    'option of PostgreSQL',
    ['statementTimeoutMs', 'shortReadMs'],
    'postgresql',
  );
  if (typeof options.basePath !== 'string' || options.basePath === '') {
    throw refused(
      'basePath',
      `is ${describe(options.basePath)}`,
      'give the path of the folder that holds the datasets',
    );
  }
  const threadPoolSize = parseThreadPoolSize(process.env['UV_THREADPOOL_SIZE']);
  const { sqlite = {}, duckdb = {}, postgresql = {} } = options;
  const memoryBudgetMib = number(
    duckdb.memoryBudgetMib,
    'duckdb.memoryBudgetMib',
    64,
    1e9,
    Math.floor(totalmem() / 2 ** 21),
  );
  const parsedEngines = parseEngines(options);
  return Object.freeze({
    location: { basePath: resolve(options.basePath), databaseUrl: options.databaseUrl },
    engines: parsedEngines,
    callTimeoutMs: number(options.callTimeoutMs, 'callTimeoutMs', 0, 86_400_000, 120_000),
    lockWaitMs: number(options.lockWaitMs, 'lockWaitMs', 0, 600_000, 5_000),
    breaker: parseBreaker(options.breaker ?? {}),
    sqlite: {
      workers:
        sqlite.workers === undefined
          ? undefined
          : number(sqlite.workers, 'sqlite.workers', 1, 256, 2),
      inlineThresholdMs: number(
        sqlite.inlineThresholdMs,
        'sqlite.inlineThresholdMs',
        0,
        1_000,
        0.5,
        false,
      ),
      inlineReaders: number(
        sqlite.inlineReaders,
        'sqlite.inlineReaders',
        1,
        100_000,
        parsedEngines.sqlite.budget,
      ),
      cacheSizeKib: number(sqlite.cacheSizeKib, 'sqlite.cacheSizeKib', 64, 10_000_000, 2_000),
      childProcesses:
        sqlite.childProcesses === undefined
          ? undefined
          : number(sqlite.childProcesses, 'sqlite.childProcesses', 1, 256, 2),
      onWorker: sqlite.onWorker ?? (() => undefined),
      onChildProcess: sqlite.onChildProcess ?? (() => undefined),
    },
    duckdb: {
      memoryLimitMib: Math.max(64, Math.floor(memoryBudgetMib / busyInstances)),
      maxQueries: number(
        duckdb.maxQueries,
        'duckdb.maxQueries',
        1,
        1_024,
        usualQueries(threadPoolSize),
      ),
      threadPoolSize,
    },
    postgresql: {
      statementTimeoutMs: number(
        postgresql.statementTimeoutMs,
        'postgresql.statementTimeoutMs',
        0,
        86_400_000,
        0,
      ),
      shortReadMs: number(postgresql.shortReadMs, 'postgresql.shortReadMs', 0, 60_000, 2, false),
    },
    sessionOf: sessionOf(options),
    knownReliance: options.knownReliance ?? (() => 'none'),
    sessionFacts: options.sessionFacts ?? factsOfEngines(),
    logger: options.logger ?? silentLogger,
    metrics: options.metrics ?? silentMetrics,
    clock: options.clock ?? systemClock,
    random: options.random ?? Math.random,
  });
}

function parseSession(given: unknown): 'pin' | 'refuse' {
  if (given === undefined || given === 'pin' || given === 'refuse') return given ?? 'pin';
  throw refused('session', `is ${describe(given)}`, 'use "pin" or "refuse"');
}

function sessionOf({
  session,
  sessionOf: given,
}: StorageBackendFactoryOptions): ParsedFactoryOptions['sessionOf'] {
  const forAll = parseSession(session);
  return forAll === 'refuse' || given === undefined ? () => forAll : given;
}

/** What an engine's statements do is the same in every dataset. */
function factsOfEngines(): (engine: Engine) => SessionFacts {
  const facts = Object.fromEntries(
    engines.map((engine) => [engine, sessionFactsByWords(engine)]),
  ) as Record<Engine, SessionFacts>;
  return (engine) => facts[engine];
}

function parseEngines(options: StorageBackendFactoryOptions): Record<Engine, ParsedEngineOptions> {
  const entries = engines.map((engine): [Engine, ParsedEngineOptions] => {
    const budget = number(
      options.budgets?.[engine],
      `budgets.${engine}`,
      1,
      100_000,
      defaultBudget[engine],
    );
    const shadowBudget = number(
      options.shadowBudgets?.[engine],
      `shadowBudgets.${engine}`,
      1,
      100_000,
      defaultShadowBudget[engine],
    );
    const given = options.pools?.[engine] ?? {};
    return [
      engine,
      {
        pool: parsePoolOptions(given, { max: defaultMax[engine] }, `pools.${engine}`),
        // Comparison needs few connections and must never keep one that callers could miss.
        shadowPool: parsePoolOptions(
          { ...given, max: Math.min(3, shadowBudget), min: 0, idleTimeoutMs: 5_000 },
          {},
          `pools.${engine}`,
        ),
        budget,
        shadowBudget,
      },
    ];
  });
  return Object.fromEntries(entries) as Record<Engine, ParsedEngineOptions>;
}

function parseBreaker(given: BreakerOptions): Required<BreakerOptions> {
  const calls = number(given.calls, 'breaker.calls', 1, 10_000, 20);
  const openMs = number(given.openMs, 'breaker.openMs', 1, 600_000, 250);
  const parsed = {
    threshold: number(given.threshold, 'breaker.threshold', 0.01, 0.99, 0.5, false),
    calls,
    minimumCalls: number(given.minimumCalls, 'breaker.minimumCalls', 1, 10_000, Math.min(5, calls)),
    openMs,
    maxOpenMs: number(given.maxOpenMs, 'breaker.maxOpenMs', 1, 600_000, Math.max(2_000, openMs)),
  };
  const { minimumCalls, maxOpenMs } = parsed;
  if (minimumCalls > calls) {
    throw refused(
      'breaker.minimumCalls',
      `is ${minimumCalls}, more than calls (${calls})`,
      'lower it or raise that',
    );
  }
  if (openMs > maxOpenMs)
    throw refused(
      'breaker.openMs',
      `is ${openMs}, more than maxOpenMs (${maxOpenMs})`,
      'lower it or raise that',
    );
  return parsed;
}

function checkNames(given: unknown, what: string, names: readonly string[], where: string): void {
  if (given === undefined) return;
  if (typeof given !== 'object' || given === null) {
    throw refused(where === '' ? 'object' : where, `is ${describe(given)}`, 'pass an object');
  }
  for (const name of Object.keys(given)) {
    if (names.includes(name)) continue;
    throw refused(
      where === '' ? name : `${where}.${name}`,
      `is no ${what}`,
      knownNames(name, names),
    );
  }
}

/** What libuv makes of the variable: 4 where it isn't set, at least 1, at most 1,024. */
/** Each uses all cores already: with 14 at once on two of them `fs.stat` took 18 ms at p99, with 4 it took 9, and the queries as
 * long. */
function usualQueries(threadPoolSize: number): number {
  return Math.max(1, Math.min(queriesOfCores(), threadPoolSize - 2));
}

/** As many DuckDB queries as the cores have work for. */
export function queriesOfCores(): number {
  return Math.max(4, 2 * availableParallelism());
}

function parseThreadPoolSize(text: string | undefined): number {
  const size = Number.parseInt(text ?? '', 10);
  return Number.isNaN(size) ? 4 : Math.min(1_024, Math.max(1, size));
}

function number(
  value: unknown,
  name: string,
  low: number,
  high: number,
  standard: number,
  whole = true,
): number {
  if (value === undefined) return standard;
  const fits =
    typeof value === 'number' &&
    value >= low &&
    value <= high &&
    (!whole || Number.isInteger(value));
  if (fits) return value;
  throw refused(
    name,
    `is ${typeof value === 'number' ? value : describe(value)}`,
    `use a ${whole ? 'whole ' : ''}number from ${low} to ${high}`,
  );
}

function refused(name: string, found: string, remedy: string): InvalidArgumentError {
  return new InvalidArgumentError(`Option ${name} ${found}: ${remedy}.`);
}
