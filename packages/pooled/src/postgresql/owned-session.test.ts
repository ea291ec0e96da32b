import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { DatasetBackend } from '@changeover/engines/api';
import { connectPostgres } from '@changeover/engines';
import pg from 'pg';
import { StorageBackendFactory } from '../storage-backend-factory.ts';

const databaseUrl = process.env['CHANGEOVER_TEST_DATABASE_URL'] ?? '';
const basePath = mkdtempSync(join(tmpdir(), 'changeover-owned-'));
let factory: StorageBackendFactory;
let backend: DatasetBackend;

async function start(url = databaseUrl): Promise<void> {
  factory = new StorageBackendFactory({
    basePath,
    databaseUrl: url,
    pools: { postgresql: { max: 1 } },
  });
  backend = factory.createBackend(`owned_${process.pid.toString(36)}`, 'postgresql');
  if (!(await backend.datasetExists())) await backend.createDataset();
}

beforeEach(async () => {
  await start();
});
afterEach(async () => {
  await backend.dropDataset();
  await factory.close({ deadlineMs: 2_000 });
  rmSync(basePath, { recursive: true, force: true });
});

describe('what a connection stands on', () => {
  test('holds beside options of the URL, which are kept as far as they are about something else', async () => {
    await factory.close();
    const url = new URL(databaseUrl);
    url.searchParams.set('options', '-c search_path=public -c TimeZone=Asia/Tokyo -c work_mem=5MB');
    await start(url.href);
    await backend.writeTable('t', [{ id: 1 }]);
    const { rows } = await backend.query(
      `SELECT current_setting('TimeZone') AS zone, current_setting('work_mem') AS memory, id FROM t`,
    );
    expect(rows).toEqual([{ zone: 'UTC', memory: '5MB', id: 1 }]);
  });

  test('is told by name where it is not kept', async () => {
    const session = await connectPostgres({ url: databaseUrl, dataset: backend.dataset });
    try {
      expect(await session.connectionFacts({ TimeZone: 'Asia/Tokyo' })).toMatchObject({
        dropped: { name: 'TimeZone', found: 'UTC' },
      });
      expect(await session.connectionFacts({ TimeZone: 'UTC', DateStyle: 'ISO' })).toMatchObject({
        dropped: undefined,
        hasSchema: true,
      });
    } finally {
      await session.close();
    }
  });
});

test('a caller’s mistakes that sound like the connection’s are the statement’s, and open no breaker', async () => {
  for (let call = 0; call < 30; call += 1) {
    for (const sql of ['SELECT $1::int AS v', 'SELECT $1::int AS v, $2::int AS w'])
      await expect(backend.query(sql)).rejects.toMatchObject({
        name: 'StatementError',
        cause: { code: '08P01' },
      });
    await expect(backend.execute('DROP DATABASE nowhere')).rejects.toMatchObject({
      name: 'StatementError',
      cause: { code: '3D000' },
    });
  }
  expect((await backend.query('SELECT $1::int AS v', [4])).rows).toEqual([{ v: 4 }]);
});

test('bytes are read in both forms that the server writes them in', async () => {
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, value) => value));
  await backend.query(`SELECT set_config('bytea_output', 'escape', false)`);
  const { rows } = await backend.query('SELECT $1::bytea AS b, ARRAY[$1::bytea] AS list', [bytes]);
  expect(rows).toEqual([{ b: bytes, list: [bytes] }]);
});

describe('a statement that was run before takes the types that its table has now', () => {
  const insert = async (value: string | number): Promise<void> => {
    await backend.execute('INSERT INTO t VALUES ($1)', [value]);
  };

  test('after a column got another type', async () => {
    await backend.execute('CREATE TABLE t (v int)');
    for (const value of [1, 2, 3]) await insert(value);
    await backend.execute('ALTER TABLE t ALTER COLUMN v TYPE text');
    await insert('four');
    expect(await backend.readTable('t')).toHaveLength(4);
  });

  test('after the table was made anew', async () => {
    await backend.execute('CREATE TABLE t (v int)');
    for (const value of [1, 2, 3]) await insert(value);
    await backend.execute('DROP TABLE t');
    await backend.execute('CREATE TABLE t (v text)');
    await insert('four');
    expect(await backend.readTable('t')).toEqual([{ v: 'four' }]);
  });

  test('while one that fails as it runs is run once', async () => {
    await backend.execute('CREATE SEQUENCE s');
    await backend.execute('CREATE TABLE t (v text)');
    const fails = `INSERT INTO t SELECT (nextval('s') || $1::text)::int::text`;
    for (const value of ['1', '2']) await backend.execute(fails, [value]);
    await expect(backend.execute(fails, ['x'])).rejects.toMatchObject({ cause: { code: '22P02' } });
    const admin = new pg.Client(databaseUrl);
    await admin.connect();
    const { rows } = await admin.query(`SELECT last_value FROM "mdm_${backend.dataset}".s`);
    await admin.end();
    expect(rows).toEqual([{ last_value: '3' }]);
  });
});
