import type Database from 'better-sqlite3';
import { db } from './database.ts';

/** The program: notes with tags, by statements that are prepared once. It knows of no bridge. */
db.exec(`
  CREATE TABLE IF NOT EXISTS note (id INTEGER PRIMARY KEY, text TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS tag (note INTEGER NOT NULL REFERENCES note (id), name TEXT NOT NULL);
`);

const insertNote: Database.Statement<[string]> = db.prepare('INSERT INTO note (text) VALUES (?)');
const insertTag = db.prepare<[number | bigint, string]>('INSERT INTO tag VALUES (?, ?)');
const tagged = db.prepare<[string], { text: string }>(
  'SELECT text FROM note JOIN tag ON tag.note = note.id WHERE tag.name = ? ORDER BY note.id',
);
const count = db.prepare<[], number>('SELECT count(*) FROM note').pluck();

/** Adds a note with its tags, or neither. */
export const add: (text: string, tags: readonly string[]) => void = db.transaction(
  (text: string, tags: readonly string[]) => {
    const { lastInsertRowid } = insertNote.run(text);
    for (const tag of tags) {
      if (tag === '') throw new RangeError('a tag has no name');
      insertTag.run(lastInsertRowid, tag);
    }
  },
);

export function find(tag: string): readonly string[] {
  return tagged.all(tag).map(({ text }) => text);
}

export function countNotes(): number {
  return count.get() ?? 0;
}
