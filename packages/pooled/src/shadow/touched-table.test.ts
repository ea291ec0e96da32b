import { expect, test } from '@jest/globals';
import { touchedTable } from './touched-table.ts';

test.each([
  ['INSERT INTO t VALUES (1)', 't'],
  ['insert or replace into "my ""own"" table" values (1)', 'my "own" table'],
  [' -- a comment\n/* and another */ UPDATE t SET x = 1', 't'],
  ['delete from Täble where 1 = 1', 'Täble'],
  ['REPLACE INTO t SELECT 1', 't'],
  ['TRUNCATE TABLE t', 't'],
  ['DELETE FROM main.t', undefined],
  ['MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE', 't'],
  ['WITH a AS (SELECT 1) DELETE FROM t', 't'],
  ['WITH a AS (SELECT (1)), b(x) AS (SELECT 2) INSERT OR REPLACE INTO "T" SELECT 1', 'T'],
  ['WITH RECURSIVE a AS MATERIALIZED (SELECT 1) UPDATE t SET x = 1', 't'],
  ['WITH a AS (INSERT INTO u VALUES (1) RETURNING x) DELETE FROM t', undefined],
  ['WITH a AS (SELECT 1) SELECT 1 FROM t', undefined],
  ['CREATE TABLE t (x)', undefined],
  ['', undefined],
])('%j writes to %j', (sql, table) => {
  expect(touchedTable(sql, 'sqlite')).toBe(table);
});

test('PostgreSQL lowers names that are not quoted', () => {
  expect(touchedTable('UPDATE Train SET x = 1', 'postgresql')).toBe('train');
  expect(touchedTable('UPDATE ONLY "Train" SET x = 1', 'postgresql')).toBe('Train');
});
