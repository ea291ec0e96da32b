import {
  bridgeOf,
  BridgeServices,
  createBridge,
  defined,
  type DefinedOperation,
  type Guardrail,
  type Ledger,
  publishPools,
  type Recorder,
  type ReproduceOptions,
  type Reproduction,
  sampleNamed,
  withAbilities,
} from '@changeover/bridge';
import { type Leg, systemClock } from '@changeover/core';
import {
  ConnectionError,
  type Engine,
  operationsKnowing,
  parseDatasetName,
  parseEngine,
  type ResultSet,
  type StorageBackend,
} from '@changeover/engines/api';
import { MeasuredPools, StorageBackendFactory } from '@changeover/pooled';
import { breakerMetrics } from './breaker-metrics.ts';
import {
  type ParsedBridgeOptions,
  parseBridgeOptions,
  rulesOf,
  type StorageBridgeOptions,
} from './bridge-options.ts';
import { openLegacyLeg } from './legacy-leg.ts';
import { figuresOf } from './pool-figures.ts';
import { shapedOperations } from './shaped-operations.ts';
import { StorageSessions } from './storage-sessions.ts';
import { StatementClassifiers } from './statement-classifiers.ts';
import { watchingSchema } from './watching-schema.ts';

/** A bridge over the storage API: both legs of each engine with a router between. */
export interface StorageBridge extends AsyncDisposable {
  /** The routed API of one engine; the same object at every call. */
  storage(engine: Engine): StorageBackend;
  readonly factory: StorageBackendFactory;
  readonly recorder: Recorder;
  readonly guardrail: Guardrail;
  /** What is held back and why, shared with every process that uses the same store. */
  readonly ledger: Ledger;
  /** Makes the call of a mismatch again on both legs of its engine, as `bridgeOf(storage).reproduce` does.
   *
   * @param id as the report shows it, or its beginning.
   * @throws as that does. */
  reproduce(id: string, options?: ReproduceOptions): Promise<Reproduction>;
  /** Resolves when no comparison runs or waits. */
  idle(): Promise<void>;
  /** Ends comparisons, closes both legs' connections within `deadlineMs` (default 5,000), stores the counts. Idempotent. */
  close(options?: { readonly deadlineMs?: number | undefined }): Promise<void>;
}

/** Builds a bridge. Nothing is opened until the first call, but for the flags and the store of the comparisons. */
export function createStorageBridge(options?: StorageBridgeOptions): StorageBridge {
  return new StorageBridgeOver(parseBridgeOptions(options));
}

type DefinedOperations = Readonly<Record<keyof StorageBackend, DefinedOperation>>;

/** The storage API's operations as createBridge takes them. */
function definedAs(operations: ReturnType<typeof operationsKnowing>): DefinedOperations {
  return Object.fromEntries(
    Object.entries(operations).map(([name, definition]) => [name, defined(definition)]),
  ) as DefinedOperations;
}

/** A leg as createBridge takes it. */
function asObject({ api, shadow, closedWhile, endable }: Leg<StorageBackend>): StorageBackend {
  return withAbilities(api, {
    shadow,
    ...(closedWhile === undefined ? {} : { closedWhile }),
    ...(endable === undefined ? {} : { endable }),
  });
}

class StorageBridgeOver implements StorageBridge {
  readonly factory: StorageBackendFactory;
  readonly #options: ParsedBridgeOptions;
  readonly #services: BridgeServices;
  readonly #bridged = new Map<Engine, StorageBackend>();
  readonly #legacyLegs: Leg<StorageBackend>[] = [];
  readonly #sessions: StorageSessions;
  readonly #classifiers: StatementClassifiers[] = [];
  readonly #endPools: () => void;
  readonly #ending = new AbortController();
  #closing: Promise<void> | undefined;

  constructor(options: ParsedBridgeOptions) {
    const { settings, location, pooled } = options;
    const services = new BridgeServices(settings);
    this.#options = options;
    this.#services = services;
    this.#sessions = new StorageSessions(services, pooled);
    this.factory = new StorageBackendFactory({
      ...pooled,
      ...location,
      ...this.#sessions.factoryOptions(pooled),
      logger: services.logger,
      metrics: breakerMetrics(
        services.watch,
        settings.metrics === undefined ? undefined : new MeasuredPools(settings.metrics),
      ),
    });
    this.#endPools = publishPools({
      figures: () => this.factory.stats().engines.flatMap(figuresOf),
      storePath: settings.storePath,
      logger: services.logger,
    });
  }

  get recorder(): Recorder {
    return this.#services.recorder;
  }

  get guardrail(): Guardrail {
    return this.#services.guardrail;
  }

  get ledger(): Ledger {
    return this.#services.ledger;
  }

  storage(engine: Engine): StorageBackend {
    const known = this.#bridged.get(engine);
    if (known !== undefined) return known;
    const storage = this.#bridge(parseEngine(engine));
    this.#bridged.set(engine, storage);
    return storage;
  }

  async reproduce(id: string, options?: ReproduceOptions): Promise<Reproduction> {
    await this.recorder.refresh();
    const groups = this.recorder.summary().sampleGroups;
    const { id: whole, backend } = sampleNamed(groups, id);
    return await bridgeOf(this.storage(parseEngine(backend))).reproduce(whole, options);
  }

  async idle(): Promise<void> {
    await Promise.all([...this.#bridged.values()].map((storage) => bridgeOf(storage).idle()));
  }

  close({ deadlineMs = 5_000 }: { readonly deadlineMs?: number | undefined } = {}): Promise<void> {
    this.#closing ??= this.#close(deadlineMs);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #bridge(engine: Engine): StorageBackend {
    const { decoratePooledLeg, location } = this.#options;
    const pooled = this.factory.leg(engine);
    const legacy = openLegacyLeg(engine, location);
    this.#legacyLegs.push(legacy);
    const classifiers = this.#classify(engine, pooled);
    const { saw, sawInside } = this.#sessions.watch(engine, classifiers);
    return createBridge<StorageBackend, DefinedOperations>({
      name: engine,
      services: this.#services,
      legacy: () => asObject(watchingSchema(legacy, classifiers, sawInside)),
      pooled: () =>
        asObject(watchingSchema(decoratePooledLeg?.(pooled) ?? pooled, classifiers, sawInside)),
      operations: definedAs(
        shapedOperations(
          operationsKnowing((...args) => classifiers.factsOf(...args)),
          saw,
        ),
      ),
      answers: 'promises',
      undeclared: 'legacy',
      parseKey: parseDatasetName,
      isUnavailable: (error) => error instanceof ConnectionError,
      tableRead: (dataset, table, maxRows) => ({
        operation: 'readTable',
        args: [dataset, table, { limit: maxRows }],
      }),
      rules: rulesOf(this.#options, engine),
      serialLegacy: true,
    });
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
      onWordsOnly: (reason) => {
        this.#services.logger.warn({ event: 'statements-by-words', backend: engine }, reason);
      },
    });
    this.#classifiers.push(classifiers);
    return classifiers;
  }

  async #close(deadlineMs: number): Promise<void> {
    this.#ending.abort();
    this.#endPools();
    this.#services.endWatching();
    const open = [...this.#bridged.values()];
    await Promise.all(open.map((storage) => bridgeOf(storage).close()));
    await Promise.all([this.factory.close({ deadlineMs }), this.#closeLegacy(deadlineMs)]);
    await Promise.all(this.#classifiers.map((each) => each.close()));
    await this.#services.close();
  }

  /** The singleton's queue has no deadline of its own; what is still running there then is left to end by itself. */
  async #closeLegacy(deadlineMs: number): Promise<void> {
    const { promise: over, resolve } = Promise.withResolvers<undefined>();
    const timer = systemClock.after(deadlineMs, () => {
      resolve(undefined);
    });
    const closed = Promise.allSettled(this.#legacyLegs.map((leg) => leg.api.closeConnections()));
    await Promise.race([closed, over]);
    timer.cancel();
  }
}
