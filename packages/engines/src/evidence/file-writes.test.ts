import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import Database from 'better-sqlite3';
import type { Program } from '../program.ts';
import { openSqliteSession, type SqliteSession } from '../sqlite-session.ts';
import { fileMark, writtenSince } from './file-mark.ts';
import { pagesRead } from './pages-read.ts';
import { logPosition } from './write-ahead-log.ts';

let folder: string;
let file: string;
let session: SqliteSession;
let other: Database.Database;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-evidence-'));
  file = join(folder, 'a.sqlite');
  other = new Database(file);
  other.pragma('journal_mode = WAL');
  other.exec(`
    CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT);
    CREATE TABLE pets (id INTEGER PRIMARY KEY, owner REFERENCES people ON DELETE CASCADE);
    CREATE TABLE elsewhere (a);
    CREATE TABLE watched (a);
    CREATE TRIGGER renames AFTER INSERT ON watched BEGIN UPDATE people SET name = name || '!' WHERE id = new.a; END;
    CREATE VIEW names AS SELECT name FROM people;
    CREATE VIRTUAL TABLE words USING fts5(text);
    INSERT INTO people SELECT value, 'n' || value FROM json_each('[1,2,3]');
    INSERT INTO pets VALUES (1, 3);
    INSERT INTO elsewhere VALUES (1);`);
  session = openSqliteSession({ file, readonly: true });
});

afterEach(() => {
  session.close();
  other.close();
  rmSync(folder, { recursive: true, force: true });
});

function mark(): string {
  const position = logPosition(file);
  if (position === undefined) throw new Error('the file has a log');
  return fileMark(file, other.pragma('schema_version', { simple: true }) as number, position);
}

/** Whether a write is seen in what a statement reads. The first write after a mark may still be counted to it: there is another. */
function seen(sql: string, write: () => void): boolean | undefined {
  other.exec('INSERT INTO elsewhere VALUES (2)');
  const before = mark();
  write();
  const pages = session.run(pagesRead(reading(sql)));
  return pages && writtenSince(before, pages);
}

function* reading(sql: string): Program<unknown> {
  return yield { kind: 'query', sql };
}

const exec = (sql: string) => (): void => {
  other.exec(sql);
};

test.each([
  ['another table', 'SELECT * FROM people', 'INSERT INTO elsewhere VALUES (7)', false],
  ['the table', 'SELECT * FROM people', "UPDATE people SET name = 'x' WHERE id = 2", true],
  [
    'a row that is not in the answer',
    'SELECT * FROM people WHERE id = 1',
    "UPDATE people SET name = 'x' WHERE id = 2",
    true,
  ],
  ['the table of a view', 'SELECT * FROM names', 'DELETE FROM people WHERE id = 2', true],
  ['beside the table of a view', 'SELECT * FROM names', 'DELETE FROM elsewhere', false],
  ['the table, by a trigger', 'SELECT * FROM people', 'INSERT INTO watched VALUES (1)', true],
  [
    'the table, by a foreign key',
    'SELECT * FROM pets',
    'PRAGMA foreign_keys = ON; DELETE FROM people WHERE id = 3',
    true,
  ],
  [
    'a table in a subquery',
    'SELECT a FROM elsewhere WHERE a IN (SELECT id FROM people)',
    'DELETE FROM people WHERE id = 3',
    true,
  ],
  [
    'a row and took it back',
    'SELECT count(*) AS c FROM people',
    'INSERT INTO people VALUES (9, NULL); DELETE FROM people WHERE id = 9',
    true,
  ],
  ['the schema', 'SELECT * FROM people', 'CREATE TABLE another (a)', true],
])('a write to %s', (_what, sql, write, expected) => {
  expect(seen(sql, exec(write))).toBe(expected);
});

test('a table that is emptied and filled again over many pages is seen', () => {
  const many = `INSERT INTO people SELECT value, hex(randomblob(400)) FROM json_each('[${Array.from({ length: 200 }, (_unused, at) => String(at + 100)).join()}]')`;
  other.exec(many);
  expect(seen('SELECT * FROM people', exec('DELETE FROM people'))).toBe(true);
  expect(seen('SELECT * FROM people', exec('VACUUM'))).toBe(true);
});

test('nothing is told of a virtual table, of the schema, and of what is no SELECT', () => {
  for (const sql of [
    'SELECT * FROM words',
    'SELECT name FROM sqlite_schema',
    'PRAGMA user_version',
  ])
    expect(seen(sql, () => undefined)).toBeUndefined();
});

test('nothing is told once the log was begun anew', () => {
  expect(
    seen('SELECT * FROM people', () => {
      other.pragma('wal_checkpoint(TRUNCATE)');
      other.exec('INSERT INTO elsewhere VALUES (3)');
    }),
  ).toBeUndefined();
});

test('the last transaction counts as written after a mark: its end is in the log before readers see it', () => {
  other.exec("UPDATE people SET name = 'y'");
  const before = mark();
  const pages = session.run(pagesRead(reading('SELECT * FROM people')));
  expect(pages && writtenSince(before, pages)).toBe(true);
});

test('a position is gone on from', () => {
  const first = logPosition(file);
  other.exec('INSERT INTO elsewhere VALUES (4)');
  other.exec('INSERT INTO elsewhere VALUES (5)');
  expect(logPosition(file, first)).toEqual(logPosition(file));
  expect(logPosition(file)?.frames).toBeGreaterThan(first?.frames ?? Infinity);
});

test('a long log is gone through by and by, and never told to be longer than what was gone through', () => {
  for (let at = 0; at < 300; at += 1) other.exec('INSERT INTO elsewhere VALUES (6)');
  const first = logPosition(file);
  expect(first?.seen).toBe(250);
  expect(first?.frames).toBeLessThan(250);
  const second = logPosition(file, first);
  expect(second?.seen).toBeGreaterThan(300);
  expect(logPosition(file, second)).toEqual(second);
});

test('a file without a log has no position', () => {
  expect(logPosition(join(folder, 'none.sqlite'))).toBeUndefined();
});
