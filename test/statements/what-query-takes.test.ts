import { afterEach, describe, expect, test } from '@jest/globals';
import { InvalidArgumentError, ReadOnlyError } from '@changeover/engines/api';
import { type Stage } from 'changeover';
import { counted } from '../kit/counted.ts';
import { openDataset, removeAll } from './open-dataset.ts';

afterEach(removeAll);

const stages: readonly Stage[] = ['legacy', 'shadow', 'reverse', 'pooled'];

describe.each(stages)('at %s', (stage) => {
  test('sqlite: a PRAGMA that is refused has not acted, however it is written', async () => {
    const { storage, dataset, bridge } = await openDataset('sqlite', stage);
    await storage.execute(dataset, 'CREATE TABLE parents (id INTEGER PRIMARY KEY)');
    await storage.execute(dataset, 'CREATE TABLE children (parent INTEGER REFERENCES parents(id))');
    for (const pragma of ['foreign_keys = OFF', 'main.foreign_keys(0)', '"foreign_keys" = 0'])
      for (const before of ['', '/* ; */ ', '; ', 'EXPLAIN ', 'explain query plan ']) {
        const sql = `${before}PRAGMA ${pragma}`;
        await expect(storage.query(dataset, sql)).rejects.toThrow(ReadOnlyError);
        await expect(storage.execute(dataset, sql)).rejects.toThrow(InvalidArgumentError);
      }
    await expect(storage.query(dataset, 'PRAGMA case_sensitive_like = ON')).rejects.toThrow(
      ReadOnlyError,
    );
    await expect(storage.execute(dataset, 'INSERT INTO children VALUES (77)')).rejects.toThrow();
    const { rows } = await storage.query(dataset, "SELECT 'Apple' LIKE 'apple' AS same");
    expect(rows).toEqual([{ same: 1 }]);
    await bridge.idle();
    expect(counted(bridge.recorder, 'mismatch')).toBe(0);
  });

  test('sqlite: statements that only tell are taken', async () => {
    const { storage, dataset } = await openDataset('sqlite', stage);
    await storage.writeTable(dataset, 't', [{ id: 1 }]);
    for (const sql of [
      '/* c */ PRAGMA table_info(t)',
      '-- c\nPRAGMA main.index_list("t");',
      'PRAGMA busy_timeout',
      'EXPLAIN INSERT INTO t VALUES (2)',
      'EXPLAIN QUERY PLAN DELETE FROM t',
      'WITH a AS (SELECT 1) SELECT * FROM a, t',
    ])
      await storage.query(dataset, sql);
    expect(await storage.readTable(dataset, 't')).toEqual([{ id: 1 }]);
  });

  test('duckdb: what EXPLAIN ANALYZE would write is refused, and no number of a sequence is taken', async () => {
    const { storage, dataset, bridge } = await openDataset('duckdb', stage);
    await storage.execute(dataset, 'CREATE TABLE t (id INTEGER)');
    await storage.execute(dataset, 'CREATE SEQUENCE numbers');
    for (const sql of [
      'EXPLAIN ANALYZE INSERT INTO t VALUES (1)',
      'EXPLAIN ANALYZE WITH x AS (SELECT 9 AS id) INSERT INTO t SELECT id FROM x',
      'EXPLAIN (FORMAT json, ANALYZE) DELETE FROM t',
      'explain /* c */ analyze delete from t',
      `SELECT "nextval"('numbers')`,
      `SELECT 'numbers'.nextval()`,
      `FROM t SELECT nextval /* c */ ('numbers')`,
      'WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x',
      'SET threads = 1',
    ])
      await expect(storage.query(dataset, sql)).rejects.toThrow(ReadOnlyError);
    await bridge.idle();
    await storage.execute(dataset, "INSERT INTO t VALUES (nextval('numbers'))");
    expect(await storage.readTable(dataset, 't')).toEqual([{ id: 1 }]);
  });

  test('duckdb: statements that read are taken, whatever they begin with', async () => {
    const { storage, dataset, compared } = await openDataset('duckdb', stage);
    await storage.writeTable(dataset, 't', [{ id: 1, y: 2020 }]);
    for (const sql of [
      "SELECT 'nextval(' AS a",
      'FROM t',
      'EXPLAIN INSERT INTO t VALUES (2, 2)',
      'EXPLAIN ANALYZE WITH x AS (SELECT 1) SELECT * FROM x',
      "/* c */ PRAGMA table_info('t')",
      'SUMMARIZE t',
    ])
      await storage.query(dataset, sql);
    const pivot = 'PIVOT t ON y USING count(*)';
    expect((await storage.query(dataset, pivot)).columns).toEqual(['id', '2020']);
    const beside = stage === 'shadow' || stage === 'reverse';
    expect(await compared(pivot)).toEqual(beside ? { match: 1 } : {});
    expect(await storage.readTable(dataset, 't')).toHaveLength(1);
  });

  test('postgresql: in a transaction, a query may change or lock the rows that it gives', async () => {
    const { storage, dataset } = await openDataset('postgresql', stage);
    await storage.writeTable(dataset, 't', [{ id: 1 }]);
    const sql = 'INSERT INTO t VALUES (2) RETURNING id';
    await expect(storage.query(dataset, sql)).rejects.toThrow(ReadOnlyError);
    const given = await storage.transaction(dataset, async (inside) => {
      await inside.query('SELECT id FROM t WHERE id = 1 FOR UPDATE');
      await expect(inside.query('DELETE FROM t')).rejects.toThrow(ReadOnlyError);
      return await inside.query(sql);
    });
    expect(given.rows).toEqual([{ id: 2 }]);
    expect(await storage.readTable(dataset, 't')).toHaveLength(2);
  });
});
