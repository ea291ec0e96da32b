import Database from 'better-sqlite3';

export const db = new Database(process.env['DB_FILE'] ?? 'app.sqlite');
db.pragma('journal_mode = WAL');
db.exec('create table if not exists item (id integer primary key, name text)');
