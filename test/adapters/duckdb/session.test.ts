import { describe, expect, test } from '@jest/globals';
import { bridgeOf } from '@changeover/bridge';
import { DuckDBScalarFunction, INTEGER } from '@duckdb/node-api';
import { make, rows, stages, thereAndBack } from './kit.ts';

describe.each(stages)('at %s', (stage) => {
  test('settings, variables and schemas are those that were set, for every statement', async () => {
    const { db } = await make(stage, ['create schema s', 'create table s.t as select 7 as n']);
    await db.run("set timezone = 'Asia/Tokyo'");
    await db.run('set variable v = [1, 2]');
    await db.run('use s');
    const zone = "select timestamptz '2024-01-01 00:00:00+00'::varchar";
    for (let use = 0; use < 3; use += 1) {
      expect(await rows(db, zone)).toEqual([['2024-01-01 09:00:00+09']]);
      expect(await rows(db, "select getvariable('v')::varchar")).toEqual([['[1, 2]']]);
      expect(await rows(db, 'select n from t')).toEqual([[7]]);
    }
    await db.run('reset timezone');
    expect(await rows(db, zone)).not.toEqual([['2024-01-01 09:00:00+09']]);
  });

  test('temporary tables, views and macros are there for the statements behind them', async () => {
    const { db } = await make(stage);
    await db.run('create temp table t as select 1 as n');
    await db.run('create temp macro twice(x) as x * 2');
    for (let use = 0; use < 3; use += 1)
      expect(await rows(db, 'select twice(n) from t')).toEqual([[2]]);
    await db.run('insert into t values (2)');
    await db.run('BEGIN');
    await db.run('delete from t');
    await db.run('ROLLBACK');
    expect(await rows(db, 'select count(*)::int from t')).toEqual([[2]]);
  });

  test('a stream that is opened while it is learned what was left before it keeps its rows', async () => {
    const { db } = await make(stage, ['create table big as select range as n from range(9000)']);
    for (let use = 0; use < 5; use += 1) {
      await db.run(`create temp table t${String(use)}(n int)`);
      const stream = await db.stream('select n from big');
      let seen = 0;
      for await (const chunk of stream) seen += chunk.rowCount;
      expect(seen).toBe(9000);
    }
  });

  test('statements of PREPARE are executed, attached databases used', async () => {
    const { db } = await make(stage);
    await db.run('prepare p as select $1 + 1');
    expect(await rows(db, 'execute p(1)')).toEqual([[2]]);
    await db.run("attach ':memory:' as m");
    await db.run('create table m.t as select 1 as n');
    for (let use = 0; use < 3; use += 1) expect(await rows(db, 'select n from m.t')).toEqual([[1]]);
  });

  test('functions of the program are called', async () => {
    const { db } = await make(stage);
    db.registerScalarFunction(
      DuckDBScalarFunction.create({
        name: 'thrice',
        parameterTypes: [INTEGER],
        returnType: INTEGER,
        mainFunction: (_info, input, output) => {
          const values = input.getColumnVector(0);
          for (let at = 0; at < input.rowCount; at += 1)
            output.setItem(at, (values.getItem(at) as number) * 3);
          output.flush();
        },
      }),
    );
    for (let use = 0; use < 3; use += 1) expect(await rows(db, 'select thrice(2)')).toEqual([[6]]);
  });

  test('what is relied on of one connection is recorded', async () => {
    const { db } = await make(stage);
    await db.run("set timezone = 'Asia/Tokyo'");
    await db.run('create temp table t(n int)');
    await db.run('set variable v = 1');
    const session = () =>
      bridgeOf(db)
        .recorder.reliance()
        .filter(({ guarantee }) => guarantee === 'session');
    // What a text does is learned in the background.
    while (session().length < 2) await rows(db, 'select 1');
    expect(
      session()
        .map(({ use, count, kept }) => [use, count, kept])
        .sort(),
    ).toEqual([
      ['sets', 2, true],
      ['temporary', 1, true],
    ]);
  });
});

test('what was set is set on the other leg when the stage moves', async () => {
  const { db, move } = await make('legacy');
  await db.run('set variable v = 0');
  let n = 0;
  for (const stage of thereAndBack) {
    move(stage);
    expect(await rows(db, "select getvariable('v')")).toEqual([[n]]);
    n += 1;
    await db.run(`set variable v = ${String(n)}`);
  }
});

test('what was set on the handle before it was bridged holds on the pooled leg', async () => {
  const { db } = await make('pooled', ["set global timezone = 'Asia/Tokyo'"]);
  expect(await rows(db, "select current_setting('TimeZone')")).toEqual([['Asia/Tokyo']]);
});

test('a temporary table holds its key on the leg that it is on, until it is dropped', async () => {
  const { db, move, raw } = await make('legacy');
  await db.run('create temp table t as select 1 as n');
  move('pooled');
  await db.run('insert into t values (2)');
  expect(await rows(db, 'select count(*)::int from t')).toEqual([[2]]);
  expect(await rows(raw, 'select count(*)::int from t')).toEqual([[2]]);
  await db.run('drop table t');
  // Whether something is left there is asked in the background.
  let tries = 0;
  const isOnHandle = async (): Promise<boolean> => {
    tries += 1;
    await db.run(`create temp table u${String(tries)}(n int)`);
    const found = `select count(*)::int from duckdb_tables() where table_name = 'u${String(tries)}'`;
    const [[count] = []] = await rows(raw, found);
    if (count === 1) await db.run(`drop table u${String(tries)}`);
    return count === 1;
  };
  while (await isOnHandle()) for (let use = 0; use < 100; use += 1) await rows(db, 'select 1');
  expect(await rows(db, `select count(*)::int from u${String(tries)}`)).toEqual([[0]]);
});

test('what is left in a transaction is learned at its end, and a transaction that failed fails no more by it', async () => {
  const { db, move, raw } = await make('legacy');
  await db.run('BEGIN');
  await db.run('create temp table t as select 1 as n');
  for (let use = 0; use < 50; use += 1) await rows(db, 'select n from t');
  await db.run('COMMIT');
  move('pooled');
  await db.run('insert into t values (2)');
  expect(await rows(raw, 'select count(*)::int from t')).toEqual([[2]]);
});
