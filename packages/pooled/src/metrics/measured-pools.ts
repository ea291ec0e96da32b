import type { BreakerState } from '../pool/pool-breaker.ts';
import type { PoolObserver } from '../pool/pool-observer.ts';
import type { EngineStats, FactoryStats } from '../factory-stats.ts';
import type { Attributes, Instrument, InstrumentSink, Reading } from '@changeover/core';
import { poolInstruments } from './pool-instruments.ts';
import type { MetricScope, OperationMetric, PoolMetrics } from './pool-metrics.ts';

const instruments: readonly Instrument[] = Object.values(poolInstruments);

/** How pools are measured. */
export interface MeasuredPoolsOptions {
  /** Adds the dataset to every measurement. Default: false, because each dataset makes series of its own, without end. */
  readonly byDataset?: boolean | undefined;
}

/** Turns what happens in pools into measurements. One for each factory. */
export class MeasuredPools implements PoolMetrics {
  readonly #sink: InstrumentSink;
  readonly #byDataset: boolean;

  readonly operation: OperationMetric = (scope, dataset, operation, durationMs, errorCode) => {
    const attributes: Record<string, string> = {
      'db.system.name': scope.engine,
      'db.operation.name': operation,
    };
    if (errorCode !== undefined) attributes['error.type'] = errorCode;
    if (this.#byDataset) attributes['db.namespace'] = dataset;
    this.#sink.record(poolInstruments.operationDuration, durationMs / 1_000, attributes);
  };

  constructor(sink: InstrumentSink, options: MeasuredPoolsOptions = {}) {
    this.#sink = sink;
    this.#byDataset = options.byDataset ?? false;
    sink.declare(instruments);
  }

  observer(scope: MetricScope, dataset: string): PoolObserver {
    const attributes = this.#attributes(scope, dataset);
    const sink = this.#sink;
    const add = (counter: Instrument) => (): void => {
      sink.add(counter, attributes);
    };
    const record =
      (histogram: Instrument) =>
      (durationMs: number): void => {
        sink.record(histogram, durationMs / 1_000, attributes);
      };
    return {
      opened: record(poolInstruments.createTime),
      openFailed: add(poolInstruments.openFailures),
      waited: record(poolInstruments.waitTime),
      used: record(poolInstruments.useTime),
      evicted: (reason) => {
        sink.add(poolInstruments.evictions, { ...attributes, 'changeover.reason': reason });
      },
      timedOut: add(poolInstruments.timeouts),
      rejected: add(poolInstruments.rejections),
      leaked: add(poolInstruments.leaks),
      reclaimed: add(poolInstruments.reclaims),
    };
  }

  breakerChanged(scope: MetricScope, dataset: string, state: BreakerState): void {
    this.#sink.add(poolInstruments.breakerChanges, {
      ...this.#attributes(scope, dataset),
      'changeover.breaker.state': state,
    });
  }

  retried(scope: MetricScope, dataset: string, action: string): void {
    this.#sink.add(poolInstruments.retries, {
      ...this.#attributes(scope, dataset),
      'changeover.retry.action': action,
    });
  }

  threadWaited(durationMs: number): void {
    this.#sink.record(poolInstruments.threadWait, durationMs / 1_000, {});
  }

  observe(stats: () => FactoryStats): () => void {
    return this.#sink.observe(instruments, (instrument) =>
      readings(instrument, stats(), this.#byDataset),
    );
  }

  #attributes({ engine, purpose }: MetricScope, dataset: string): Attributes {
    const name = poolName(engine, purpose);
    return { 'db.client.connection.pool.name': this.#byDataset ? `${name}/${dataset}` : name };
  }
}

function poolName(engine: string, purpose: string): string {
  return `changeover/${engine}/${purpose}`;
}

function readings(instrument: Instrument, stats: FactoryStats, byDataset: boolean): Reading[] {
  if (instrument === poolInstruments.walSize)
    return [{ value: stats.sqliteWalBytes(), attributes: {} }];
  return stats.engines.flatMap((engine) => [
    ...poolReadings(instrument, engine, 'callers', byDataset),
    ...poolReadings(instrument, engine, 'shadow', byDataset),
  ]);
}

function poolReadings(
  instrument: Instrument,
  engine: EngineStats,
  purpose: 'callers' | 'shadow',
  byDataset: boolean,
): Reading[] {
  const { pools, budget, breakers } = engine[purpose];
  const name = poolName(engine.engine, purpose);
  const key = 'db.client.connection.pool.name';
  const sum = (figure: 'idle' | 'inUse' | 'pending' | 'min'): number =>
    pools.reduce((total, pool) => total + pool[figure], 0);
  const of = (value: number, more: Attributes = {}): Reading => ({
    value,
    attributes: { [key]: name, ...more },
  });
  switch (instrument) {
    case poolInstruments.count:
      if (byDataset) {
        return pools.flatMap((pool) => [
          {
            value: pool.idle,
            attributes: { [key]: pool.name, 'db.client.connection.state': 'idle' },
          },
          {
            value: pool.inUse,
            attributes: { [key]: pool.name, 'db.client.connection.state': 'used' },
          },
        ]);
      }
      return [
        of(sum('idle'), { 'db.client.connection.state': 'idle' }),
        of(sum('inUse'), { 'db.client.connection.state': 'used' }),
      ];
    case poolInstruments.pending:
      return [of(sum('pending'))];
    case poolInstruments.idleMin:
      return [of(sum('min'))];
    case poolInstruments.idleMax:
    case poolInstruments.max:
      return [of(budget)];
    case poolInstruments.breakers:
      return Object.entries(breakers).map(([state, count]) =>
        of(count, { 'changeover.breaker.state': state }),
      );
    default:
      return [];
  }
}
