import Database from 'better-sqlite3'

let db: Database.Database | undefined

export function getDb(): Database.Database {
  if (!db) {
    db = new Database(process.env['DB_FILE'] ?? 'app.sqlite')
    db.exec('create table if not exists item (id integer primary key, name text)')
  }
  return db
}
