import type BetterSqlite3 from 'better-sqlite3';

let db: BetterSqlite3.Database | undefined;

export async function getDb(): Promise<BetterSqlite3.Database> {
  if (db === undefined) {
    const { default: Database } = await import('better-sqlite3');
    db = new Database(process.env['DB_FILE'] ?? 'app.sqlite');
  }
  return db;
}
