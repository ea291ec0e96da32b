import { afterEach, describe, expect, test } from '@jest/globals';
import { datasetSchema } from 'changeover';
import pg from 'pg';
import { type OpenDataset, openDataset, removeAll } from './open-dataset.ts';

afterEach(removeAll);

/** A dataset with a table whose rows a trigger is fired for. */
async function openTriggered(
  body: string,
  {
    declared = '',
    when = '',
    made = [],
  }: { declared?: string; when?: string; made?: string[] } = {},
): Promise<OpenDataset> {
  const opened = await openDataset('postgresql', 'shadow');
  const { storage, dataset } = opened;
  const statements = [
    'CREATE TABLE t (id int, note text)',
    'CREATE TABLE audit (id int, note text)',
    'CREATE TABLE numbered (id serial, note text)',
    'CREATE SEQUENCE numbers',
    ...made,
    `CREATE FUNCTION acts() RETURNS trigger LANGUAGE plpgsql AS $$ ${declared} BEGIN ${body}; RETURN NEW; END $$`,
    `CREATE TRIGGER fires BEFORE INSERT OR UPDATE ON t FOR EACH ROW ${when} EXECUTE FUNCTION acts()`,
  ];
  for (const sql of statements) await storage.execute(dataset, sql);
  return opened;
}

/** Runs a statement as another program does. */
async function elsewhere(dataset: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: process.env['CHANGEOVER_TEST_DATABASE_URL'] });
  await client.connect();
  try {
    await client.query(`SET search_path = ${datasetSchema(dataset)}; ${sql}`);
  } finally {
    await client.end();
  }
}

const insert = "INSERT INTO t VALUES (1, 'a')";

/** What a sequence or a table tells once a comparison is over. */
async function toldBy({ storage, dataset }: OpenDataset, sql: string): Promise<unknown> {
  const { rows } = await storage.query(dataset, `SELECT (${sql})::int AS told`);
  return rows[0]?.['told'];
}

const noted = 'SELECT count(*) FROM audit';
const taken = 'SELECT last_value + is_called::int - 1 FROM numbers';

describe('postgresql: a write whose triggers do what a rollback undoes is compared', () => {
  test.each<[string, string]>([
    ['changes the row', "NEW.note := upper(NEW.note) || 'x'"],
    ['writes to another table', 'INSERT INTO audit VALUES (NEW.id, NEW.note)'],
    ['notifies', "PERFORM pg_notify('changed', NEW.id::text); NOTIFY changed"],
    ['decides', "IF NEW.id > 5 THEN RAISE EXCEPTION 'too large: %', NEW.id; END IF"],
    ['counts', 'UPDATE audit SET id = id + 1 WHERE note = NEW.note'],
    ['loops', 'FOR at IN 1 .. 3 LOOP INSERT INTO audit VALUES (at, NEW.note); END LOOP'],
  ])('that %s', async (_what, body) => {
    const { written } = await openTriggered(body);
    expect(await written(insert)).toEqual({ match: 1 });
    expect(await written("UPDATE t SET note = 'b' WHERE id = 1")).toEqual({ match: 1 });
    const faulty = () =>
      written(insert, (effect) => ({ ...effect, rowsAffected: Number(effect.rowsAffected) + 1 }));
    expect([await faulty(), await faulty(), await faulty()]).toEqual([
      { inconclusive: 1 },
      { inconclusive: 1 },
      { mismatch: 1 },
    ]);
  });

  test('and what it does is done once', async () => {
    const opened = await openTriggered('INSERT INTO audit VALUES (NEW.id, NEW.note)');
    expect(await opened.written(insert)).toEqual({ match: 1 });
    expect(await toldBy(opened, noted)).toBe(1);
  });

  test.each<[string, string]>([
    ['asks for the time', 'NEW.note := clock_timestamp()::text'],
    ['takes a word for the time', "NEW.note := 'now'::timestamptz::text"],
    ['reads rows', 'SELECT note INTO NEW.note FROM audit LIMIT 1'],
  ])('in the rows that it affects, where the trigger %s', async (_what, body) => {
    const { written } = await openTriggered(body);
    for (let turn = 0; turn < 4; turn += 1) expect(await written(insert)).toEqual({ match: 1 });
  });
});

describe('postgresql: a write is never run twice whose triggers', () => {
  const next = "PERFORM nextval('numbers')";
  const taking = (made: string): string[] => [made];
  test.each<[string, string, Parameters<typeof openTriggered>[1]]>([
    ['take a number', next, {}],
    ['take one in what they write to', 'INSERT INTO numbered (note) VALUES (NEW.note)', {}],
    ['take one in a condition', 'NULL', { when: "WHEN (nextval('numbers') > 0)" }],
    ['take one in a default', 'NULL', { declared: "DECLARE x int := nextval('numbers');" }],
    [
      'take one in a default of a type of their own',
      'NULL',
      {
        declared: "DECLARE x small := nextval('numbers');",
        made: taking('CREATE DOMAIN small AS int'),
      },
    ],
    [
      'take one in a function that they call',
      'PERFORM takes()',
      {
        made: taking(
          "CREATE FUNCTION takes() RETURNS bigint LANGUAGE sql AS $$ SELECT nextval('numbers') $$",
        ),
      },
    ],
    ['make their statements as they go', "EXECUTE 'SELECT nextval(''numbers'')'", {}],
    ['take a lock that others see', 'PERFORM pg_try_advisory_lock(815)', {}],
    ['ask what the connection is set to', "NEW.note := current_setting('app.user', true)", {}],
    ['draw a random number', 'NEW.note := random()::text', {}],
    ['define something', 'CREATE TABLE IF NOT EXISTS more (id int)', {}],
    ['set a time-out', "SET LOCAL statement_timeout = '1h'", {}],
  ])('%s', async (_what, body, options) => {
    const opened = await openTriggered(body, options);
    expect(await opened.written(insert)).toEqual({ 'side-effects': 1 });
    expect(await toldBy(opened, taken)).toBeLessThanOrEqual(1);
  });

  test('run with settings of their own', async () => {
    const opened = await openTriggered('INSERT INTO audit VALUES (NEW.id, NEW.note)');
    const { storage, dataset, written } = opened;
    await storage.execute(dataset, 'ALTER FUNCTION acts() SET search_path = pg_catalog, pg_temp');
    expect(await written("UPDATE t SET note = 'b'")).toEqual({ 'side-effects': 1 });
  });

  test('are rules', async () => {
    const opened = await openTriggered('NULL');
    const { storage, dataset, written } = opened;
    await storage.execute(dataset, 'CREATE RULE r AS ON INSERT TO t DO ALSO SELECT 1');
    expect(await written(insert)).toEqual({ 'side-effects': 1 });
  });

  test('were made by somebody else since they were looked into', async () => {
    const opened = await openTriggered('NULL');
    const { dataset, written } = opened;
    expect(await written(insert)).toEqual({ match: 1 });
    await elsewhere(
      dataset,
      "CREATE OR REPLACE FUNCTION acts() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('numbers'); RETURN NEW; END $$",
    );
    for (let turn = 1; turn < 3; turn += 1) {
      expect(await written(insert)).toEqual({ 'side-effects': 1 });
      expect(await toldBy(opened, taken)).toBe(turn);
    }
  });
});
