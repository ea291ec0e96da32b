import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { StatementClassifier } from '../classifier.ts';
import { dressedReads, ordinaryReads, ordinaryTables } from '../test-kit/ordinary.ts';
import { actsOf, comparable, notReads, summary } from '../test-kit/summary.ts';
import { tpchQueries, tpchTables } from '../test-kit/tpch.ts';
import { createDuckdbClassifier } from './duckdb-classifier.ts';
import { actingCalls } from './test-kit/acting-calls.ts';
import { labelled, labelledSetup } from './test-kit/labelled-statements.ts';

describe('DuckDB', () => {
  let instance: DuckDBInstance;
  let connection: DuckDBConnection;
  let classifier: StatementClassifier;

  beforeAll(async () => {
    instance = await DuckDBInstance.create(':memory:');
    connection = await instance.connect();
    for (const sql of [...labelledSetup, ...ordinaryTables, ...tpchTables])
      await connection.run(sql);
    await connection.run('create table folding(name varchar collate nocase primary key)');
    classifier = createDuckdbClassifier({ connect: () => instance.connect() });
    await classifier.learn('create temp table mytemp(a int)');
  });

  afterAll(async () => {
    await classifier.close();
    connection.closeSync();
    instance.closeSync();
  });

  test.each(labelled)('%s: %s, session %s, order %s, undetermined %s', async (...label) => {
    expect(await summary(classifier, label[0])).toEqual(label);
  });

  test.each(actingCalls)('%s acts', async (sql) => {
    expect((await classifier.learn(sql)).effect).not.toBe('reads');
  });

  test("all of TPC-H's queries and of ordinary reads can be compared, of which 95 % are asked for", async () => {
    for (const statements of [tpchQueries, ordinaryReads]) {
      expect(await comparable(classifier, statements)).toEqual({ share: 1, others: [] });
    }
  });

  test("TPC-H's queries, ordinary reads, and reads behind comments are reads", async () => {
    const statements = [...tpchQueries, ...ordinaryReads, ...dressedReads];
    expect(await notReads(classifier, statements)).toEqual([]);
  });

  test.each([
    'explain analyze with x as (select 9 as id) insert into t(a) select id from x',
    'explain (format json, analyze) delete from t',
    "pivot (select nextval('s') as a, b from t) on b using count(*)",
    "from query('select 1')",
    'select * from nowhere',
    'select 1 \0 ; drop table t',
    'pragma enable_profiling; pragma version',
  ])('%s acts', async (sql) => {
    expect((await classifier.learn(sql)).effect).not.toBe('reads');
  });

  test('looking at EXPORT DATABASE makes no folder', async () => {
    const folder = join(tmpdir(), 'changeover-classify-export');
    for (const sql of [`export database '${folder}'`, `explain export database '${folder}'`])
      expect((await classifier.learn(sql)).effect).not.toBe('reads');
    expect(existsSync(folder)).toBe(false);
  });

  test('a write that answers with rows is named', async () => {
    expect(await actsOf(classifier, "insert into t values (1, 'x', 1) returning a")).toEqual([
      'writes rows',
      'returns rows of a write',
    ]);
  });

  test('a window over rows with ties leaves its own column undetermined, and LIMIT which rows there are', async () => {
    const statement = await classifier.learn(
      'select a, row_number() over (order by b) as r from t limit 20',
    );
    expect(statement).toMatchObject({
      order: 'none',
      undetermined: [{ what: 'order of rows', where: 'columns', columns: [1] }],
      limited: {
        rows: 'any',
        sqlWithoutLimit: 'select a, row_number() over (order by b) as r from t',
      },
    });
  });

  test.each([
    ['max_by(b, a)', []],
    ['arg_min(b, a, 3)', []],
    ['argmax(b, f)', [0]],
    ['arg_max_null(a, b)', [0]],
  ])(
    '%s leaves open which of the rows that are equal in its second argument it takes',
    async (call, columns) => {
      const { undetermined } = await classifier.learn(`select ${call} as x, count(*) as n from t`);
      expect(
        undetermined.flatMap((part) => (part.where === 'columns' ? part.columns : [-1])),
      ).toEqual(columns);
    },
  );

  test.each([
    ...['-a', 't.a + 0', '10 - a', 'a * -2', '-(a + 1)'].map(
      (term) => [`select b from t order by ${term}`, 'total'] as const,
    ),
    ...['a * 0', 'a // 2', 'abs(a)', 'a + 0.5', 'a + ?', 'a + f', '-f'].map(
      (term) => [`select b from t order by ${term}`, 'ties'] as const,
    ),
    ['select name from folding order by name', 'ties'],
  ])('%s promises the order %s', async (sql, order) => {
    expect((await classifier.learn(sql)).order).toBe(order);
  });

  test('unnest among the columns reads', async () => {
    expect((await classifier.learn('select unnest([1, 2]) as a')).effect).toBe('reads');
  });

  test('by ORDER BY ALL the columns are sorted from the first on', async () => {
    expect((await classifier.learn('select a, b from t order by all')).sortedBy).toEqual([0, 1]);
    expect((await classifier.learn('select a, *, b from t order by all')).sortedBy).toEqual([0, 1]);
  });

  test('without its limit a statement with parameters gives every row', async () => {
    const { limited } = await classifier.learn(
      'select * from range(5) r(i) where i > ? limit ? offset ?',
    );
    const reader = await connection.runAndReadAll(limited?.sqlWithoutLimit ?? '', [0, 1, 1]);
    expect(reader.getRows()).toHaveLength(4);
  });

  test('the answer to a text that is new is pending, and counts as acting until it is known', async () => {
    const sql = 'select a from t where a = 4711';
    expect(classifier.classify(sql)).toBe('pending');
    await classifier.settled();
    expect(classifier.classify(sql)).toMatchObject({ effect: 'reads', order: 'none' });
  });

  test('a change of the schema is learned once it was told', async () => {
    await connection.run('create view changing as select 1 as a');
    expect((await classifier.learn('from changing')).effect).not.toBe('reads');
    classifier.schemaChanged();
    expect((await classifier.learn('from changing')).effect).toBe('reads');
  });
});
