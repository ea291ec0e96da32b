import { closeSync, existsSync, openSync } from 'node:fs';
import type * as nodeSqlite from 'node:sqlite';
import { describe, loadBuiltin } from '@changeover/core';

/** Marks a file as a comparison store: "Chov" in ASCII. */
export const storeApplicationId: number = 0x43686f76;

/**
 * A file of the store, opened by Node's own SQLite. No driver may open it in the same process: SQLite's locks are the
 * process's, and a second SQLite library that closes the file drops the first one's.
 */
export type StoreDatabase = nodeSqlite.DatabaseSync;

/** What can be stored in a column. */
export type StoreValue = nodeSqlite.SQLInputValue;

/**
 * Opens the SQLite file that comparisons and ledger are kept in, or makes it with mode 0600.
 *
 * @param maxWaitMs how long this, and each statement on it from then on, waits for another process's lock. Default: not at all.
 * @throws {Error} SQLite's, or one that says that the file is another program's, which is left as it was, or that this
 * Node has no SQLite.
 */
export function openStoreFile(path: string, maxWaitMs = 0): StoreDatabase {
  // SQLite would make the file readable for everyone. One that is there is not opened here: closing it again would drop the
  // locks that another connection of this process holds on it.
  if (path !== ':memory:' && !existsSync(path)) closeSync(openSync(path, 'a', 0o600));
  const database = openDatabase(path);
  try {
    waitForLocks(database, maxWaitMs);
    claim(database, path);
    useWriteAheadLog(database, maxWaitMs);
    // Safe against a crash of the process, and no fsync in a commit: writers of counts are on the main thread.
    database.exec('pragma synchronous = normal');
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/**
 * Opens a file of the store to read it. Waits up to a second for a lock: it is for commands, not for callers.
 *
 * @throws {Error} SQLite's, where the file is missing or can't be read.
 */
export function openStoreFileToRead(path: string): StoreDatabase {
  const database = openDatabase(path, { readOnly: true });
  try {
    waitForLocks(database, 1_000);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/**
 * Whether a store can be written to, for a person who asks: takes the lock for writing and lets it go, changing nothing.
 *
 * @returns the version of its schema; 0 where only the ledger is in it.
 * @throws {Error} SQLite's, as where the file or its folder is read-only, another program's, or no database.
 */
export function tryStoreFile(path: string): number {
  const database = openDatabase(path);
  try {
    waitForLocks(database, 1_000);
    if (pragmaValue(database, 'application_id') !== storeApplicationId) {
      throw new Error(
        `${describe(path)} is another program's database; give the comparison store a file of its own`,
      );
    }
    inTransaction(database, 'immediate', () => {
      // A read-only file is only noticed by a write.
      database.exec('pragma user_version = ' + String(pragmaValue(database, 'user_version')));
    });
    return Number(pragmaValue(database, 'user_version'));
  } finally {
    database.close();
  }
}

/** How long a process that met another's lock leaves the file alone, in ms. */
const betweenTriesMs = 2;

/** SQLite itself never waits here: of two that change a new file at once each has what the other one waits for. */
function useWriteAheadLog(database: StoreDatabase, maxWaitMs: number): void {
  const endMs = performance.now() + maxWaitMs;
  for (;;) {
    try {
      database.exec('pragma journal_mode = wal');
      return;
    } catch (error) {
      if (!isBusy(error) || performance.now() >= endMs) throw error;
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, betweenTriesMs);
  }
}

/** Statements wait so long for another process's lock from now on, in ms; 0 is not at all. */
export function waitForLocks(database: StoreDatabase, maxWaitMs: number): void {
  database.exec(`pragma busy_timeout = ${String(maxWaitMs)}`);
}

/** The value of a setting of the file or the connection. */
export function pragmaValue(database: StoreDatabase, name: string): unknown {
  return firstValue(database, `pragma ${name}`);
}

/** The first column of the first row. */
export function firstValue(database: StoreDatabase, sql: string): unknown {
  return Object.values(database.prepare(sql).get() ?? {})[0];
}

/** Runs `work` in a transaction, rolled back where it throws. `immediate` takes the lock for writing at once. */
export function inTransaction<Result>(
  database: StoreDatabase,
  kind: 'deferred' | 'immediate',
  work: () => Result,
): Result {
  database.exec(`begin ${kind}`);
  try {
    const result = work();
    database.exec('commit');
    return result;
  } catch (error) {
    rollBack(database);
    throw error;
  }
}

/** Another process holds the store's file at the moment: the same again may work. */
export function isBusy(error: unknown): boolean {
  return storeErrorCode(error) === 'SQLITE_BUSY';
}

/** The name of an error of the store: SQLite's own (`SQLITE_FULL`), else the error's code. */
export function storeErrorCode(error: unknown): string {
  const { code, errcode } = (error ?? {}) as { code?: unknown; errcode?: unknown };
  if (typeof errcode !== 'number') return String(code);
  // The lower byte is the kind of error, the rest its details.
  const kind = errcode & 0xff;
  return `SQLITE_${resultNames[kind] ?? `ERROR_${String(kind)}`}`;
}

/** By https://www.sqlite.org/rescode.html, those that a file can give. */
const resultNames: Readonly<Record<number, string>> = {
  1: 'ERROR',
  3: 'PERM',
  4: 'ABORT',
  5: 'BUSY',
  6: 'LOCKED',
  7: 'NOMEM',
  8: 'READONLY',
  9: 'INTERRUPT',
  10: 'IOERR',
  11: 'CORRUPT',
  12: 'NOTFOUND',
  13: 'FULL',
  14: 'CANTOPEN',
  15: 'PROTOCOL',
  17: 'SCHEMA',
  18: 'TOOBIG',
  19: 'CONSTRAINT',
  20: 'MISMATCH',
  21: 'MISUSE',
  23: 'AUTH',
  26: 'NOTADB',
};

function openDatabase(path: string, options: { readonly readOnly?: boolean } = {}): StoreDatabase {
  // Loaded on first use: a process that keeps its store elsewhere has no need of it.
  const sqlite = loadBuiltin('node:sqlite') as typeof nodeSqlite | undefined;
  if (sqlite === undefined) {
    throw new Error(
      `The comparison store needs Node's own SQLite, which Node ${process.version} doesn't have: use Node 22.13 or newer`,
    );
  }
  return new sqlite.DatabaseSync(path, options);
}

/** A dataset's own file, given by mistake, must not be written to. */
function claim(database: StoreDatabase, path: string): void {
  // Of one moment: another process may be making the store, its mark first and then its tables.
  const [found, tables] = inTransaction(database, 'deferred', () => [
    pragmaValue(database, 'application_id'),
    firstValue(database, 'select count(*) from sqlite_schema'),
  ]);
  if (found === storeApplicationId) return;
  if (found !== 0 || tables !== 0) {
    throw new Error(
      `${describe(path)} is another program's database; give the comparison store a file of its own`,
    );
  }
  database.exec(`pragma application_id = ${String(storeApplicationId)}`);
}

/** Ends a transaction, if there is one: SQLite has rolled back by itself after some errors (a full disk). */
export function rollBack(database: StoreDatabase): void {
  try {
    database.exec('rollback');
  } catch {
    // What went wrong before is what matters.
  }
}
