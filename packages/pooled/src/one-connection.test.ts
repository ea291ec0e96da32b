import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Engine, engines, type StorageBackend } from '@changeover/engines/api';
import { StorageBackendFactory } from './storage-backend-factory.ts';
import type { StorageBackendFactoryOptions } from './factory-options.ts';

// A dataset's connection that is kept for what statements left on it, where it is checked at each lending, and where there is no other.

let basePath: string;
let named = 0;
beforeAll(() => {
  basePath = mkdtempSync(join(tmpdir(), 'changeover-one-'));
});
afterAll(() => {
  rmSync(basePath, { recursive: true, force: true });
});

async function withDataset(
  engine: Engine,
  options: Partial<StorageBackendFactoryOptions>,
  work: (storage: StorageBackend, dataset: string) => Promise<void>,
): Promise<void> {
  const where = { basePath, databaseUrl: process.env['CHANGEOVER_TEST_DATABASE_URL'] };
  const maker = new StorageBackendFactory(where);
  const factory = new StorageBackendFactory({ ...where, ...options });
  named += 1;
  const dataset = `one_${process.pid.toString(36)}_${named}`;
  await maker.storage(engine).createDataset(dataset);
  try {
    await work(factory.storage(engine), dataset);
  } finally {
    await factory.close({ deadlineMs: 5_000 });
    await maker.storage(engine).dropDataset(dataset);
    await maker.close();
  }
}

const rowsOf = async (storage: StorageBackend, dataset: string, sql: string): Promise<unknown> =>
  (await storage.query(dataset, sql)).rows;

describe.each(engines)('%s', (engine) => {
  test('a connection that is kept is still there when it has been idle', async () => {
    const pools = { [engine]: { validateAfterIdleMs: 0 } };
    await withDataset(engine, { pools }, async (storage, dataset) => {
      await storage.execute(dataset, 'CREATE TEMP TABLE mine (a int)');
      await storage.execute(dataset, 'INSERT INTO mine VALUES (5)');
      expect(await rowsOf(storage, dataset, 'SELECT a FROM mine')).toEqual([{ a: 5 }]);
    });
  });

  test.each<[string, Partial<StorageBackendFactoryOptions>]>([
    ['a pool of one', { pools: { [engine]: { max: 1 } } }],
    ['a budget of one', { budgets: { [engine]: 1 } }],
  ])('on %s, a session beside one that is kept is refused at once', async (_name, options) => {
    await withDataset(engine, options, async (storage, dataset) => {
      // Nothing is kept yet.
      expect(
        await storage.session(
          dataset,
          async (session) => (await session.query('SELECT 1 AS a')).rows,
        ),
      ).toEqual([{ a: 1 }]);
      await storage.execute(dataset, 'CREATE TEMP TABLE mine AS SELECT 5 AS a');
      for (let times = 0; times < 12; times += 1) {
        await expect(storage.session(dataset, () => 1)).rejects.toMatchObject({
          code: 'POOL_EXHAUSTED',
          retryable: false,
          operation: 'session',
          message: expect.stringMatching(
            /^session\(\) .* 1 in use, .* of at most 1; .* at least 2/,
          ),
        });
      }
      // It is no failure of the connection's.
      expect(await rowsOf(storage, dataset, 'SELECT a FROM mine')).toEqual([{ a: 5 }]);
      expect(
        await storage.transaction(
          dataset,
          async (transaction) => (await transaction.query('SELECT a FROM mine')).rows,
        ),
      ).toEqual([{ a: 5 }]);
    });
  });
});

test.each<[Engine, string, string]>([
  ['postgresql', 'CREATE TABLE t (id serial, a int)', 'SELECT lastval() AS id'],
  ['sqlite', 'CREATE TABLE t (id INTEGER PRIMARY KEY, a int)', 'SELECT last_insert_rowid() AS id'],
])(
  'on one connection, %s tells what the last write left, and reads are not in its way',
  async (engine, made, last) => {
    const slow =
      'WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 1000) SELECT count(*) AS c FROM r';
    await withDataset(engine, { budgets: { [engine]: 1 } }, async (storage, dataset) => {
      await storage.execute(dataset, made);
      for (const id of [1, 2]) {
        await storage.execute(dataset, 'INSERT INTO t (a) VALUES (7)');
        expect(await rowsOf(storage, dataset, slow)).toEqual([{ c: 1000 }]);
        expect(await rowsOf(storage, dataset, last)).toEqual([{ id }]);
      }
      expect(await rowsOf(storage, dataset, 'SELECT id FROM t ORDER BY id')).toEqual([
        { id: 1 },
        { id: 2 },
      ]);
    });
  },
);
