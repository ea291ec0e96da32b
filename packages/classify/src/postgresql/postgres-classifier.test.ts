import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import type { StatementClassifier } from '../classifier.ts';
import { dressedReads, ordinaryReads, ordinaryTables } from '../test-kit/ordinary.ts';
import { actsOf, comparable, notReads, summary } from '../test-kit/summary.ts';
import { tpchQueries, tpchTables } from '../test-kit/tpch.ts';
import { createPostgresClassifier } from './postgres-classifier.ts';
import { actingCalls } from './test-kit/acting-calls.ts';
import { labelled, labelledSetup } from './test-kit/labelled-statements.ts';

const schema = 'classify_statements';
const url = process.env['CHANGEOVER_TEST_DATABASE_URL'] ?? '';
const traps = [
  "create function atomic_act() returns bigint language sql begin atomic select nextval('s'); end",
  'create function pure_c(int) returns int language plpgsql immutable as $$ begin return $1; end $$',
  "create function defaulted(a bigint default nextval('s')) returns bigint language sql as 'select a'",
  "create function sfunc(bigint, int) returns bigint language sql as 'select nextval(''s'')'",
  'create aggregate acting_agg(int) (sfunc = sfunc, stype = bigint, initcond = 0)',
  'create type with_domain as (x actcast)',
  'create table cascades(id int primary key, parent int references cascades(id) on delete cascade)',
  'create table keyed(id int primary key, k int not null, f float8, n numeric, b text)',
  'create view over_view as select * from v_next',
  'create table documents(d jsonb primary key)',
  'create table parent(id int primary key)',
  'create table child() inherits (parent)',
  "create collation loosely (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
  'create table folding(name text collate loosely not null)',
  'create unique index on folding (name collate "C")',
];

describe('PostgreSQL', () => {
  let client: pg.Client;
  let classifier: StatementClassifier;

  beforeAll(async () => {
    client = new pg.Client(url);
    await client.connect();
    await client.query(`drop schema if exists ${schema} cascade; create schema ${schema}`);
    await client.query(`set search_path to ${schema}`);
    for (const sql of [...labelledSetup, ...traps, ...ordinaryTables, ...tpchTables])
      await client.query(sql);
    classifier = createPostgresClassifier({
      query: async (sql, params) =>
        (await client.query<Record<string, unknown>>(sql, [...params])).rows,
      pure: [`${schema}.pure_c`],
    });
    await classifier.learn('create temp table mytemp(a int)');
  });

  afterAll(async () => {
    await classifier.close();
    await client.query(`drop schema ${schema} cascade`);
    await client.end();
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
    ['an aggregate over a function that acts', 'select acting_agg(id) from keyed'],
    ['a function with a body of its own grammar', 'select atomic_act()'],
    ['a default of an argument', 'select defaulted()'],
    ['a check behind a composite type', "select '(x)'::with_domain"],
    ['a view over a view that acts', 'select * from over_view'],
    ['EXPLAIN of a function that is called immutable', 'explain select uf_liar()'],
    ['EXPLAIN ANALYZE in a list of options', 'explain (format json, analyze true) delete from t'],
    ['a table that is not there', 'select * from nowhere'],
    ['a text with a NUL', 'select 1 \0 ; drop table t'],
    ['an expression too deep to walk', `select ${'1 + '.repeat(20_000)}1`],
    ['a type given as a text', "select pg_input_is_valid('x', 'actcast')"],
    ['no statement', '-- nothing'],
  ])('%s acts', async (_, sql) => {
    expect((await classifier.learn(sql)).effect).not.toBe('reads');
  });

  test('the parser works on after a text that was too much for it', async () => {
    await classifier.learn(`select ${'(select '.repeat(20_000)}1${')'.repeat(20_000)}`);
    expect((await classifier.learn('select 4711')).effect).toBe('reads');
  });

  test('a function named as pure reads', async () => {
    expect(await notReads(classifier, ['select pure_c(1)'])).toEqual([]);
  });

  test('what a transaction may allow is named', async () => {
    expect(await actsOf(classifier, 'select id from keyed where id = 1 for update')).toEqual([
      'locks rows',
    ]);
    expect(await actsOf(classifier, 'insert into keyed(id, k) values (2, 1) returning id')).toEqual(
      ['writes rows', 'returns rows of a write'],
    );
  });

  test('what is undetermined is so in its own column only', async () => {
    const { undetermined } = await classifier.learn(
      'select *, now(), sum(f) over (), sum(n) over () from keyed order by id',
    );
    expect(undetermined).toEqual([
      { what: 'time', where: 'columns', columns: [5] },
      { what: 'rounding', where: 'columns', columns: [6] },
    ]);
  });

  test('it is followed through subqueries, and into rows by WHERE', async () => {
    const through = await classifier.learn(
      'with x as (select id, random() r from keyed) select id, r from x',
    );
    expect(through.undetermined).toEqual([{ what: 'random', where: 'columns', columns: [1] }]);
    const rows = await classifier.learn(
      "select id from keyed where b > 'x' and now() > '2020-01-01'",
    );
    expect(rows.undetermined).toEqual([{ what: 'time', where: 'rows' }]);
  });

  test.each([
    ['select * from keyed order by id', 'total'],
    ['select * from keyed order by k', 'ties'],
    ['select * from keyed order by k, id', 'total'],
    ['select a.k, b.k from keyed a join keyed b on b.id = a.k order by a.id', 'total'],
    ['select k, count(*) from keyed group by k order by k', 'total'],
    ['select k, count(*) from keyed group by k order by 2', 'ties'],
    ['select distinct k from keyed order by k', 'total'],
    ['select k from keyed union select id from keyed order by k', 'total'],
    ['select k from keyed union all select id from keyed order by 1', 'ties'],
    ['select * from (select * from keyed order by id) x', 'none'],
    ["select 'order by id' from keyed", 'none'],
    ['select id from keyed order by random()', 'none'],
    ['select id, generate_series(1, 3) from keyed order by id', 'ties'],
    // No two whole numbers give the same of these: what is too large for its type fails.
    ...['-id', '-keyed.id desc', 'id + 0', '10 - id', 'id * -2', '-(id + 1)'].map(
      (term) => [`select k from keyed order by ${term}`, 'total'] as const,
    ),
    ...['id * 0', 'id / 2', 'id % 5', 'abs(id)', 'id + 0.5', 'id + $1', 'id + k', '-k', '-b'].map(
      (term) => [`select k from keyed order by ${term}`, 'ties'] as const,
    ),
    ['select k from (select id as i, k from keyed) x order by -i', 'ties'],
    ['select x.k from keyed x left join keyed y on y.id = x.k order by -x.id', 'total'],
    ['select k from keyed group by k order by -k', 'total'],
    ['select d from documents order by d - 1', 'ties'],
    ['select id from parent order by id', 'ties'],
    ['select name from folding order by name', 'ties'],
  ])('%s promises the order %s', async (sql, order) => {
    expect((await classifier.learn(sql)).order).toBe(order);
  });

  test.each([
    ['select * from keyed limit 5', 'any', 'select * from keyed'],
    ['select * from keyed order by k limit 5', 'ties', 'select * from keyed order by k'],
    ['select * from keyed order by id offset 2', 'determined', 'select * from keyed order by id'],
    [
      'select * from keyed where id = $1 limit 1',
      'determined',
      'select * from keyed where id = $1',
    ],
    ["select 'é' as limit from keyed limit 5", 'any', "select 'é' as limit from keyed"],
    [
      'select * from keyed limit $1',
      'any',
      'select * from keyed LIMIT CASE WHEN $1::bigint IS NULL THEN NULL::bigint END',
    ],
  ])('%s keeps %s rows, of those of %s', async (sql, rows, sqlWithoutLimit) => {
    expect((await classifier.learn(sql)).limited).toEqual({ rows, sqlWithoutLimit });
  });

  test('without its limit a statement with parameters gives every row', async () => {
    await client.query('insert into keyed(id, k) values (101, 1), (102, 1), (103, 1)');
    const { limited } = await classifier.learn(
      'select * from keyed where id > 100 limit $1 offset $2',
    );
    const { rows } = await client.query(limited?.sqlWithoutLimit ?? '', [1, 1]);
    expect(rows).toHaveLength(3);
  });

  test.each([
    ['select k.*, o.k as other from keyed k join keyed o on o.id = k.id order by k.id', ['id']],
    ['select * from keyed order by keyed.id desc', ['id']],
    ['select *, k as id from keyed order by keyed.id', []],
    ['select * from keyed k join keyed o on o.id = k.id order by k.id', []],
  ])('%s is sorted by %j', async (sql, sortedBy) => {
    expect((await classifier.learn(sql)).sortedBy).toEqual(sortedBy);
  });

  test('whether code that no statement names may touch the session is told by the catalogue', async () => {
    const hidden = async (): Promise<string> => {
      classifier.codeChanged();
      return await classifier.learnHidden();
    };
    await client.query('begin');
    try {
      const before = await hidden();
      await client.query(
        "create function tells() returns trigger language plpgsql as $$ begin perform set_config('a.b', 'c', false); return new; end $$",
      );
      expect(await hidden()).toBe(before === 'by all' ? before : 'by writes');
      await client.query("create view v_hidden as select set_config('a.b', 'c', false) as a");
      expect(await hidden()).toBe('by all');
    } finally {
      await client.query('rollback');
    }
  });

  test('a trigger and a rule are looked into', async () => {
    await client.query(
      "create table triggered(a int); create function sets_it() returns trigger language plpgsql as $$ begin perform pg_advisory_lock(1); return new; end $$; create trigger g before insert on triggered for each row execute function sets_it(); create table ruled(a int); create rule r as on insert to ruled do also select set_config('a.b', new.a::text, false)",
    );
    expect((await classifier.learn('insert into triggered values (1)')).session).toBe('locks');
    expect((await classifier.learn('insert into ruled values (1)')).session).toBe('sets');
  });

  test('a shape leaves literals, lists and comments out', async () => {
    const shapes = [
      'select * from t where a in (1, 2, 3)',
      "SELECT *\nFROM t -- x\nWHERE a IN ('x', $1)",
    ];
    const found = await Promise.all(shapes.map((sql) => classifier.learn(sql)));
    expect(new Set(found.map(({ shape }) => shape))).toEqual(
      new Set(['select * from t where a in ( ? )']),
    );
  });

  test('a temporary view is looked into, and hides a table of its name', async () => {
    expect((await classifier.learn('select * from t')).effect).toBe('reads');
    await classifier.learn("create temp view hides as select nextval('s')");
    const hidden = await classifier.learn('select * from hides');
    expect([hidden.effect, hidden.session]).toEqual(['acts', 'temporary']);
  });

  test('a change of the schema is learned once it was told', async () => {
    await client.query('create view changing as select 1 as a');
    expect((await classifier.learn('select * from changing')).effect).toBe('reads');
    await client.query("create or replace view changing as select nextval('s')::int as a");
    classifier.schemaChanged();
    expect(classifier.classify('select * from changing')).toBe('pending');
    expect((await classifier.learn('select * from changing')).effect).toBe('acts');
  });
});
