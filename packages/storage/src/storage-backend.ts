import {
  type Engine,
  parseEngine,
  StorageError,
  storageOperations,
  type StorageBackend as StorageApi,
} from '@changeover/engines/api';
import type { StorageBridgeOptions } from './bridge-options.ts';
import { createStorageBridge, type StorageBridge } from './storage-bridge.ts';

/** The legacy API's methods, on the object that `getInstance` returns. */
// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging -- the constructor copies every one of them
export interface StorageBackend extends StorageApi {}

/** One a process, like the singleton that it stands in for; nothing else in this package is process-wide. */
let bridge: StorageBridge | undefined;
let configured: StorageBridgeOptions | undefined;
const instances = new Map<Engine, StorageBackend>();

/**
 * The drop-in: a call site changes its import from the legacy singleton to this and nothing else.
 *
 * ```ts
 * import { StorageBackend } from 'changeover';
 * const rows = await StorageBackend.getInstance('sqlite').readTable('titanic', 'train');
 * ```
 */
// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging
export class StorageBackend {
  private constructor(api: StorageApi) {
    for (const name of Object.keys(storageOperations) as (keyof StorageApi)[])
      Object.assign(this, { [name]: api[name] });
  }

  /**
   * The process-wide object of an engine; the same at every call.
   *
   * @throws {UnknownEngineError} for a name that is no supported engine; the message lists them.
   */
  static getInstance(engine: Engine): StorageBackend {
    const known = instances.get(engine);
    if (known !== undefined) return known;
    // First: a mistyped name must not set anything up.
    const name = parseEngine(engine);
    const instance = new StorageBackend(StorageBackend.bridge().storage(name));
    instances.set(engine, instance);
    return instance;
  }

  /**
   * Sets the process's bridge up; before the first use.
   *
   * @throws {StorageError} with code `ALREADY_CONFIGURED` after the first use.
   */
  static configure(options: StorageBridgeOptions): void {
    if (bridge !== undefined) {
      throw new StorageError(
        'ALREADY_CONFIGURED',
        'StorageBackend is in use already: configure it before the first ' +
          'getInstance, or await StorageBackend.shutdown() first.',
      );
    }
    configured = options;
  }

  /** The process's bridge, made at its first use: counts, guardrail and factory are reached through it. */
  static bridge(): StorageBridge {
    if (bridge === undefined) {
      bridge = createStorageBridge(configured);
    }
    return bridge;
  }

  /** Closes the process's bridge. The next use makes a new one. */
  static async shutdown(options?: { readonly deadlineMs?: number | undefined }): Promise<void> {
    const closing = bridge;
    bridge = undefined;
    instances.clear();
    await closing?.close(options);
  }
}
