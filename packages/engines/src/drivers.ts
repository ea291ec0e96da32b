import { loadInstalled } from '@changeover/core';
import type Database from 'better-sqlite3';
import type * as duckdb from '@duckdb/node-api';
import type pg from 'pg';
import { type Engine, engineTitles } from './api/engine.ts';
import { StorageError } from './api/storage-errors.ts';

/** The package of each engine's driver. Who uses two engines installs two drivers, so that none is a dependency. */
const driverPackages: Readonly<Record<Engine, string>> = {
  sqlite: 'better-sqlite3',
  duckdb: '@duckdb/node-api',
  postgresql: 'pg',
};

/** @throws {StorageError} `DRIVER_MISSING` where it isn't installed, with what to install. */
export function sqliteDriver(): typeof Database {
  return driver('sqlite') as typeof Database;
}

/** @throws {StorageError} `DRIVER_MISSING` where it isn't installed, with what to install. */
export function duckdbDriver(): typeof duckdb {
  return driver('duckdb') as typeof duckdb;
}

/** @throws {StorageError} `DRIVER_MISSING` where it isn't installed, with what to install. */
export function postgresDriver(): typeof pg {
  return driver('postgresql') as typeof pg;
}

/** What of the layer below DuckDB's driver is used here. */
export interface DuckdbBindings {
  /** The bytes that a pointer in `buffer` points to. */
  get_data_from_pointer(buffer: ArrayBuffer, pointerOffset: number, bytes: number): Uint8Array;
}

/** The layer that {@link duckdbDriver} itself stands on, whichever copies are installed. */
export function duckdbBindings(): DuckdbBindings {
  duckdbDriver();
  return loadInstalled(
    '@duckdb/node-bindings',
    import.meta.url,
    driverPackages.duckdb,
  ) as DuckdbBindings;
}

const loaded = new Map<Engine, unknown>();

function driver(engine: Engine): unknown {
  const known = loaded.get(engine);
  if (known !== undefined) return known;
  const name = driverPackages[engine];
  if (engine === 'sqlite') refuseWhatCrashes(name);
  try {
    const found: unknown = loadInstalled(name, import.meta.url);
    loaded.set(engine, found);
    return found;
  } catch (error) {
    throw driverError(engine, name, error);
  }
}

/** better-sqlite3 is built for version 10 of Node's interface from its version 13 on, and an older Node ends with a segmentation fault
 * when it is first used. */
function refuseWhatCrashes(name: string): void {
  if (Number(process.versions['napi'] ?? 0) >= 10) return;
  let version = '';
  try {
    ({ version } = loadInstalled(`${name}/package.json`, import.meta.url) as { version: string });
  } catch {
    // It is missing, which is said when it is loaded.
  }
  if (version === '' || Number(version.split('.')[0]) < 13) return;
  throw new StorageError(
    'DRIVER_MISSING',
    `${name} ${version} needs Node 22.14 or newer, and this is ${process.version}. ` +
      `Use a newer Node, or an older driver: npm install ${name}@12`,
    { engine: 'sqlite' },
  );
}

function driverError(engine: Engine, name: string, error: unknown): StorageError {
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
  // A module that the driver itself lacks is another matter.
  const isMissing = code === 'MODULE_NOT_FOUND' && String(message).includes(`'${name}'`);
  return new StorageError(
    'DRIVER_MISSING',
    isMissing
      ? `Cannot find the driver of ${engineTitles[engine]}. Install it: npm install ${name}`
      : `Cannot load the driver of ${engineTitles[engine]}, ${name}: ${String(message)}`,
    // No cause: its code would make this a failure of the connection, which is tried again.
    { engine },
  );
}
