import type { Clock, Logger } from '@changeover/core';
import type { Engine, StoreLocation } from '@changeover/engines/api';
import { Budget } from './budget.ts';
import type { PoolMetrics } from './metrics/pool-metrics.ts';
import type { BreakerOptions } from './pool/pool-breaker.ts';
import { PoolBreaker } from './pool/pool-breaker.ts';
import { type PoolObserver, silentPoolObserver } from './pool/pool-observer.ts';
import type { ParsedPoolOptions } from './pool/pool-options.ts';
import { Pool } from './pool/pool.ts';
import type { ResourceSource } from './pool/resource-source.ts';
import type { Random } from './pool/backoff.ts';
import type { KeepAlive } from './keep-alive.ts';
import { PooledDataset } from './dataset/pooled-dataset.ts';
import type { InlineReads } from './dataset/inline-reads.ts';
import type { PooledDatasetParts } from './dataset/pooled-dataset.ts';
import type { PooledSession } from './pooled-session.ts';
import type { RetryBudget } from './dataset/retry-policy.ts';
import type { KnownReliance, SessionFacts, SessionMode } from '@changeover/engines';
import { SessionPin } from './dataset/session-pin.ts';

/** What all pools of one engine and purpose have in common. */
export interface EngineSetting {
  readonly engine: Engine;
  /** `callers`, or `shadow` for work made for comparison's sake. */
  readonly purpose: 'callers' | 'shadow';
  readonly location: StoreLocation;
  /** What becomes of callers' statements that leave something on their connection. */
  readonly sessionOf: (dataset: string) => SessionMode;
  /** What a dataset's calls are known to rely on when it is first used. */
  readonly knownReliance: (dataset: string) => KnownReliance;
  /** What statements do to their connection. */
  readonly factsOf: (dataset: string) => SessionFacts;
  readonly pool: ParsedPoolOptions;
  readonly budget: Budget;
  readonly retryBudget: RetryBudget;
  readonly breaker: BreakerOptions;
  readonly lockWaitMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: PoolMetrics;
  readonly keepAlive: KeepAlive;
}

/** How one engine makes the pools of a dataset. */
export interface EngineDriver {
  readonly setting: EngineSetting;
  /**
   * @param dataset a parsed name; the empty text for work on the datasets themselves.
   * @param onEmpty called when nothing of it is open any more and nobody waits: it may be forgotten then.
   */
  open(dataset: string, onEmpty: () => void): PooledDataset;
  /** Closes what belongs to no dataset's pool. */
  close?(): Promise<void>;
}

/** What makes one dataset's pools differ by engine. */
export interface DatasetParts {
  readonly source: ResourceSource<PooledSession>;
  /** Set where writes go through connections of their own: how many there may be. */
  readonly writers?: number | undefined;
  /** Set where writes take turns on the connections that there are: how many may run at once. */
  readonly writeTurns?: number | undefined;
  readonly inline?: InlineReads | undefined;
  readonly costOf?: PooledDatasetParts['costOf'];
  readonly sharesWrites?: boolean | undefined;
  readonly estimatedCostMs?: PooledDatasetParts['estimatedCostMs'];
}

/** One connection, kept however long nobody calls. */
const pinnedOptions = { max: 1, min: 0, maxLifetimeMs: 0, idleTimeoutMs: 86_400_000 };

/** Builds a dataset's pools. */
export function buildDataset(
  setting: EngineSetting,
  dataset: string,
  parts: DatasetParts,
  onEmpty: () => void,
): PooledDataset {
  const { engine, clock, random, metrics } = setting;
  const observer = observerOf(setting, dataset);
  const pool = (name: string, max: number): Pool<PooledSession> =>
    new Pool<PooledSession>({
      name,
      options:
        max === setting.pool.max
          ? setting.pool
          : { ...setting.pool, max, min: Math.min(setting.pool.min, max) },
      source: parts.source,
      budget: setting.budget,
      clock,
      random,
      observer,
      fields: { engine, dataset: dataset === '' ? undefined : dataset },
      turns: parts.writeTurns,
      onEmpty,
    });
  const name = `${engine}/${dataset === '' ? '(datasets)' : dataset}${setting.purpose === 'shadow' ? ' (shadow)' : ''}`;
  // More than the budget has there can't be. On one connection alone, reads and writes would close each other's.
  const most = Math.min(setting.pool.max, setting.budget.total);
  const own = Math.min(parts.writers ?? 0, most - 1);
  const readers = pool(own > 0 ? `${name} (readers)` : name, most - own);
  const writers = own > 0 ? pool(`${name} (writer)`, own) : readers;
  const pinOf = (last: () => PooledSession | undefined): SessionPin =>
    new SessionPin({
      acquire: (signal) => writers.acquire({ signal, takenFor: 'session state', prefer: last() }),
      validate: (session, signal) => parts.source.validate(session, signal),
      poolOf: (source) =>
        new Pool<PooledSession>({
          name: `${name} (one connection)`,
          options: { ...setting.pool, ...pinnedOptions },
          source,
          // It counts in the pool that it was taken from.
          budget: new Budget(1, clock),
          clock,
          random,
          observer: silentPoolObserver,
          fields: { engine, dataset },
          onEmpty,
        }),
    });
  return new PooledDataset({
    engine,
    dataset,
    readers,
    writers,
    session: {
      facts: setting.factsOf(dataset),
      mode: () => (setting.purpose === 'shadow' ? 'none' : setting.sessionOf(dataset)),
      known: () => (setting.purpose === 'shadow' ? 'none' : setting.knownReliance(dataset)),
      isSingle: most === 1,
      pin: pinOf,
    },
    inline: parts.inline,
    costOf: parts.costOf,
    sharesWrites: parts.sharesWrites,
    estimatedCostMs: parts.estimatedCostMs,
    onEmpty,
    breaker: new PoolBreaker(clock, setting.breaker, (state) => {
      metrics.breakerChanged(setting, dataset, state);
    }),
    retryBudget: setting.retryBudget,
    clock,
    random,
    keepAlive: setting.keepAlive,
    lockWaitMs: setting.lockWaitMs,
    onRetry: (action) => {
      metrics.retried(setting, dataset, action);
    },
  });
}

/** Passes a pool's events on, and says of leaks in the log. */
function observerOf(setting: EngineSetting, dataset: string): PoolObserver {
  const { engine, logger, metrics } = setting;
  const observed = metrics.observer(setting, dataset);
  return {
    ...observed,
    leaked: (report) => {
      observed.leaked(report);
      logger.warn(
        { event: 'lease-leaked', engine, dataset, ...report },
        'a connection is held and nothing runs on it; it will be taken back',
      );
    },
    reclaimed: (report) => {
      observed.reclaimed(report);
      logger.error(
        { event: 'lease-reclaimed', engine, dataset, ...report },
        'a connection was taken back from its holder',
      );
    },
  };
}
