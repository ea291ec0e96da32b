import { type BridgeServices, publishPools } from '@changeover/bridge';
import type { Leg } from '@changeover/core';
import type { Engine, ResultSet, StorageBackend } from '@changeover/engines/api';
import { MeasuredPools, StorageBackendFactory } from '@changeover/pooled';
import { breakerMetrics } from './breaker-metrics.ts';
import type { ParsedBridgeOptions } from './bridge-options.ts';
import { bridgedLeg } from './bridged-leg.ts';
import { type BridgedOperations, bridgedOperations } from './bridged-operations.ts';
import { closeLegacyLegs, openLegacyLeg } from './legacy-leg.ts';
import { figuresOf } from './pool-figures.ts';
import { StatementClassifiers } from './statement-classifiers.ts';
import { StorageSessions } from './storage-sessions.ts';
import { WitnessedWrites } from './witnessed-writes.ts';

/** One engine's part of createBridge's options. */
export interface EngineLegs {
  readonly legacy: () => StorageBackend;
  readonly pooled: () => StorageBackend;
  readonly operations: BridgedOperations;
}

/** Both legs of each engine, and what tells of their statements. */
export class StorageLegs {
  readonly factory: StorageBackendFactory;
  readonly #options: ParsedBridgeOptions;
  readonly #services: BridgeServices;
  readonly #sessions: StorageSessions;
  readonly #legacy: Leg<StorageBackend>[] = [];
  readonly #classifiers: StatementClassifiers[] = [];
  readonly #endFigures: () => void;
  readonly #ending = new AbortController();

  /** Opens nothing. */
  constructor(options: ParsedBridgeOptions, services: BridgeServices) {
    this.#options = options;
    this.#services = services;
    this.#sessions = new StorageSessions(services, options.pooled);
    this.factory = openFactory(options, services, this.#sessions);
    this.#endFigures = publishPools({
      figures: () => this.factory.stats().engines.flatMap(figuresOf),
      storePath: options.settings.storePath,
      logger: services.logger,
    });
  }

  /** The legs of one engine; to be called once for each. */
  open(engine: Engine): EngineLegs {
    const { decoratePooledLeg, location } = this.#options;
    const pooled = this.factory.leg(engine);
    const legacy = openLegacyLeg(engine, location, (dataset, sql) =>
      this.#sessions.mayLeave(engine, dataset, sql),
    );
    this.#legacy.push(legacy);
    const classifiers = this.#classify(engine, pooled);
    const { saw, sawInside } = this.#sessions.watch(engine, classifiers);
    // One process has the files, so that it knows of all writes.
    const witnessed = engine === 'duckdb' ? new WitnessedWrites(classifiers) : undefined;
    const over = (leg: Leg<StorageBackend>): Leg<StorageBackend> => witnessed?.over(leg) ?? leg;
    return {
      legacy: () => bridgedLeg(over(legacy), classifiers, sawInside),
      pooled: () =>
        bridgedLeg(
          over(decoratePooledLeg?.(pooled) ?? pooled),
          classifiers,
          sawInside,
          (dataset, sql) => classifiers.ready(dataset, sql),
        ),
      operations: bridgedOperations(classifiers, saw),
    };
  }

  /** Closes both legs' connections within `deadlineMs`, and ends what is asked and told of them beside their calls. */
  async close(deadlineMs: number): Promise<void> {
    this.#ending.abort();
    this.#endFigures();
    await Promise.all([
      this.factory.close({ deadlineMs }),
      closeLegacyLegs(this.#legacy, deadlineMs),
    ]);
    await Promise.all(this.#classifiers.map((each) => each.close()));
  }

  /** The catalogue is asked on the connections for comparison, and never on a caller's. */
  #classify(engine: Engine, { shadow }: Leg<StorageBackend>): StatementClassifiers {
    const classifiers = new StatementClassifiers({
      engine,
      ask: async (dataset, sql, params) => {
        if (shadow === undefined) throw new Error('the pooled leg has no connections to ask on');
        const args = [dataset, sql, params];
        const signal = this.#ending.signal;
        return (await shadow.read({ operation: 'query', args, signal })) as ResultSet;
      },
      settings: (dataset) => this.#sessions.settings(engine, dataset),
      onHidden: (dataset) => {
        this.#sessions.hides(engine, dataset);
      },
      onWordsOnly: (reason) => {
        this.#services.logger.warn({ event: 'statements-by-words', backend: engine }, reason);
      },
    });
    this.#classifiers.push(classifiers);
    return classifiers;
  }
}

/** The pooled legs' factory, which asks the sessions how its datasets keep theirs. */
function openFactory(
  { settings, location, pooled }: ParsedBridgeOptions,
  { watch, logger }: BridgeServices,
  sessions: StorageSessions,
): StorageBackendFactory {
  const measured = settings.metrics === undefined ? undefined : new MeasuredPools(settings.metrics);
  return new StorageBackendFactory({
    ...pooled,
    ...location,
    ...sessions.factoryOptions(pooled),
    logger,
    metrics: breakerMetrics(watch, measured),
  });
}
