import Database from 'better-sqlite3';
import { bridgeDatabase } from 'changeover/better-sqlite3';

const handle = new Database(process.env['NOTES_FILE'] ?? 'notes.db');
handle.pragma('journal_mode = WAL');
handle.pragma('foreign_keys = ON');

/** What the program imports. It was the handle itself. */
export const db: Database.Database = bridgeDatabase(handle, { name: 'notes' });
