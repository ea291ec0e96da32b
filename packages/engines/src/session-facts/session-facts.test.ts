import { describe, expect, test } from '@jest/globals';
import type { Engine } from '@changeover/engines/api';
import { type SessionUse, sessionFactsByWords } from './session-facts.ts';

const cases: Readonly<Record<Engine, readonly (readonly [SessionUse, string])[]>> = {
  postgresql: [
    ['none', 'SELECT count(*), max(a) FROM t WHERE b IN (1, 2) AND lower(c) = $1'],
    [
      'none',
      "INSERT INTO other.t (a, b) VALUES ($1, nextval('s')) ON CONFLICT (a) DO UPDATE SET b = excluded.b",
    ],
    ['none', 'WITH x (a) AS (SELECT 1), y (b) AS MATERIALIZED (SELECT 2) SELECT * FROM x, y'],
    ['none', 'SELECT * FROM unnest($1::int[]) WITH ORDINALITY u(v, n), generate_series(1, 3) g(i)'],
    ['none', 'SELECT row_number() OVER (PARTITION BY a ORDER BY b), a::numeric(10, 2) FROM t'],
    ['none', 'SELECT pg_catalog.current_setting($1), "lower"(a) FROM t'],
    ['none', "SELECT $$set_config(1)$$, 'pg_advisory_lock(1)' -- SET x\n /* /* CREATE TEMP */ */"],
    ['none', 'CREATE TABLE IF NOT EXISTS t (a int DEFAULT mine(1), PRIMARY KEY (a))'],
    ['none', 'CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$'],
    ['none', `CREATE OR REPLACE VIEW v AS SELECT set_config('a.b', 'c', false)`],
    ['none', `CREATE RULE r AS ON INSERT TO t DO ALSO SELECT set_config('a.b', 'c', false)`],
    ['none', `CREATE TABLE t (a int, b text DEFAULT set_config('a.b', 'c', false))`],
    ['none', 'CREATE FUNCTION f() RETURNS void BEGIN ATOMIC SELECT pg_advisory_lock(1); END'],
    ['sets', `CREATE TABLE t AS SELECT set_config('a.b', 'c', false) AS a`],
    ['sets', `CREATE MATERIALIZED VIEW v AS SELECT set_config('a.b', 'c', false) AS a`],
    ['sets', `ALTER TABLE t ADD COLUMN b text DEFAULT set_config('a.b', 'c', false)`],
    ['none', 'SET LOCAL lock_timeout = 10'],
    ['none', `SELECT set_config('app.tenant', $1, true)`],
    ['none', 'SELEC nothing'],
    ['none', ''],
    ['sets', `SELECT set_config('app.tenant', $1, false)`],
    ['sets', `SELECT set_config('app.tenant', $1, $2)`],
    ['sets', `SELECT PG_CATALOG . "set_config" ('a', 'b', false)`],
    ['sets', `UPDATE t SET a = set_config('a', b, 1 = 1)`],
    ['sets', 'SET search_path TO x'],
    ['locks', 'SELECT 1 /* a */ FROM t WHERE pg_try_advisory_lock/**/(1)'],
    ['temporary', 'CREATE LOCAL TEMPORARY TABLE t (a int)'],
    ['temporary', 'CREATE OR REPLACE TEMP VIEW v AS SELECT 1'],
    ['temporary', 'SELECT 1 AS a INTO TEMP t'],
    ['temporary', 'CREATE TABLE pg_temp.t (a int)'],
    ['temporary', 'INSERT INTO "pg_temp".t VALUES (1)'],
    ['unknown', 'SELECT mine(1)'],
    ['unknown', 'SELECT other.lower(a) FROM t'],
    ['unknown', 'CREATE TABLE t AS SELECT mine(1)'],
    ['unknown', 'DO $$ BEGIN END $$'],
    ['unknown', 'CALL p()'],
    ['unknown', 'LISTEN x'],
  ],
  sqlite: [
    ['none', 'SELECT replace(a, [temp], `temp`) FROM t WHERE b = ?1 AND c = :d'],
    ['none', 'PRAGMA table_info(t)'],
    ['temporary', 'CREATE TEMP TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END'],
    ['temporary', 'SELECT * FROM temp.t'],
    ['temporary', 'SELECT * FROM sqlite_temp_master'],
    ['sets', 'EXPLAIN PRAGMA case_sensitive_like = ON'],
    ['sets', 'PRAGMA main.data_version'],
    ['sets', 'SELECT v.* FROM "pragma_data_version" AS v'],
    ['none', `SELECT data_version FROM t WHERE a = 'pragma_data_version'`],
  ],
  duckdb: [
    ['none', `SELECT list_transform([1, 2], lambda x: x + 1), 'temp.t' FROM t`],
    ['temporary', 'CREATE OR REPLACE TEMPORARY MACRO m(a) AS a + 1'],
    ['temporary', 'SELECT * FROM temp.main.t'],
    ['sets', 'SELECT setseed(0.5)'],
  ],
};

describe.each(Object.entries(cases))('%s', (engine, rows) => {
  const facts = sessionFactsByWords(engine as Engine);
  test.each(rows)('%s: %s', (use, sql) => {
    expect(facts.sessionUse(sql)).toBe(use);
  });
});

test('what asks for the last write is told by the function, whatever its spelling', () => {
  const sqlite = sessionFactsByWords('sqlite');
  expect(sqlite.readsLastWrite('SELECT Last_Insert_RowId() AS id')).toBe(true);
  expect(sqlite.readsLastWrite('SELECT changes FROM t')).toBe(false);
  const postgresql = sessionFactsByWords('postgresql');
  expect(postgresql.readsLastWrite(`SELECT pg_catalog.currval ('s')`)).toBe(true);
  expect(postgresql.readsLastWrite(`SELECT 'lastval()'`)).toBe(false);
});
