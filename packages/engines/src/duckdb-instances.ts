import { realpathSync } from 'node:fs';
import { ConnectionError } from './api/storage-errors.ts';
import type { DuckDBInstance } from '@duckdb/node-api';
import { duckdbDriver } from './drivers.ts';
import type { DuckdbInstanceOptions } from './api/duckdb-instance-options.ts';
import { toStorageError } from './errors.ts';

/** A share in the one instance of a path. */
export interface DuckdbLease {
  readonly instance: DuckDBInstance;
  /** Gives the share back; connections and statements must have been closed before. The last one closes the instance and
   * with it the lock on the file. Idempotent. */
  release(): void;
}

interface SharedInstance {
  readonly instance: Promise<DuckDBInstance>;
  leases: number;
}

/**
 * Two instances on one path in one process open without an error and silently lose each other's rows (500 + 500 rows
 * became 500). So there is one registry a process, even where two copies of this package are loaded. It is the one
 * process-wide state that is allowed here.
 */
const registryKey = Symbol.for('changeover.duckdb-instances');

function registry(): Map<string, SharedInstance> {
  const holder = globalThis as { [registryKey]?: Map<string, SharedInstance> };
  const known = holder[registryKey];
  if (known !== undefined) return known;
  const made = new Map<string, SharedInstance>();
  holder[registryKey] = made;
  return made;
}

/**
 * A share in the one instance of an existing file, opened on first use.
 *
 * Rejects with a {@link ConnectionError} where the file is missing, locked by another process, or no database.
 */
export async function leaseDuckdbInstance(
  path: string,
  options: DuckdbInstanceOptions = {},
): Promise<DuckdbLease> {
  const { DuckDBInstance } = duckdbDriver();
  const key = realPath(path);
  const instances = registry();
  let shared = instances.get(key);
  if (shared === undefined) {
    shared = { instance: DuckDBInstance.create(key, instanceOptions(options)), leases: 0 };
    instances.set(key, shared);
  }
  shared.leases += 1;
  const { instance } = shared;
  const held = shared;
  try {
    const opened = await instance;
    let released = false;
    return {
      instance: opened,
      release() {
        if (released) return;
        released = true;
        // Closed in the same tick, so that whoever opens the file next finds no lock.
        if (giveBack(key, held)) opened.closeSync();
      },
    };
  } catch (error) {
    giveBack(key, held);
    throw openError(error);
  }
}

/** Tells whether it was the last share. */
function giveBack(key: string, shared: SharedInstance): boolean {
  shared.leases -= 1;
  if (shared.leases > 0) return false;
  if (registry().get(key) === shared) registry().delete(key);
  return true;
}

/** Whether this process has the file open. */
export function duckdbPathInUse(path: string): boolean {
  try {
    return registry().has(realPath(path));
  } catch {
    return false;
  }
}

/** How many files this process has open. */
export function duckdbInstancesOpen(): number {
  return registry().size;
}

/** Makes an empty database file where there is none. */
export async function createDuckdbFile(path: string): Promise<void> {
  const { DuckDBInstance } = duckdbDriver();
  const instance = await DuckDBInstance.create(path, instanceOptions({ threads: 1 }));
  instance.closeSync();
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    throw new ConnectionError('The DuckDB file does not exist; nothing was created.', {
      engine: 'duckdb',
      cause: error,
    });
  }
}

function instanceOptions({
  memoryLimitMib,
  threads,
}: DuckdbInstanceOptions): Record<string, string> {
  return {
    ...(memoryLimitMib === undefined ? {} : { memory_limit: `${memoryLimitMib}MiB` }),
    ...(threads === undefined ? {} : { threads: String(threads) }),
  };
}

function openError(error: unknown): ConnectionError {
  const message = error instanceof Error ? error.message : String(error);
  const locked = /could not set lock on file/i.test(message);
  return new ConnectionError(
    locked
      ? 'The DuckDB file is locked by another process: only one process at a time can have it open. Close it there.'
      : `The DuckDB file could not be opened: ${toStorageError('duckdb', error).message}`,
    { engine: 'duckdb', cause: error, retryable: locked },
  );
}
