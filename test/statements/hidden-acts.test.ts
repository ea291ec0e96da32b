import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Engine, Stage, StorageApi } from 'changeover';
import {
  answerOrCode,
  atEachStage,
  type FourStages,
  openFourStages,
  toldAtEachStage,
} from '../guarantees/four-stages.ts';
import { counted } from '../kit/counted.ts';

// Statements whose text hides what they do. Each program tells the same at each stage, does what it does once, and is no mismatch.

let opened: FourStages;
beforeAll(() => {
  opened = openFourStages();
});
afterAll(async () => {
  await opened.close();
});

/** What is done, a query by its answer and any other statement by the rows that it affected; in a list: all at once. */
type Steps = readonly (string | readonly string[])[];

interface HiddenAct {
  readonly made: readonly string[];
  readonly run: Steps;
  readonly told: readonly unknown[];
  /** What is left when all comparisons are over. */
  readonly left?: string;
  readonly leftAs?: unknown;
}

async function runOne(storage: StorageApi, dataset: string, sql: string): Promise<unknown> {
  return await answerOrCode(async () => {
    if (!/^(?:SELECT|FROM|VALUES|SHOW)\b/.test(sql)) return await storage.execute(dataset, sql);
    const { rows } = await storage.query(dataset, sql);
    const values = rows.map((row) => Object.values(row)[0]);
    return values.length === 1 ? values[0] : values;
  });
}

/** What a program tells at each stage, with the mismatches that it made. */
async function hidden(engine: Engine, act: HiddenAct): Promise<Record<Stage, unknown>> {
  const { bridge } = opened;
  const mismatches = (): number => counted(bridge.recorder, 'mismatch');
  return await toldAtEachStage(
    opened,
    engine,
    async (storage, dataset) => {
      for (const sql of act.made) await storage.execute(dataset, sql);
    },
    async (storage, dataset) => {
      await bridge.idle();
      const before = mismatches();
      const told: unknown[] = [];
      for (const step of act.run) {
        const ran = [step].flat().map((sql) => runOne(storage, dataset, sql));
        told.push(typeof step === 'string' ? await ran[0] : await Promise.all(ran));
        await bridge.idle();
      }
      opened.setStage('legacy');
      const left = act.left === undefined ? undefined : await runOne(storage, dataset, act.left);
      await bridge.idle();
      return {
        told,
        left: typeof left === 'bigint' ? Number(left) : left,
        mismatches: mismatches() - before,
      };
    },
  );
}

const times = (count: number, value: string): string[] =>
  Array.from({ length: count }, () => value);
const setting = `SELECT current_setting('app.x', true)`;
const set = `set_config('app.x', 'a', false)`;
const body = (language: string, text: string): string => `LANGUAGE ${language} AS $$ ${text} $$`;
const takes = `CREATE FUNCTION takes(a int) RETURNS int IMMUTABLE ${body('plpgsql', "BEGIN RETURN nextval('s'); END")}`;
const trigger = `CREATE FUNCTION tf() RETURNS trigger ${body('plpgsql', "BEGIN PERFORM nextval('s'); RETURN coalesce(NEW, OLD); END")}`;

describe('postgresql: a setting that is made in a hidden way is there for the next calls', () => {
  const all = times(4, setting);
  const four = times(4, 'a');
  test.each<[string, HiddenAct]>([
    ['a DO', { made: [], run: [`DO $$ BEGIN PERFORM ${set}; END $$`, all], told: [0, four] }],
    [
      'a DO that makes its statement as it goes',
      { made: [], run: [`DO $$ BEGIN EXECUTE 'SET app.x = ''a'''; END $$`, all], told: [0, four] },
    ],
    [
      'a function of a user’s in PL/pgSQL',
      {
        made: [
          `CREATE FUNCTION f(x text) RETURNS text ${body('plpgsql', `BEGIN PERFORM set_config('app.x', x, false); RETURN x; END`)}`,
        ],
        run: [`SELECT f('a')`, all],
        told: ['a', four],
      },
    ],
    [
      'a function in PL/pgSQL that makes its statement as it goes',
      {
        made: [
          `CREATE FUNCTION f(x text) RETURNS text ${body('plpgsql', `BEGIN EXECUTE format('SET app.x = %L', x); RETURN x; END`)}`,
        ],
        run: [`SELECT f('a')`, all],
        told: ['a', four],
      },
    ],
    [
      'a procedure',
      {
        made: [
          `CREATE PROCEDURE f(x text) ${body('plpgsql', `BEGIN PERFORM set_config('app.x', x, false); END`)}`,
        ],
        run: [`CALL f('a')`, all],
        told: [0, four],
      },
    ],
    [
      'a function that is made and called at once',
      {
        made: [],
        run: [
          `CREATE FUNCTION f() RETURNS text ${body('sql', `SELECT ${set}`)}`,
          'SELECT f()',
          all,
        ],
        told: [0, 'a', four],
      },
    ],
    [
      'an escaped name',
      {
        made: [],
        run: [String.raw`SELECT U&"set\005fconfig"('app.x', 'a', false)`, all],
        told: ['a', four],
      },
    ],
    [
      'a value of an INSERT',
      {
        made: [
          'CREATE TABLE t (a text)',
          `CREATE FUNCTION f() RETURNS text ${body('plpgsql', `BEGIN PERFORM ${set}; RETURN 'b'; END`)}`,
        ],
        run: ['INSERT INTO t VALUES (f())', all],
        told: [1, four],
      },
    ],
  ])('%s', async (_name, act) => {
    const { told } = act;
    expect(await hidden('postgresql', act)).toEqual(
      atEachStage({ told, left: undefined, mismatches: 0 }),
    );
  });
});

describe('postgresql: what code sets that no statement names is there for the next calls', () => {
  // Several connections are open before, any of which could be the next call's.
  const several = times(4, 'SELECT 1 FROM pg_sleep(0.02)');
  const setsIt = `PERFORM set_config('app.x', 'a', false)`;
  const sets = `CREATE FUNCTION sets() RETURNS trigger ${body('plpgsql', `BEGIN ${setsIt}; RETURN coalesce(NEW, OLD); END`)}`;
  const settingInt = (name: string, taken: string): string =>
    `CREATE FUNCTION ${name}(${taken}) RETURNS int IMMUTABLE ${body('plpgsql', `BEGIN ${setsIt}; RETURN 5; END`)}`;
  test.each<[string, readonly string[], string, unknown]>([
    [
      'a trigger',
      [
        sets,
        'CREATE TABLE t (a int)',
        'CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION sets()',
      ],
      'INSERT INTO t VALUES (1)',
      1,
    ],
    [
      'a trigger of a table whose rows a foreign key deletes along',
      [
        sets,
        'CREATE TABLE p (id int PRIMARY KEY)',
        'CREATE TABLE c (p int REFERENCES p ON DELETE CASCADE)',
        'CREATE TRIGGER g AFTER DELETE ON c FOR EACH ROW EXECUTE FUNCTION sets()',
        'INSERT INTO p VALUES (1)',
        'INSERT INTO c VALUES (1)',
      ],
      'DELETE FROM p',
      1,
    ],
    [
      'a trigger of TRUNCATE',
      [
        sets,
        'CREATE TABLE t (a int)',
        'CREATE TRIGGER g AFTER TRUNCATE ON t EXECUTE FUNCTION sets()',
      ],
      'TRUNCATE t',
      0,
    ],
    [
      'a generated column',
      [settingInt('f', 'a int'), 'CREATE TABLE t (a int, b int GENERATED ALWAYS AS (f(a)) STORED)'],
      'INSERT INTO t (a) VALUES (1)',
      1,
    ],
    [
      'an operator',
      [
        settingInt('f', 'a int, b int'),
        'CREATE OPERATOR <+> (leftarg = int, rightarg = int, function = f)',
      ],
      'SELECT 1 <+> 2',
      5,
    ],
    [
      'a cast',
      [
        'CREATE TYPE pair AS (a int)',
        settingInt('f', 'a pair'),
        'CREATE CAST (pair AS int) WITH FUNCTION f(pair)',
      ],
      'SELECT ROW(1)::pair::int',
      5,
    ],
  ])('%s', async (_name, made, sql, answer) => {
    const all = times(4, setting);
    const act: HiddenAct = {
      made,
      run: [several, sql, all],
      told: [[1, 1, 1, 1], answer, times(4, 'a')],
    };
    const { told } = act;
    expect(await hidden('postgresql', act)).toEqual(
      atEachStage({ told, left: undefined, mismatches: 0 }),
    );
  });

  test('a trigger, where writeTable appends', async () => {
    const { bridge } = opened;
    const found = await toldAtEachStage(
      opened,
      'postgresql',
      async (storage, dataset) => {
        for (const sql of [
          sets,
          'CREATE TABLE t (a int)',
          'CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION sets()',
        ])
          await storage.execute(dataset, sql);
      },
      async (storage, dataset) => {
        const before = counted(bridge.recorder, 'mismatch');
        await Promise.all(several.map((sql) => storage.query(dataset, sql)));
        await storage.writeTable(dataset, 't', [{ a: 1 }], { ifExists: 'append' });
        const told = await Promise.all(
          times(4, setting).map((sql) => runOne(storage, dataset, sql)),
        );
        await bridge.idle();
        return [told, counted(bridge.recorder, 'mismatch') - before];
      },
    );
    expect(found).toEqual(atEachStage([times(4, 'a'), 0]));
  });

  test('a key is not kept on one connection for a trigger that leaves nothing', async () => {
    const found = await toldAtEachStage(
      opened,
      'postgresql',
      async (storage, dataset) => {
        for (const sql of [
          'CREATE TABLE t (a int)',
          'CREATE TABLE log (a int)',
          `CREATE FUNCTION tf() RETURNS trigger ${body('plpgsql', 'BEGIN UPDATE log SET a = NEW.a; RETURN NEW; END')}`,
          'CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION tf()',
        ])
          await storage.execute(dataset, sql);
      },
      async (storage, dataset, stage) => {
        await storage.execute(dataset, 'INSERT INTO t VALUES (1)');
        await opened.bridge.idle();
        const slow = 'SELECT pg_backend_pid() AS pid FROM pg_sleep(0.05)';
        const pids = new Set<unknown>();
        const hasOne = stage === 'legacy' || stage === 'shadow';
        // A busy machine may open the second connection late.
        for (let round = 0; round < (hasOne ? 1 : 10) && pids.size < 2; round += 1) {
          const answers = await Promise.all(
            times(5, slow).map((sql) => storage.query(dataset, sql)),
          );
          for (const { rows } of answers) pids.add(rows[0]?.['pid']);
        }
        return hasOne ? pids.size === 1 : pids.size > 1;
      },
    );
    expect(found).toEqual(atEachStage(true));
  });
});

test('postgresql: a zone, a style and a path that a caller sets stay at each stage, and what is read then is no mismatch', async () => {
  const { bridge } = opened;
  const found = await toldAtEachStage(
    opened,
    'postgresql',
    async (storage, dataset) => {
      await storage.execute(dataset, 'CREATE TABLE t (a timestamptz, i interval)');
      await storage.execute(dataset, `INSERT INTO t VALUES ('2020-01-01Z', '1 day 2 hours')`);
    },
    async (storage, dataset) => {
      const before = counted(bridge.recorder, 'mismatch');
      const set = async (name: string, to: string): Promise<unknown> =>
        await runOne(storage, dataset, `SELECT set_config('${name}', '${to}', false)`);
      await set('app.x', 'kept');
      await set('TimeZone', 'Asia/Tokyo');
      await set('IntervalStyle', 'iso_8601');
      const rows = await storage.readTable(dataset, 't');
      await set('search_path', 'pg_catalog');
      const told = await Promise.all(
        [setting, `SELECT current_setting('TimeZone')`, 'SELECT a FROM t'].map((sql) =>
          runOne(storage, dataset, sql),
        ),
      );
      const again = await storage.readTable(dataset, 't');
      await bridge.idle();
      return [rows, told, again, counted(bridge.recorder, 'mismatch') - before];
    },
  );
  const rows = [{ a: '2020-01-01 09:00:00+09', i: 'P1DT2H' }];
  const told = ['kept', 'Asia/Tokyo', { error: 'STATEMENT_FAILED' }];
  expect(found).toEqual(atEachStage([rows, told, rows, 0]));
});

test('sqlite: a view that asks for what the last write left is asked on the connection that wrote', async () => {
  const act: HiddenAct = {
    made: [
      'CREATE TABLE t (id INTEGER PRIMARY KEY, a)',
      'CREATE VIEW last AS SELECT last_insert_rowid() AS id',
    ],
    run: [times(4, 'SELECT 1'), 'INSERT INTO t (a) VALUES (1), (2)', 'SELECT id FROM last'],
    told: [[1, 1, 1, 1], 2, 2],
  };
  const { told } = act;
  expect(await hidden('sqlite', act)).toEqual(
    atEachStage({ told, left: undefined, mismatches: 0 }),
  );
});

describe('postgresql: what a connection has alone is there for the next calls, and no mismatch', () => {
  test.each<[string, HiddenAct]>([
    [
      'a cursor that is held',
      {
        made: [],
        run: ['DECLARE c CURSOR WITH HOLD FOR SELECT 1', 'FETCH c', 'CLOSE c'],
        told: [0, 0, 0],
      },
    ],
    [
      'a temporary table by its schema',
      {
        made: [],
        run: ['CREATE TABLE pg_temp.z AS SELECT 5 AS a', times(3, 'SELECT a FROM z')],
        told: [0, [5, 5, 5]],
      },
    ],
    [
      'a lock that a function of a user’s takes and another frees',
      {
        made: ['take:pg_try_advisory_lock', 'free:pg_advisory_unlock'].map((pair) => {
          const [name, called] = pair.split(':');
          return `CREATE FUNCTION ${name ?? ''}_it() RETURNS boolean ${body('plpgsql', `BEGIN RETURN ${called ?? ''}(hashtext(current_schema())); END`)}`;
        }),
        run: ['SELECT take_it()', 'SELECT 1', 'SELECT free_it()', 'SELECT free_it()'],
        told: [true, 1, true, false],
      },
    ],
    [
      'the last number of a sequence',
      {
        made: ['CREATE TABLE t (id serial, a int)'],
        run: ['INSERT INTO t (a) VALUES (1)', `SELECT currval('t_id_seq')`, 'SELECT lastval()'],
        told: [1, 1, 1],
      },
    ],
  ])('%s', async (_name, act) => {
    const { told } = act;
    expect(await hidden('postgresql', act)).toEqual(
      atEachStage({ told, left: undefined, mismatches: 0 }),
    );
  });
});

describe('postgresql: a write that takes from a sequence in a hidden way takes once', () => {
  const left = 'SELECT last_value FROM s';
  const table = 'CREATE TABLE t (a int)';
  test.each<[string, HiddenAct]>([
    [
      'by a function of a user’s in a default',
      {
        made: [
          `CREATE FUNCTION f() RETURNS text ${body('sql', `SELECT 'r' || nextval('s')`)}`,
          'CREATE TABLE t (a int, r text DEFAULT f())',
        ],
        run: [
          'INSERT INTO t (a) VALUES (1)',
          'INSERT INTO t (a) VALUES (2)',
          'SELECT r FROM t ORDER BY a',
        ],
        told: [1, 1, ['r1', 'r2']],
        leftAs: 2,
      },
    ],
    [
      'by the default of a domain',
      {
        made: [`CREATE DOMAIN d AS int DEFAULT nextval('s')`, 'CREATE TABLE t (a int, n d)'],
        run: ['INSERT INTO t (a) VALUES (1)', 'SELECT n FROM t'],
        told: [1, 1],
        leftAs: 1,
      },
    ],
    [
      'by the check of a domain',
      {
        made: [takes, 'CREATE DOMAIN d AS int CHECK (takes(VALUE) > 0)', 'CREATE TABLE t (a d)'],
        run: ['INSERT INTO t VALUES (1)'],
        told: [1],
        leftAs: 1,
      },
    ],
    [
      'by a generated column',
      {
        made: [takes, 'CREATE TABLE t (a int, b int GENERATED ALWAYS AS (takes(a)) STORED)'],
        run: ['INSERT INTO t VALUES (1)', 'UPDATE t SET a = 2', 'SELECT b FROM t'],
        told: [1, 1, 2],
        leftAs: 2,
      },
    ],
    [
      'by an index over an expression',
      {
        made: [takes, table, 'CREATE INDEX i ON t (takes(a))'],
        run: ['INSERT INTO t VALUES (1)'],
        told: [1],
        leftAs: 1,
      },
    ],
    [
      'by a trigger of a table whose rows a foreign key deletes along',
      {
        made: [
          trigger,
          'CREATE TABLE p (id int PRIMARY KEY)',
          'CREATE TABLE c (p int REFERENCES p ON DELETE CASCADE)',
          'CREATE TRIGGER g AFTER DELETE ON c FOR EACH ROW EXECUTE FUNCTION tf()',
          'INSERT INTO p VALUES (1)',
          'INSERT INTO c VALUES (1)',
        ],
        run: ['DELETE FROM p'],
        told: [1],
        leftAs: 1,
      },
    ],
    [
      'by a trigger of a partition',
      {
        made: [
          trigger,
          'CREATE TABLE t (a int) PARTITION BY RANGE (a)',
          'CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (10)',
          'CREATE TRIGGER g BEFORE INSERT ON t1 FOR EACH ROW EXECUTE FUNCTION tf()',
        ],
        run: ['INSERT INTO t VALUES (1)'],
        told: [1],
        leftAs: 1,
      },
    ],
    [
      'by the table behind a view',
      {
        made: [
          `CREATE TABLE t (a int, n int DEFAULT nextval('s'))`,
          'CREATE VIEW v AS SELECT a FROM t',
        ],
        run: ['INSERT INTO v VALUES (1)', 'SELECT n FROM t'],
        told: [1, 1],
        leftAs: 1,
      },
    ],
  ])('%s', async (_name, act) => {
    const { told, leftAs } = act;
    const made = ['CREATE SEQUENCE s', ...act.made];
    expect(await hidden('postgresql', { ...act, made, left })).toEqual(
      atEachStage({ told, left: leftAs, mismatches: 0 }),
    );
  });
});

test('postgresql: values that a function, a view or a domain makes anew are no mismatch', async () => {
  const act: HiddenAct = {
    made: [
      'CREATE TABLE t (a float8)',
      `CREATE FUNCTION f() RETURNS float8 ${body('sql', 'SELECT random()')}`,
      `CREATE FUNCTION g() RETURNS float8 ${body('plpgsql', 'DECLARE x float8 := random(); BEGIN x := x + 1; RETURN x; END')}`,
      'CREATE VIEW v AS SELECT random() AS a',
      'CREATE DOMAIN d AS float8 DEFAULT random()',
      'CREATE TABLE u (a int, r d)',
    ],
    run: [
      'INSERT INTO t SELECT f()',
      'INSERT INTO t VALUES (g())',
      'INSERT INTO t SELECT a FROM v',
      'UPDATE t SET a = f()',
      'INSERT INTO u (a) VALUES (1)',
    ],
    told: [1, 1, 1, 3, 1],
  };
  const { told } = act;
  expect(await hidden('postgresql', act)).toEqual(
    atEachStage({ told, left: undefined, mismatches: 0 }),
  );
});

describe('duckdb: what a macro, a view or a default brings with it is done once, and no mismatch', () => {
  const left = 'SELECT last_value FROM duckdb_sequences()';
  test.each<[string, HiddenAct]>([
    [
      'a default that is a macro',
      {
        made: [`CREATE MACRO n() AS nextval('s')`, 'CREATE TABLE t (a INT, b INT DEFAULT n())'],
        run: [
          'INSERT INTO t (a) VALUES (1)',
          'INSERT INTO t (a) VALUES (2)',
          'SELECT b FROM t ORDER BY a',
        ],
        told: [1, 1, [1, 2]],
        leftAs: 2,
      },
    ],
    [
      'a macro in a write',
      {
        made: [`CREATE MACRO n() AS nextval('s')`, 'CREATE TABLE t (a INT)'],
        run: ['INSERT INTO t SELECT n()', 'INSERT INTO t VALUES (n())', 'UPDATE t SET a = n()'],
        told: [1, 1, 2],
        leftAs: 4,
      },
    ],
    [
      'a macro in FROM',
      {
        made: [`CREATE MACRO n() AS TABLE SELECT nextval('s') AS a`, 'CREATE TABLE t (a INT)'],
        run: ['INSERT INTO t FROM n()', 'INSERT INTO t SELECT a FROM n()'],
        told: [1, 1],
        leftAs: 2,
      },
    ],
    [
      'a view in a write',
      {
        made: [`CREATE VIEW v AS SELECT nextval('s') AS a`, 'CREATE TABLE t (a INT)'],
        run: ['INSERT INTO t FROM v', 'CREATE TABLE u AS FROM v'],
        told: [1, 0],
        leftAs: 2,
      },
    ],
    [
      'a macro that is random',
      {
        made: ['CREATE MACRO r() AS random()', 'CREATE TABLE t (a DOUBLE, b DOUBLE DEFAULT r())'],
        run: [
          'INSERT INTO t SELECT r(), 1',
          'INSERT INTO t (a) VALUES (1)',
          'UPDATE t SET a = r()',
        ],
        told: [1, 1, 2],
        leftAs: null,
      },
    ],
  ])('%s', async (_name, act) => {
    const { told, leftAs } = act;
    const made = ['CREATE SEQUENCE s', ...act.made];
    expect(await hidden('duckdb', { ...act, made, left })).toEqual(
      atEachStage({ told, left: leftAs, mismatches: 0 }),
    );
  });
});

describe('duckdb: what a query takes or sets by a macro or a view is done once, and is there for the next calls', () => {
  const left = 'SELECT last_value FROM duckdb_sequences()';
  const taking = [`CREATE MACRO n() AS nextval('s')`, 'CREATE VIEW v AS SELECT n() AS a'];
  test.each<[string, HiddenAct]>([
    [
      'a macro over a macro, in a view over a view, in a lambda',
      {
        made: [...taking, 'CREATE MACRO m() AS n()', 'CREATE VIEW w AS FROM v'],
        run: ['SELECT m()', 'FROM w', 'SELECT list_transform([0], lambda x : x + n())[1]'],
        told: [1, 2, 3],
        leftAs: 3,
      },
    ],
    [
      'a macro of another schema, by another case',
      {
        made: ['CREATE SCHEMA other', `CREATE MACRO other."Nx"() AS nextval('s')`],
        run: ['SELECT OTHER.nX()'],
        told: [1],
        leftAs: 1,
      },
    ],
    [
      'a text that is run, a table by its name',
      {
        made: taking,
        run: [`FROM query('SELECT next' || 'val(''s'')')`, `FROM query_table('v')`],
        told: [1, 2],
        leftAs: 2,
      },
    ],
    [
      'a macro by the name of a function of DuckDB’s own',
      {
        made: [`CREATE MACRO lower(x) AS nextval('s')`],
        run: [`SELECT lower('A')`, 'SELECT 1'],
        told: [1, 1],
        leftAs: 1,
      },
    ],
  ])('%s', async (_name, act) => {
    const { told, leftAs } = act;
    const made = ['CREATE SEQUENCE s', ...act.made];
    expect(await hidden('duckdb', { ...act, made, left })).toEqual(
      atEachStage({ told, left: leftAs, mismatches: 0 }),
    );
  });

  test.each<[string, readonly string[], string]>([
    ['a table macro', ['CREATE MACRO seeded() AS TABLE SELECT seed()'], 'FROM seeded()'],
    ['a view', ['CREATE VIEW seeded AS SELECT seed() AS a'], 'FROM seeded'],
    ['a default', ['CREATE TABLE t (a INT, b INT DEFAULT seed())'], 'INSERT INTO t (a) VALUES (1)'],
  ])('a seed that is set by %s', async (_name, made, sql) => {
    const random = 'SELECT random()';
    const found = await hidden('duckdb', {
      made: ['CREATE MACRO seed() AS setseed(0.5)', ...made],
      // Several connections are open before, any of which could be the next call's.
      run: [times(4, 'SELECT count(*) FROM range(300000)'), sql, random, random],
      told: [],
    });
    const [legacy] = Object.values(found);
    expect(legacy).toMatchObject({ mismatches: 0 });
    expect(found).toEqual(atEachStage(legacy));
  });

  test('a seed of PostgreSQL’s, too', async () => {
    const random = 'SELECT random()';
    const run = [times(3, 'SELECT 1 FROM pg_sleep(0.02)'), 'SELECT setseed(0.5)', random, random];
    const found = await hidden('postgresql', { made: [], run, told: [] });
    const [legacy] = Object.values(found);
    expect(legacy).toMatchObject({ mismatches: 0 });
    expect(found).toEqual(atEachStage(legacy));
  });

  test('a variable is kept by a session, for a macro and a view that ask for it, and refused elsewhere', async () => {
    const found = await toldAtEachStage(
      opened,
      'duckdb',
      async (storage, dataset) => {
        await storage.execute(dataset, `CREATE MACRO mine() AS getvariable('x')`);
        await storage.execute(dataset, 'CREATE VIEW v AS SELECT mine() AS a');
      },
      async (storage, dataset) => [
        await runOne(storage, dataset, 'SET VARIABLE x = 5'),
        await storage.session(dataset, async (session) => {
          await session.execute('SET VARIABLE x = 5');
          const asked = ['SELECT mine() AS a', 'FROM v'].map((sql) => session.query(sql));
          return (await Promise.all(asked)).map(({ rows }) => rows[0]?.['a']);
        }),
        await runOne(storage, dataset, 'FROM v'),
      ],
    );
    expect(found).toEqual(atEachStage([{ error: 'INVALID_ARGUMENT' }, [5, 5], null]));
  });
});

test('sqlite: what the last write left, and temporary objects, are no mismatch at shadow', async () => {
  const act: HiddenAct = {
    made: ['CREATE TABLE t (id INTEGER PRIMARY KEY, a)', 'INSERT INTO t (a) VALUES (0)'],
    run: [
      'INSERT INTO t (a) VALUES (1)',
      'SELECT last_insert_rowid()',
      'SELECT changes()',
      'CREATE TEMP TABLE z AS SELECT 7 AS a',
      times(3, 'SELECT a FROM z'),
      'CREATE TABLE temp.y AS SELECT 8 AS a',
      times(3, 'SELECT a FROM temp.y'),
    ],
    told: [1, 2, 1, 0, [7, 7, 7], 0, [8, 8, 8]],
  };
  const { told } = act;
  expect(await hidden('sqlite', act)).toEqual(
    atEachStage({ told, left: undefined, mismatches: 0 }),
  );
});

test('postgresql: a key is not kept on one connection for a function that leaves nothing', async () => {
  const found = await toldAtEachStage(
    opened,
    'postgresql',
    async (storage, dataset) => {
      await storage.execute(
        dataset,
        `CREATE FUNCTION plain(x int) RETURNS int ${body('plpgsql', 'BEGIN IF x > 3 THEN RETURN x; END IF; RETURN x + 1; END')}`,
      );
    },
    async (storage, dataset, stage) => {
      await storage.transaction(dataset, (transaction) => transaction.query('SELECT plain(1)'));
      await storage.query(dataset, 'SELECT plain(2)');
      await opened.bridge.idle();
      const slow = 'SELECT pg_backend_pid() AS pid FROM pg_sleep(0.05)';
      const pids = await Promise.all(times(5, slow).map((sql) => storage.query(dataset, sql)));
      const different = new Set(pids.map(({ rows }) => rows[0]?.['pid'])).size;
      return stage === 'legacy' || stage === 'shadow' ? different === 1 : different > 1;
    },
  );
  expect(found).toEqual(atEachStage(true));
});
