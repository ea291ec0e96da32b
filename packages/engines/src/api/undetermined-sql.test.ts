import { describe, expect, test } from '@jest/globals';
import { undeterminedSql } from './undetermined-sql.ts';

describe('the words of a statement', () => {
  test.each([
    ['SELECT random() AS r', 'volatile'],
    ['select * from t order by RANDOM () limit 3', 'volatile'],
    ['SELECT hex(randomblob(8))', 'volatile'],
    ["SELECT nextval('s')", 'volatile'],
    ['SELECT now()', 'volatile'],
    ['SELECT id FROM t WHERE at < CURRENT_TIMESTAMP', 'volatile'],
    ["SELECT datetime('now')", 'volatile'],
    ["SELECT strftime('%Y', 'now')", 'volatile'],
    ['SELECT * FROM t TABLESAMPLE SYSTEM (10)', 'volatile'],
    ['SELECT * FROM t USING SAMPLE 3', 'volatile'],
    ['SELECT a FROM t LIMIT 3', 'choice'],
    ['SELECT DISTINCT a FROM t FETCH FIRST 2 ROWS ONLY', 'choice'],
    ['SELECT DISTINCT ON (a) a, b FROM t', 'choice'],
    ['SELECT first(a) FROM t GROUP BY b', 'choice'],
    ["SELECT string_agg(a, ',') FROM t", 'choice'],
    ['SELECT group_concat(a) FROM t', 'choice'],
    ['SELECT avg(a) FROM t', 'rounding'],
    ['SELECT b, SUM(a) FROM t GROUP BY b ORDER BY b', 'rounding'],
    ['SELECT stddev_pop(a) FROM t', 'rounding'],
  ])('%s: %s', (sql, kind) => {
    expect(undeterminedSql(sql)?.kind).toBe(kind);
  });

  test.each([
    'SELECT * FROM t',
    'SELECT a FROM t ORDER BY a LIMIT 3',
    'SELECT count(*), min(a), max(a) FROM t',
    "SELECT 'random()' AS text",
    'SELECT "now()" FROM t',
    'SELECT a -- LIMIT 3\nFROM t',
    'SELECT a /* random() */ FROM t',
    "SELECT date('2024-01-31')",
    'SELECT firstname, listed, summary FROM t',
    "SELECT 'LIMIT' AS a, ';' AS b FROM t",
  ])('%s: determined', (sql) => {
    expect(undeterminedSql(sql)).toBeUndefined();
  });
});
