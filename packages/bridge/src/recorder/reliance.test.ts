import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { silentLogger } from '../log.ts';
import { openRecorder } from './open-recorder.ts';
import { readRecordings } from './read-recordings.ts';
import type { Recorder } from './recorder.ts';
import { calledText, maxSites, RelianceBook, type RelianceSeen } from './reliance-book.ts';

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'reliance-'));
  path = join(folder, 'comparisons.db');
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

const open = (run: string): Recorder => openRecorder({ path, run, logger: silentLogger });

const seen: RelianceSeen = {
  backend: 'sqlite',
  dataset: 'titanic',
  guarantee: 'session',
  use: 'lastWrite',
  site: 'src/a.ts:12',
  what: 'query: SELECT last_insert_rowid ( )',
};

describe('reliance', () => {
  test('is in the report of its own process before it is stored and after', () => {
    const recorder = open('one');
    recorder.relied(seen);
    recorder.relied({ ...seen, site: undefined });
    const expected = [
      { backend: 'sqlite', key: 'titanic', guarantee: 'session', use: 'lastWrite', count: 2 },
    ];
    expect(recorder.summary().reliance).toMatchObject(expected);
    recorder.flush();
    expect(recorder.summary().reliance).toMatchObject(expected);
    recorder.close();
    expect(readRecordings(path).reliance).toMatchObject(expected);
  });

  test('adds up over processes, call sites included', () => {
    const [one, other] = [open('one'), open('other')];
    one.relied(seen);
    other.relied(seen);
    other.relied({ ...seen, site: 'src/b.ts:3', kept: false });
    other.close();
    one.close();
    const [found, ...more] = readRecordings(path).reliance;
    expect(more).toEqual([]);
    expect(found?.count).toBe(3);
    expect(found?.sites).toEqual([
      { site: 'src/a.ts:12', what: seen.what, count: 2 },
      { site: 'src/b.ts:3', what: seen.what, count: 1 },
    ]);
  });

  test('says of a guarantee what was last seen of its being kept', () => {
    const recorder = open('one');
    recorder.relied({ ...seen, kept: false });
    expect(recorder.summary().reliance).toMatchObject([{ kept: false }]);
    recorder.relied({ ...seen, kept: true });
    expect(recorder.summary().reliance).toMatchObject([{ kept: true }]);
    recorder.close();
  });

  test('from before a key was resumed is left out', () => {
    const recorder = open('one');
    recorder.relied(seen);
    expect(recorder.summary(() => Date.now() + 60_000).reliance).toEqual([]);
    expect(recorder.summary(() => 1).reliance).toHaveLength(1);
    recorder.close();
  });

  test('finds room in a store that was made before there was any', () => {
    open('old').close();
    const old = new DatabaseSync(path);
    old.exec(
      'drop table reliance; drop table repeat; drop table minute; alter table shape drop column failed; alter table sample drop column call; alter table sample_group drop column dataset; ' +
        'alter table sample_group drop column shape; pragma user_version = 5',
    );
    old.close();
    expect(readRecordings(path).reliance).toEqual([]);
    const recorder = open('new');
    recorder.relied(seen);
    recorder.close();
    expect(readRecordings(path).reliance).toHaveLength(1);
  });

  test('keeps so many call sites of one key and use, and goes on counting', () => {
    const book = new RelianceBook();
    book.add({ ...seen, site: undefined }, 1);
    for (let at = 0; at < maxSites + 30; at += 1)
      book.add({ ...seen, site: `src/a.ts:${String(at)}` }, 1);
    const [row] = book.rows();
    expect(row?.count).toBe(maxSites + 31);
    expect(row?.sites).toHaveLength(maxSites);
    expect(row?.sites.every(({ site }) => site !== undefined)).toBe(true);
  });

  test('names a call by its shape, cut where it is long', () => {
    expect(calledText('add', '')).toBe('add');
    expect(calledText('query', 'SELECT ?')).toBe('query: SELECT ?');
    expect(calledText('query', 'x'.repeat(5_000))).toHaveLength(120);
  });
});
