import type { Engine } from '@changeover/engines/api';
import type { BreakerState } from './pool/pool-breaker.ts';
import type { PoolStats } from './pool/pool-stats.ts';

/** The figures of one engine's pools of one purpose. */
export interface PurposeStats {
  /** Connections that exist, those opening and closing included, over all pools. */
  readonly connections: number;
  /** The most that may. */
  readonly budget: number;
  /** One a dataset; for SQLite two, of which one writes. */
  readonly pools: readonly PoolStats[];
  /** How many datasets' circuit breakers are in each state. */
  readonly breakers: Readonly<Record<BreakerState, number>>;
}

/** The figures of one engine: of the pools that serve callers, and of those for comparison. */
export interface EngineStats {
  readonly engine: Engine;
  readonly callers: PurposeStats;
  readonly shadow: PurposeStats;
}

/** The figures of a factory. */
export interface FactoryStats {
  readonly engines: readonly EngineStats[];
  /** SQLite's worker threads that live, and requests under way in them and in child processes. */
  readonly workers: { readonly alive: number; readonly running: number };
  /** SQLite's child processes that live. */
  readonly childProcesses?: number | undefined;
  /** SQLite connections on the main thread. */
  readonly inlineReaders: number;
  /** DuckDB queries that run and that wait for a thread. */
  readonly duckdbQueries: {
    readonly running: number;
    readonly waiting: number;
    readonly max: number;
  };
  /** Bytes in the write-ahead logs of the SQLite datasets in use. Looks at the files, so only when called. */
  sqliteWalBytes(): number;
}
