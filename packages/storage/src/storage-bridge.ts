import {
  type Bridge,
  bridgeOf,
  BridgeServices,
  createBridge,
  findSample,
  type ReproduceOptions,
  type Reproduction,
} from '@changeover/bridge';
import { type Engine, parseEngine, type StorageBackend } from '@changeover/engines/api';
import type { StorageBackendFactory } from '@changeover/pooled';
import { parseBridgeOptions, rulesOf, type StorageBridgeOptions } from './bridge-options.ts';
import { type BridgedOperations, storageApi } from './bridged-operations.ts';
import { StorageLegs } from './storage-legs.ts';

/** A bridge over the storage API: both legs of each engine with a router between. `recorder`, `guardrail`, `ledger` and `idle()` are as
 * those of a {@link Bridge}, for all engines together. */
export interface StorageBridge
  extends Pick<Bridge, 'recorder' | 'guardrail' | 'ledger' | 'idle'>, AsyncDisposable {
  /** The routed API of one engine; the same object at every call. */
  storage(engine: Engine): StorageBackend;
  readonly factory: StorageBackendFactory;
  /** Makes the call of a mismatch again on both legs of its engine, as `bridgeOf(storage).reproduce` does.
   *
   * @param id as the report shows it, or its beginning.
   * @throws as that does. */
  reproduce(id: string, options?: ReproduceOptions): Promise<Reproduction>;
  /** Ends comparisons, closes both legs' connections within `deadlineMs` (default 5,000), stores the counts. Idempotent. */
  close(options?: { readonly deadlineMs?: number | undefined }): Promise<void>;
}

/** Builds a bridge. Nothing is opened until the first call, but for the flags and the store of the comparisons. */
export function createStorageBridge(options?: StorageBridgeOptions): StorageBridge {
  const parsed = parseBridgeOptions(options);
  const services = new BridgeServices(parsed.settings);
  const { recorder, guardrail, ledger } = services;
  const legs = new StorageLegs(parsed, services);
  const bridged = new Map<Engine, StorageBackend>();
  const open = (engine: Engine): StorageBackend => {
    const rules = rulesOf(parsed, engine);
    const own = { ...storageApi, ...legs.open(engine), name: engine, rules, services };
    const api = createBridge<StorageBackend, BridgedOperations>(own);
    bridged.set(engine, api);
    return api;
  };
  const storage = (engine: Engine): StorageBackend =>
    bridged.get(engine) ?? open(parseEngine(engine));
  const close: StorageBridge['close'] = ({ deadlineMs = 5_000 } = {}) =>
    services.close(() => legs.close(deadlineMs));
  return Object.freeze({
    recorder,
    guardrail,
    ledger,
    factory: legs.factory,
    storage,
    reproduce: async (id: string, how?: ReproduceOptions) => {
      const { id: whole, backend } = await findSample(recorder, id);
      return await bridgeOf(storage(parseEngine(backend))).reproduce(whole, how);
    },
    idle: () => services.idle(),
    close,
    [Symbol.asyncDispose]: () => close(),
  });
}
