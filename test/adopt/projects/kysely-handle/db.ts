import Database from 'better-sqlite3';
import { type Generated, Kysely, SqliteDialect } from 'kysely';

export interface Tables {
  item: { id: Generated<number>; name: string };
}

export const sqlite = new Database(process.env['DB_FILE'] ?? 'app.sqlite');
sqlite.pragma('journal_mode = WAL');

export const db = new Kysely<Tables>({ dialect: new SqliteDialect({ database: sqlite }) });
