import {
  bridgeOf,
  BridgeServices,
  createBridge,
  type Guardrail,
  type Ledger,
  type Recorder,
  type ReproduceOptions,
  type Reproduction,
  sampleNamed,
} from '@changeover/bridge';
import {
  ConnectionError,
  type Engine,
  parseDatasetName,
  parseEngine,
  type StorageBackend,
} from '@changeover/engines/api';
import type { StorageBackendFactory } from '@changeover/pooled';
import {
  type ParsedBridgeOptions,
  parseBridgeOptions,
  rulesOf,
  type StorageBridgeOptions,
} from './bridge-options.ts';
import type { BridgedOperations } from './bridged-operations.ts';
import { StorageLegs } from './storage-legs.ts';

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
  return new EngineBridges(parseBridgeOptions(options));
}

class EngineBridges implements StorageBridge {
  readonly #options: ParsedBridgeOptions;
  readonly #services: BridgeServices;
  readonly #legs: StorageLegs;
  readonly #bridged = new Map<Engine, StorageBackend>();
  #closing: Promise<void> | undefined;

  constructor(options: ParsedBridgeOptions) {
    this.#options = options;
    this.#services = new BridgeServices(options.settings);
    this.#legs = new StorageLegs(options, this.#services);
  }

  get factory(): StorageBackendFactory {
    return this.#legs.factory;
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
    return createBridge<StorageBackend, BridgedOperations>({
      name: engine,
      services: this.#services,
      ...this.#legs.open(engine),
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

  async #close(deadlineMs: number): Promise<void> {
    this.#legs.endWatching();
    this.#services.endWatching();
    await Promise.all([...this.#bridged.values()].map((storage) => bridgeOf(storage).close()));
    await this.#legs.close(deadlineMs);
    await this.#services.close();
  }
}
