import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import Database from 'better-sqlite3';
import { bridgeOf, createStaticStageSource, readRecordings } from 'changeover';
import { bridgeDatabase } from 'changeover/better-sqlite3';
import { silentLogger } from '@changeover/bridge';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-many-handles-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** What a process has open, where the system tells it. */
function openFiles(): number {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    return 0;
  }
}

test('a program that opens a handle for each request has one store, and nothing of a handle that it closed', async () => {
  const storePath = join(folder, 'comparisons.sqlite');
  const stages = createStaticStageSource({ groups: 'shadow' });
  const open = (group: string): Database.Database =>
    bridgeDatabase(new Database(join(folder, `${group}.sqlite`)), {
      name: 'groups',
      key: () => group,
      storePath,
      stages,
      logger: silentLogger,
    });
  const request = (group: string): number => {
    const db = open(group);
    try {
      db.exec('CREATE TABLE IF NOT EXISTS notes (text TEXT)');
      db.prepare('INSERT INTO notes VALUES (?)').run('a note');
      const { count } = db.prepare('SELECT count(*) AS count FROM notes').get() as {
        count: number;
      };
      return count;
    } finally {
      db.close();
    }
  };
  request('g0');
  const before = openFiles();
  for (let at = 1; at < 100; at += 1)
    expect(request(`g${String(at % 10)}`)).toBe(Math.floor(at / 10) + 1);
  expect(openFiles() - before).toBeLessThan(20);
  const db = open('g0');
  await bridgeOf(db).ready();
  db.close();
  await bridgeOf(db).close();
  const { totals, cells } = readRecordings(storePath);
  expect(totals.calls).toBe(300);
  expect(new Set(cells.map(({ dataset }) => dataset)).size).toBe(10);
});
