import Database from 'better-sqlite3';
import { afterAll, describe, expect, test } from '@jest/globals';
import { boundOf, estimatedMs } from './statement-bound.ts';
import type { Instruction, StatementBound } from './statement-bound.ts';

const database = new Database(':memory:');
database.exec(`
  CREATE TABLE t (id INTEGER PRIMARY KEY, a, b);
  CREATE UNIQUE INDEX ta ON t (a);
  CREATE INDEX tb ON t (b);
  CREATE TABLE logged (x);
  CREATE TRIGGER logs AFTER INSERT ON logged BEGIN INSERT INTO t (a, b) SELECT a, b FROM t; END;
  CREATE VIEW endless AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n;
`);
afterAll(() => {
  database.close();
});

const bound = (sql: string): StatementBound =>
  boundOf(database.prepare(`EXPLAIN ${sql}`).raw().all() as Instruction[]);

describe('a statement whose instructions run at most once', () => {
  test.each([
    'SELECT * FROM t WHERE id = 1',
    'SELECT * FROM t WHERE a = 1',
    "SELECT 1 + 2, 'x'",
    'INSERT INTO t (a) VALUES (1)',
    'INSERT INTO t (a) VALUES (1), (2), (3)',
    'UPDATE t SET b = 1 WHERE id = 1',
    'DELETE FROM t WHERE id = 1',
    'CREATE TABLE made (a)',
  ])('%s', (sql) => {
    expect(bound(sql)).toEqual({ depth: 0, recursive: false, rows: undefined });
  });
});

describe('a statement of loops', () => {
  test.each([
    ['SELECT * FROM t', 1],
    ['SELECT * FROM t WHERE b = 1', 1],
    ['SELECT count(*) FROM t', 1],
    ['UPDATE t SET b = 1', 1],
    ['DELETE FROM t', 1],
    ['VACUUM', 1],
    ['SELECT * FROM t AS x JOIN t AS y ON y.id = x.b', 1],
    ['SELECT * FROM t AS x JOIN t AS y ON y.b = x.b', 2],
    ['SELECT count(*) FROM t AS x, t AS y, t AS z', 3],
    ['SELECT (SELECT count(*) FROM t AS y WHERE y.b < x.b) FROM t AS x', 2],
    ['INSERT INTO logged VALUES (1)', 1],
    ['CREATE INDEX made ON t (a, b)', 1],
  ])('%s: %d inside each other', (sql, depth) => {
    expect(bound(sql)).toMatchObject({ depth, recursive: false });
  });
});

describe('a recursion', () => {
  test.each([
    'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n',
    'WITH RECURSIVE n(i) AS (SELECT 1 UNION SELECT i + 1 FROM n) SELECT count(*) FROM n',
    'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n ORDER BY 1) SELECT i FROM n LIMIT 3',
    'WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) INSERT INTO t (a) SELECT i FROM n',
    'SELECT * FROM endless LIMIT 1',
    'SELECT * FROM t WHERE EXISTS (SELECT 1 FROM endless WHERE i = t.a)',
    'DELETE FROM t WHERE a IN (SELECT i FROM endless)',
  ])('is found in %s', (sql) => {
    expect(bound(sql).recursive).toBe(true);
  });

  test.each([
    'SELECT row_number() OVER (PARTITION BY a ORDER BY b) FROM t',
    'SELECT sum(b) OVER (ORDER BY a ROWS BETWEEN 2 PRECEDING AND 1 FOLLOWING) FROM t',
    'SELECT * FROM (SELECT a, count(*) AS c FROM t GROUP BY a ORDER BY c) LIMIT 5',
    'SELECT a FROM t UNION SELECT b FROM t EXCEPT SELECT id FROM t ORDER BY 1',
    'WITH x AS MATERIALIZED (SELECT * FROM t) SELECT * FROM x, x AS y',
    "SELECT value FROM json_each('[1, 2]')",
    'SELECT * FROM t WHERE a IN (1, 2) OR b = 3',
  ])('is not found in %s', (sql) => {
    expect(bound(sql).recursive).toBe(false);
  });
});

describe('a limit', () => {
  test('bounds what gives a row at each turn', () => {
    expect(bound('SELECT * FROM t LIMIT 7').rows).toBe(7);
    expect(bound('SELECT * FROM t ORDER BY id DESC LIMIT 7').rows).toBe(7);
  });

  test.each([
    'SELECT * FROM t WHERE b + 1 = 3 LIMIT 7',
    'SELECT a + b AS c FROM t ORDER BY c LIMIT 7',
    'SELECT * FROM t AS x, t AS y LIMIT 7',
  ])('does not bound what passes over rows: %s', (sql) => {
    expect(bound(sql).rows).toBeUndefined();
  });
});

test('the estimate grows with the file by the loops inside each other, and a recursion has none', () => {
  const of = (depth: number): StatementBound => ({ depth, recursive: false, rows: undefined });
  expect(estimatedMs(of(0), 1e9)).toBeLessThan(1);
  expect(estimatedMs(of(1), 2_000)).toBeCloseTo(2 * estimatedMs(of(1), 1_000), 0);
  expect(estimatedMs(of(2), 2_000)).toBeCloseTo(4 * estimatedMs(of(2), 1_000), -1);
  expect(estimatedMs({ depth: 1, recursive: false, rows: 10 }, 1e9)).toBeLessThan(1);
  expect(estimatedMs({ depth: 1, recursive: true, rows: 10 }, 1)).toBe(Infinity);
});
