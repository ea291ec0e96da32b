import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import {
  ConnectionError,
  type Engine,
  type Leg,
  parseDatasetName,
  parseEngine,
  type StorageBackend,
  storageOperations,
  systemClock,
} from '@changeover/core';
import { MeasuredPools, StorageBackendFactory } from '@changeover/pooled';
import {
  BackendRouter,
  createLogger,
  Guardrail,
  type GuardrailWatch,
  Ledger,
  type Logger,
  makeFolder,
  openRecorder,
  type Recorder,
  withHolds,
  withLedger,
} from '@changeover/router';
import {
  type ParsedBridgeOptions,
  parseBridgeOptions,
  rulesOf,
  type StorageBridgeOptions,
} from './bridge-options.ts';
import { openLegacyLeg } from './legacy-leg.ts';
import { breakerMetrics, turnFlagsBack, watchGuardrail } from './guardrail-wiring.ts';
import { observeMigration } from './metrics/observe-migration.ts';
import { openLedgerStore } from './open-ledger-store.ts';
import { openStageSource } from './open-stage-source.ts';
import { openUnleashAdmin } from './open-unleash-admin.ts';
import { publishPools } from './pool-figures.ts';
import { PromotionGate } from './promotion-gate.ts';

/** A bridge over the storage API: both legs of each engine with a router between. */
export interface StorageBridge extends AsyncDisposable {
  /** The routed API of one engine; the same object at every call. */
  storage(engine: Engine): StorageBackend;
  readonly factory: StorageBackendFactory;
  readonly recorder: Recorder;
  readonly guardrail: Guardrail;
  /** What is held back and why, shared with every process that uses the same store. */
  readonly ledger: Ledger;
  /** Resolves when no comparison runs or waits. */
  idle(): Promise<void>;
  /** Ends comparisons, closes both legs' connections within `deadlineMs` (default 5,000), stores the counts. Idempotent. */
  close(options?: { readonly deadlineMs?: number | undefined }): Promise<void>;
}

/** Builds a bridge. Nothing is opened until the first call, but for the flags and the store of the comparisons. */
export function createStorageBridge(options?: StorageBridgeOptions): StorageBridge {
  return new StorageBridgeOver(parseBridgeOptions(options));
}

class StorageBridgeOver implements StorageBridge {
  readonly factory: StorageBackendFactory;
  readonly recorder: Recorder;
  readonly guardrail: Guardrail;
  readonly ledger: Ledger;
  readonly #options: ParsedBridgeOptions;
  readonly #logger: Logger;
  readonly #watch: GuardrailWatch;
  readonly #routers = new Map<Engine, BackendRouter<StorageBackend>>();
  readonly #legacyLegs: Leg<StorageBackend>[] = [];
  readonly #endMetrics: () => void;
  readonly #endPools: () => void;
  #closing: Promise<void> | undefined;

  constructor(options: ParsedBridgeOptions) {
    this.#options = options;
    const logger = options.logger ?? createLogger({ level: options.logLevel });
    this.#logger = logger;
    const source = options.stages ?? openStageSource(options, logger);
    prepareStoreFolder(options, logger);
    const gate = new PromotionGate(
      () => this.recorder,
      systemClock,
      options.gatesFile,
      (backend, dataset) => this.ledger.resumedAt(backend, dataset),
    );
    this.ledger = new Ledger({
      store: openLedgerStore(options, logger),
      logger,
      gate: (move) => gate.judge(move),
    });
    const decided = (options.ledger === true ? withLedger : withHolds)(source, this.ledger);
    this.guardrail = new Guardrail(decided, systemClock, logger, options.guardrail, this.ledger);
    this.recorder = openRecorder({
      path: options.storePath,
      run: `${hostname()}-${String(process.pid)}-${randomUUID().slice(0, 8)}`,
      logger,
    });
    this.#watch = watchGuardrail(this.guardrail, this.recorder, logger);
    const unleashAdmin = openUnleashAdmin(options);
    if (unleashAdmin !== undefined) turnFlagsBack(this.guardrail, unleashAdmin, logger);
    this.factory = new StorageBackendFactory({
      ...options.pooled,
      ...options.location,
      logger,
      metrics: breakerMetrics(
        this.#watch,
        options.metrics === undefined ? undefined : new MeasuredPools(options.metrics),
      ),
    });
    this.#endPools = publishPools({
      stats: () => this.factory.stats(),
      storePath: options.storePath,
      logger,
    });
    this.#endMetrics =
      options.metrics === undefined
        ? () => undefined
        : observeMigration(options.metrics, {
            recorder: this.recorder,
            stages: this.guardrail,
            ledger: this.ledger,
          });
  }

  storage(engine: Engine): StorageBackend {
    const known = this.#routers.get(engine);
    if (known !== undefined) return known.api;
    const router = this.#route(parseEngine(engine));
    this.#routers.set(engine, router);
    return router.api;
  }

  async idle(): Promise<void> {
    await Promise.all([...this.#routers.values()].map((router) => router.idle()));
  }

  close({ deadlineMs = 5_000 }: { readonly deadlineMs?: number | undefined } = {}): Promise<void> {
    this.#closing ??= this.#close(deadlineMs);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #route(engine: Engine): BackendRouter<StorageBackend> {
    const { decoratePooledLeg, location, shadowQueue } = this.#options;
    const pooled = this.factory.leg(engine);
    const legacy = openLegacyLeg(engine, location);
    this.#legacyLegs.push(legacy);
    return new BackendRouter<StorageBackend>({
      backend: engine,
      legacy,
      pooled: decoratePooledLeg?.(pooled) ?? pooled,
      operations: storageOperations,
      stages: this.guardrail,
      recorder: this.#watch.over(this.recorder),
      guardrail: this.guardrail,
      logger: this.#logger,
      parseDataset: parseDatasetName,
      isUnavailable: (error) => error instanceof ConnectionError,
      tableRead: (dataset, table, maxRows) => ({
        operation: 'readTable',
        args: [dataset, table, { limit: maxRows }],
      }),
      rules: rulesOf(this.#options, engine),
      ...(shadowQueue === undefined ? {} : { queue: shadowQueue }),
    });
  }

  async #close(deadlineMs: number): Promise<void> {
    this.#endMetrics();
    this.#endPools();
    this.#watch.close();
    for (const router of this.#routers.values()) router.close();
    await Promise.all([this.factory.close({ deadlineMs }), this.#closeLegacy(deadlineMs)]);
    await this.guardrail.close();
    await this.ledger.close();
    this.recorder.close();
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

/** The default store's own folder. Any other folder is its owner's to make: a mistyped one must not come to be. */
function prepareStoreFolder({ location, storePath }: ParsedBridgeOptions, logger: Logger): void {
  const folder = join(location.basePath, '.changeover');
  if (dirname(storePath) !== folder) return;
  try {
    makeFolder(folder, 0o700);
  } catch (error) {
    logger.warn({ folder, err: error }, 'the folder of the comparison store can not be made');
  }
}
