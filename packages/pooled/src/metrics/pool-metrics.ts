import type { Engine } from '@changeover/engines/api';
import type { BreakerState } from '../pool/pool-breaker.ts';
import type { PoolObserver } from '../pool/pool-observer.ts';
import type { FactoryStats } from '../factory-stats.ts';
import { silentPoolObserver } from '../pool/pool-observer.ts';

/** Which pools an event is about. */
export interface MetricScope {
  readonly engine: Engine;
  readonly purpose: 'callers' | 'shadow';
}

/** Takes how long one operation took; `errorCode` where it failed. */
export type OperationMetric = (
  scope: MetricScope,
  dataset: string,
  operation: string,
  durationMs: number,
  errorCode: string | undefined,
) => void;

/** What is measured, as it happens. Must not throw: it is called on callers' paths. */
export interface PoolMetrics {
  /** For the events of one dataset's pools. */
  observer(scope: MetricScope, dataset: string): PoolObserver;
  breakerChanged(scope: MetricScope, dataset: string, state: BreakerState): void;
  retried(scope: MetricScope, dataset: string, action: string): void;
  /** An operation ended. Where there is none, operations are not timed, which takes its part of a read of 3 µs. */
  readonly operation?: OperationMetric | undefined;
  /** A DuckDB query waited for a thread. */
  threadWaited(durationMs: number): void;
  /** Reads a factory's figures whenever gauges are collected, until the result is called. */
  observe(stats: () => FactoryStats): () => void;
}

/** Measures nothing. */
export const silentMetrics: PoolMetrics = Object.freeze({
  observer: () => silentPoolObserver,
  breakerChanged: () => undefined,
  retried: () => undefined,
  threadWaited: () => undefined,
  observe: () => () => undefined,
});
