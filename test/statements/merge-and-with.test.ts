import { afterEach, describe, expect, test } from '@jest/globals';
import { type Engine, engines } from 'changeover';
import { openDataset, removeAll, type WriteFault } from './open-dataset.ts';

// Writes whose table does not stand at their beginning are rehearsed and compared as all others.

afterEach(removeAll);

const behindWith = [
  'WITH x AS (SELECT 1 AS a) INSERT INTO t (id) SELECT a + (SELECT max(id) FROM t) FROM x',
  'WITH x AS (SELECT 1 AS a) UPDATE t SET n = n + 1 WHERE id IN (SELECT a FROM x)',
  'WITH x(a) AS (SELECT 90), y AS (SELECT a FROM x) DELETE FROM t WHERE id > (SELECT a FROM y)',
];
const merge =
  'MERGE INTO t USING (SELECT 1 AS id UNION ALL SELECT max(id) + 1 FROM t) AS v ON t.id = v.id ' +
  'WHEN MATCHED THEN UPDATE SET n = n + 1 WHEN NOT MATCHED THEN INSERT (id) VALUES (v.id)';
const statementsOf = (engine: Engine): string[] =>
  engine === 'sqlite' ? behindWith : [...behindWith, merge];

const oneMore: WriteFault = (effect) => ({
  ...effect,
  rowsAffected: Number(effect.rowsAffected) + 1,
});
const otherRows: WriteFault = ({ tables, ...effect }) => ({
  ...effect,
  tables: Object.fromEntries(
    Object.entries(tables).map(([table, digest]) => [table, { ...digest, orderFree: 'other' }]),
  ),
});

describe.each(engines)('%s', (engine) => {
  test.each(statementsOf(engine))('%s', async (sql) => {
    const { storage, dataset, written } = await openDataset(engine, 'shadow');
    await storage.execute(dataset, 'CREATE TABLE t (id INTEGER, n INTEGER DEFAULT 7)');
    await storage.execute(dataset, 'INSERT INTO t VALUES (1, 1), (2, 2), (99, 99)');
    // On SQLite the first of its shape is measured.
    if (engine === 'sqlite') await written(sql);
    expect(await written(sql)).toEqual({ match: 1 });
    for (const fault of [oneMore, otherRows]) {
      const outcomes = [];
      for (let turn = 0; turn < 3; turn += 1) outcomes.push(await written(sql, fault));
      expect(outcomes).toEqual([{ inconclusive: 1 }, { inconclusive: 1 }, { mismatch: 1 }]);
    }
  });
});

test.each([
  ['postgresql', behindWith[0]],
  ['postgresql', merge],
  ['duckdb', behindWith[0]],
  ['duckdb', merge],
] as const)('%s: one that takes a number takes it once: %s', async (engine, sql = '') => {
  const { storage, dataset, written } = await openDataset(engine, 'shadow');
  await storage.execute(dataset, 'CREATE SEQUENCE numbers');
  await storage.execute(
    dataset,
    "CREATE TABLE t (id INTEGER, n INTEGER DEFAULT nextval('numbers'))",
  );
  await storage.execute(dataset, 'INSERT INTO t VALUES (1, 1)');
  expect(await written(sql)).toEqual({ 'side-effects': 1 });
  expect((await storage.query(dataset, 'SELECT n FROM t WHERE id = 2')).rows).toEqual([{ n: 1 }]);
});
