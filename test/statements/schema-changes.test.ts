import { afterEach, describe, expect, test } from '@jest/globals';
import { datasetSchema, type Engine } from 'changeover';
import pg from 'pg';
import { ownDatabase } from '../fleet/own-database.ts';
import { type Counts, type OpenDataset, openDataset, removeAll } from './open-dataset.ts';

// What a change of the schema runs by the way: it is done once, and one that runs nothing is compared.

afterEach(removeAll);
const own = ownDatabase('schema_changes');

const takes = `BEGIN RETURN nextval('numbers'); END`;
const inPlpgsql = (body: string): string => `LANGUAGE plpgsql AS $$ ${body} $$`;

async function openMade(engine: Engine, made: readonly string[]): Promise<OpenDataset> {
  const opened = await openDataset(engine, 'shadow', own());
  for (const sql of ['CREATE SEQUENCE numbers', ...made])
    await opened.storage.execute(opened.dataset, sql);
  return opened;
}

/** How many numbers were taken, asked where no bridge comes between. */
async function numbersTaken({ dataset }: OpenDataset): Promise<number> {
  const [row] = await elsewhere(
    dataset,
    'SELECT (last_value + is_called::int - 1)::int AS taken FROM numbers',
  );
  return Number(row?.['taken']);
}

/** Runs statements as another program does. */
async function elsewhere(
  dataset: string,
  sql: string,
): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client({
    connectionString: own(),
    options: `-c search_path=${datasetSchema(dataset)}`,
  });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

describe('postgresql: code of a user’s that a change of the schema runs is run once', () => {
  const made = [
    `CREATE FUNCTION f(a int) RETURNS int IMMUTABLE ${inPlpgsql(takes)}`,
    'CREATE TABLE t (a int)',
    'INSERT INTO t VALUES (1)',
    'CREATE DOMAIN filled AS int DEFAULT f(1)',
    'CREATE DOMAIN checked AS int CHECK (f(VALUE) > 0)',
    'CREATE DOMAIN plain AS int',
    'CREATE TABLE typed (a plain)',
    'INSERT INTO typed VALUES (1)',
    'CREATE VIEW v AS SELECT f(1) AS a',
  ];
  test.each([
    'CREATE TABLE w AS SELECT f(1) AS a',
    'CREATE TABLE w AS TABLE v',
    'CREATE TEMP TABLE w AS SELECT f(1) AS a',
    'ALTER TABLE t ADD COLUMN c int DEFAULT f(1)',
    'ALTER TABLE t ADD COLUMN c filled',
    'ALTER TABLE t ADD COLUMN c int GENERATED ALWAYS AS (f(a)) STORED',
    'ALTER TABLE t ADD CHECK (f(a) > 0)',
    'ALTER TABLE t ALTER a TYPE bigint USING f(a)',
    'ALTER TABLE t ALTER a TYPE checked',
    'ALTER DOMAIN plain ADD CHECK (f(VALUE) > 0)',
  ])('%s', async (sql) => {
    const opened = await openMade('postgresql', made);
    expect(await opened.written(sql)).toEqual({ 'side-effects': 1 });
    expect(await numbersTaken(opened)).toBe(1);
  });

  test.each([
    'CREATE TABLE w AS SELECT a FROM t',
    'CREATE TABLE w (a int DEFAULT f(1))',
    'CREATE VIEW w AS SELECT f(1) AS a',
    'CREATE INDEX i ON t (a)',
    'ALTER TABLE t ADD COLUMN c plain DEFAULT 5',
    'ALTER TABLE t ADD CHECK (a > 0)',
    'ALTER TABLE t ALTER a TYPE bigint',
  ])('and %s, which runs none, is compared', async (sql) => {
    expect(await (await openMade('postgresql', made)).written(sql)).toEqual({ match: 1 });
  });
});

test('duckdb: a macro that a change of a column’s type calls is called once', async () => {
  const opened = await openMade('duckdb', [
    "CREATE MACRO m() AS nextval('numbers')",
    'CREATE TABLE t (a BIGINT)',
    'INSERT INTO t VALUES (1), (2)',
  ]);
  expect(await opened.written('ALTER TABLE t ALTER a TYPE INTEGER USING m()')).toEqual({
    'side-effects': 1,
  });
  const { rows } = await opened.storage.query(opened.dataset, 'SELECT a FROM t ORDER BY a');
  expect(rows).toEqual([{ a: 1 }, { a: 2 }]);
  expect(await opened.written('ALTER TABLE t ALTER a TYPE BIGINT')).toEqual({ match: 1 });
});

describe('postgresql: an event trigger', () => {
  const fires = (body: string): string[] => [
    'CREATE TABLE audit (note text)',
    `CREATE FUNCTION told() RETURNS event_trigger ${inPlpgsql(`BEGIN ${body}; END`)}`,
  ];
  const on = 'CREATE EVENT TRIGGER told ON ddl_command_end EXECUTE FUNCTION told()';
  const create = (name: string): string => `CREATE TABLE ${name} (a int)`;

  async function openFired(body: string, more: readonly string[] = []): Promise<OpenDataset> {
    return await openMade('postgresql', [...fires(body), ...more, on]);
  }

  test('that takes a number takes one for each statement, and only for what changes the schema', async () => {
    const opened = await openFired("PERFORM nextval('numbers')");
    const before = await numbersTaken(opened);
    for (const sql of [create('w'), 'ALTER TABLE w ADD b int', "COMMENT ON TABLE w IS 'x'"])
      expect(await opened.written(sql)).toEqual({ 'side-effects': 1 });
    expect(await numbersTaken(opened)).toBe(before + 3);
    expect(await opened.written('INSERT INTO w VALUES (1)')).toEqual({ match: 1 });
  });

  test('that does what a rollback undoes is compared', async () => {
    const opened = await openFired("INSERT INTO audit VALUES ('changed')");
    expect(await opened.written(create('w'))).toEqual({ match: 1 });
  });

  test('that somebody else made since is noticed', async () => {
    const opened = await openMade('postgresql', fires("PERFORM nextval('numbers')"));
    expect(await opened.written(create('w1'))).toEqual({ match: 1 });
    await elsewhere(opened.dataset, on);
    const before = await numbersTaken(opened);
    for (const name of ['w2', 'w3'])
      expect(await opened.written(create(name))).toEqual({ 'side-effects': 1 });
    expect(await numbersTaken(opened)).toBe(before + 2);
  });

  test('that sets something has set it for the next calls', async () => {
    const opened = await openFired("PERFORM set_config('app.x', 'set', false)");
    const { storage, dataset } = opened;
    await opened.written(create('w'));
    const { rows } = await storage.query(dataset, "SELECT current_setting('app.x', true) AS x");
    expect(rows).toEqual([{ x: 'set' }]);
  });
});

describe('postgresql: a function that somebody else replaced since it was looked into', () => {
  const inner = (body: string): string =>
    `CREATE OR REPLACE FUNCTION inside() RETURNS int ${inPlpgsql(`BEGIN ${body}; END`)}`;
  const insert = 'INSERT INTO t (a) VALUES (0)';
  const outer = `CREATE FUNCTION around() RETURNS int ${inPlpgsql('BEGIN RETURN inside(); END')}`;

  test.each<[string, readonly string[]]>([
    [
      'further down than a trigger',
      [
        outer,
        'CREATE TABLE t (a int)',
        `CREATE FUNCTION fired() RETURNS trigger ${inPlpgsql('BEGIN NEW.a := around(); RETURN NEW; END')}`,
        'CREATE TRIGGER fires BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION fired()',
      ],
    ],
    ['in a default', ['CREATE TABLE t (a int, b int DEFAULT inside())']],
    ['in a check', ['CREATE TABLE t (a int CHECK (inside() > 0))']],
  ])('%s takes one number a statement', async (_where, made) => {
    const opened = await openMade('postgresql', [inner('RETURN 1'), ...made]);
    const outcomes: Counts[] = [await opened.written(insert)];
    await elsewhere(opened.dataset, inner("RETURN nextval('numbers')"));
    for (let turn = 0; turn < 2; turn += 1) outcomes.push(await opened.written(insert));
    expect(outcomes).toEqual([{ match: 1 }, { 'side-effects': 1 }, { 'side-effects': 1 }]);
    expect(await numbersTaken(opened)).toBe(2);
  });
});
