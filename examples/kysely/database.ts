import Database from 'better-sqlite3';
import { type Dialect, type Generated, SqliteDialect } from 'kysely';

/** The program's tables. */
export interface Tables {
  account: { id: Generated<number>; owner: string; balance: number };
}

/** Where the accounts are: both dialects open the same file. */
export function accountsDialect(file: string): Dialect {
  const database = new Database(file);
  database.pragma('journal_mode = WAL');
  return new SqliteDialect({ database });
}
