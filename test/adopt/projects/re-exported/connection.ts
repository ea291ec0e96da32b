import Database, { type Database as Handle } from 'better-sqlite3';

export const db: Handle = new Database(process.env.DB_FILE ?? 'x.sqlite');
db.exec('create table if not exists user (id integer primary key, name text)');
