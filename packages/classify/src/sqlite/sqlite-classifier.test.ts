import { describe, expect, test } from '@jest/globals';
import type { StatementClassifier } from '../classifier.ts';
import {
  dressedReads,
  ordinaryReads,
  ordinaryTables,
  windowsInSubqueries,
} from '../test-kit/ordinary.ts';
import { actsOf, comparable, notReads, summary } from '../test-kit/summary.ts';
import { tpchQueriesOfSqlite, tpchTables } from '../test-kit/tpch.ts';
import { createSqliteClassifier } from './sqlite-classifier.ts';
import { labelled, labelledSetup } from './test-kit/labelled-statements.ts';

const schema = [
  ...labelledSetup,
  ...ordinaryTables,
  ...tpchTables,
  'create table folded(name text unique not null collate nocase)',
  'create table declared(id int primary key not null)',
  'create table descending(id integer primary key desc)',
  'create table named(rowid text, x)',
  'create table withoutrowid(k integer primary key, x) without rowid',
  "create virtual table missing using no_such_module('x')",
];

async function classifierWith(authorizer: boolean): Promise<StatementClassifier> {
  const classifier = createSqliteClassifier({
    readSchema: () => schema,
    authorizer,
    pure: ['mine'],
  });
  await classifier.learn('create temp table mytemp(a int)');
  return classifier;
}

describe.each([
  ['with an authorizer', true],
  ['by compiled programs alone', false],
])('SQLite %s', (_, authorizer) => {
  // Table-valued PRAGMAs can't be told from other virtual tables in a program.
  const told = labelled.filter(([sql]) => authorizer || !/from pragma_/.test(sql));

  test.each(told)('%s: %s, session %s, order %s, undetermined %s', async (...label) => {
    const classifier = await classifierWith(authorizer);
    expect(await summary(classifier, label[0])).toEqual(label);
  });

  test.each(windowsInSubqueries)('%s: undetermined are the columns %j', async (sql, columns) => {
    const { undetermined } = await (await classifierWith(authorizer)).learn(sql);
    const open = undetermined.flatMap((part): readonly (number | string)[] =>
      part.where === 'columns' ? part.columns : ['all'],
    );
    expect(open).toEqual(columns ?? ['all']);
  });

  test("all of TPC-H's queries and of ordinary reads can be compared, of which 95 % are asked for", async () => {
    for (const statements of [tpchQueriesOfSqlite, ordinaryReads]) {
      expect(await comparable(await classifierWith(authorizer), statements)).toEqual({
        share: 1,
        others: [],
      });
    }
  });

  test("TPC-H's queries, ordinary reads, and reads behind comments are reads", async () => {
    const statements = [...tpchQueriesOfSqlite, ...ordinaryReads, ...dressedReads];
    expect(await notReads(await classifierWith(authorizer), statements)).toEqual([]);
  });

  test.each([
    'explain pragma case_sensitive_like = on',
    '/* c */ pragma foreign_keys = off',
    'select * from missing',
    'select yours(1)',
    'with x as (select 1) delete from t',
    'select 1 \0 ; drop table t',
    'select 1; pragma foreign_keys = off',
  ])('%s acts', async (sql) => {
    const classifier = await classifierWith(authorizer);
    expect((await classifier.learn(sql)).effect).not.toBe('reads');
  });

  test('a PRAGMA is never run: what a later statement means stays', async () => {
    const classifier = await classifierWith(authorizer);
    for (const sql of [
      'pragma foreign_keys = off',
      'explain pragma writable_schema = on',
      'pragma user_version = 7',
    ])
      await classifier.learn(sql);
    expect(await notReads(classifier, ['select mine(a) from t', 'pragma table_info(t)'])).toEqual(
      [],
    );
  });
});

describe('SQLite', () => {
  test.each([
    ['select * from t order by a', 'total'],
    ['select * from t order by b', 'ties'],
    ['select * from t order by b, rowid', 'total'],
    ['select * from users order by 1', 'ties'],
    ['select id from users order by 1', 'total'],
    ['select * from folded order by name', 'ties'],
    ['select a from t group by a order by a', 'total'],
    ['select * from (select * from t order by a)', 'none'],
    // No two whole numbers give the same of these.
    ...['-a', '- t.a desc', '+a', 'a + 0', 'a - 0', '0 - a', 'a * 1', 'a * -1', "a || ''"].map(
      (term) => [`select f from t order by ${term}`, 'total'] as const,
    ),
    ['select f from t order by -rowid', 'total'],
    // Too large a sum is rounded, and a text is 0.
    ...['a + 1', '2 * a', 'a * 0', 'a % 5', 'abs(a)', "b || ''", '-b', '-f', "a || 'x'"].map(
      (term) => [`select f from t order by ${term}`, 'ties'] as const,
    ),
    ['select * from declared order by -id', 'ties'],
    ['select id from descending order by id', 'ties'],
    ['select x from named order by rowid', 'ties'],
    ['select x from named order by _rowid_', 'total'],
    ['select k from withoutrowid order by k', 'total'],
    ['select k from withoutrowid order by -k', 'ties'],
    ['select f as a, b from t order by a', 'ties'],
    ['select f as a, b from t order by -a', 'ties'],
    ['select a as k, b from t order by k', 'total'],
    ['select t.a from t join users u on u.id = t.a order by -a', 'ties'],
    ["select name from pragma_table_info('t') order by cid", 'total'],
    ["select name from pragma_table_info('t') as i order by cid desc", 'total'],
    ["select name from pragma_table_info('t') order by type", 'ties'],
    ["select name from pragma_table_info('t')", 'total'],
    ["select name, rank() over (order by type) from pragma_table_info('t')", 'none'],
    ["select i.name from t join pragma_table_info('t') i order by i.cid", 'ties'],
    ['pragma table_info(t)', 'total'],
    ['pragma foreign_keys', 'none'],
  ])('%s promises the order %s', async (sql, order) => {
    expect((await (await classifierWith(true)).learn(sql)).order).toBe(order);
  });

  test('what is undetermined is so in its own column only', async () => {
    const classifier = await classifierWith(true);
    const columns = await classifier.learn(
      "select a, date('now'), sum(f) over (), sum(a) over () from t",
    );
    expect(columns.undetermined).toEqual([
      { what: 'time', where: 'columns', columns: [1] },
      { what: 'rounding', where: 'columns', columns: [2] },
    ]);
    const rows = await classifier.learn("select a from t where date('now') > '2000-01-01'");
    expect(rows.undetermined).toEqual([{ what: 'time', where: 'rows' }]);
    const star = await classifier.learn('select *, random() from t');
    expect(star.undetermined).toEqual([{ what: 'random', where: 'columns', columns: [-1] }]);
  });

  test.each([
    ['select t.*, u.a as b from t join t u on u.a = t.a order by t.a', ['a']],
    ['select * from t order by t.a', ['a']],
    ['select *, f as a from t order by t.a', []],
    ['select u.f, t.a as k from t join t u on u.a = t.a order by t.a desc, u.f', [1, 0]],
    ['select a, count(*) as c from t group by a order by count(*) desc, a', [1, 'a']],
    ['select a + 1 from t order by a + 1', [0]],
    ['select a + 1 as k from t order by a + 10', []],
    ['select f, case when a = 1 then 0 end from t order by case when a = 1 then 0 end', [1]],
    ["select a || 'x' from t order by a || 'X'", []],
    ['with s as (select a from t) select s.a from s order by s.a', [0]],
    ['select *, a + 1 from t order by a + 1', []],
    ['select * from t join t u on u.a = t.a order by t.a', []],
    ['select * from t, t u order by t.a', []],
  ])('%s is sorted by %j', async (sql, sortedBy) => {
    expect((await (await classifierWith(true)).learn(sql)).sortedBy).toEqual(sortedBy);
  });

  test.each([
    ['select exists (select 1 from t limit 1), a from t', []],
    [
      'select a, (select f from t limit 1) from t',
      [{ what: 'choice of rows', where: 'columns', columns: [1] }],
    ],
    [
      'select a from t where a in (select a from t limit 1)',
      [{ what: 'choice of rows', where: 'rows' }],
    ],
    [
      'select a from t where exists (select 1 from (select a from t limit 1) s where s.a = t.a)',
      [{ what: 'choice of rows', where: 'rows' }],
    ],
    ['select a from t order by random()', []],
    ['select a from t group by a order by random()', []],
    ['select a from t order by random(), a limit 3', []],
    ['with s as (select a from t) select a from s order by abs(random())', []],
    ['select a from (select a from t order by random()) s', []],
    [
      'select a, b from (select * from t order by random()) s group by a',
      [{ what: 'random', where: 'rows' }],
    ],
    [
      'select max(a), b from (select * from t order by random()) s',
      [{ what: 'random', where: 'rows' }],
    ],
    ['select a from t limit abs(random())', [{ what: 'random', where: 'rows' }]],
    ["select unixepoch('subsec'), a from t", [{ what: 'time', where: 'columns', columns: [0] }]],
  ])('of %s is undetermined %j', async (sql, undetermined) => {
    expect((await (await classifierWith(true)).learn(sql)).undetermined).toEqual(undetermined);
  });

  test('what the last write left is told apart from other session state', async () => {
    const classifier = await classifierWith(true);
    expect(await classifier.learn('select last_insert_rowid() as id')).toMatchObject({
      effect: 'reads',
      session: 'none',
      readsLastWrite: true,
    });
    expect(await classifier.learn('pragma cache_size')).toMatchObject({
      session: 'reads',
      connectionFacts: ['PRAGMA cache_size'],
    });
  });

  test.each([
    ['select * from t limit 3', 'any', 'select * from t'],
    ['select * from t where a = ? limit 1', 'determined', 'select * from t where a = ?'],
    [
      'select * from t limit ?',
      'any',
      'select * from t LIMIT CASE WHEN ? IS NULL THEN -1 ELSE -1 END',
    ],
  ])('%s keeps %s rows, of those of %s', async (sql, rows, sqlWithoutLimit) => {
    const { limited } = await (await classifierWith(true)).learn(sql);
    expect(limited).toEqual({ rows, sqlWithoutLimit });
  });

  test('what a transaction may allow is named', async () => {
    const classifier = await classifierWith(true);
    expect(await actsOf(classifier, 'insert into t(a) values (1) returning a')).toEqual([
      'writes rows',
      'returns rows of a write',
    ]);
    expect((await classifier.learn('rollback to x')).transaction).toBe('rollback to');
  });

  test('a changed schema is read again once it was told', async () => {
    const changing = ['create table t(a)'];
    const classifier = createSqliteClassifier({ readSchema: () => changing });
    expect((await classifier.learn('select * from later')).effect).toBe('unknown');
    changing.push('create table later(a)');
    classifier.schemaChanged();
    expect(classifier.classify('select * from later')).toBe('pending');
    expect((await classifier.learn('select * from later')).effect).toBe('reads');
    await classifier.close();
  });
});
