import BetterSqlite, { type Database } from 'better-sqlite3';

export let db: Database;

export function init(file: string): void {
  db = new BetterSqlite(file);
  db.pragma('journal_mode = WAL');
}
