import { closeSync, openSync } from 'node:fs';
import { describe } from '@changeover/core';
import type Database from 'better-sqlite3';
import SqliteDatabase from 'better-sqlite3';

/** Marks a file as a comparison store: "Chov" in ASCII. */
export const storeApplicationId: number = 0x43686f76;

/**
 * Opens the SQLite file that comparisons and ledger are kept in, or makes it with mode 0600. Nothing here waits for
 * a lock.
 *
 * @throws {Error} the driver's, or one that says that the file is another program's, which is left as it was.
 */
export function openStoreFile(path: string): Database.Database {
  // The driver would make the file readable for everyone.
  if (path !== ':memory:') closeSync(openSync(path, 'a', 0o600));
  const database = new SqliteDatabase(path, { timeout: 0 });
  try {
    claim(database, path);
    database.pragma('journal_mode = wal');
    // Safe against a crash of the process, and no fsync in a commit: writers of counts are on the main thread.
    database.pragma('synchronous = normal');
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** A dataset's own file, given by mistake, must not be written to. */
function claim(database: Database.Database, path: string): void {
  const found = database.pragma('application_id', { simple: true });
  if (found === storeApplicationId) return;
  const tables = database.prepare('select count(*) from sqlite_schema').pluck().get();
  if (found !== 0 || tables !== 0) {
    throw new Error(
      `${describe(path)} is another program's database; give the comparison store a file of its own`,
    );
  }
  database.pragma(`application_id = ${String(storeApplicationId)}`);
}

/** Another process holds the store's file at the moment: the same again may work. */
export function isBusy(error: unknown): boolean {
  return String((error as { code?: unknown } | null)?.code).startsWith('SQLITE_BUSY');
}
