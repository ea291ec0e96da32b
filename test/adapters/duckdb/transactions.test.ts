import { describe, expect, test } from '@jest/globals';
import { caller } from '@changeover/bridge';
import { TransactionWaitError } from '@changeover/adapters/duckdb';
import type { DuckDBConnection } from '@duckdb/node-api';
import { make, rows, stages, thereAndBack } from './kit.ts';

const setup = ['create table log(what varchar)', 'create table counter(id int primary key, n int)'];

async function count(db: DuckDBConnection, what: string): Promise<unknown> {
  return (await rows(db, 'select count(*)::int from log where what = $1', [what]))[0]?.[0];
}

describe.each(stages)('at %s', (stage) => {
  test('what is committed is seen by all, what is rolled back by nobody', async () => {
    const { db, other } = await make(stage, setup);
    await db.run('BEGIN');
    await db.run("insert into log values ('kept')");
    expect([await count(db, 'kept'), await count(other, 'kept')]).toEqual([1, 0]);
    await db.run('COMMIT');
    expect(await count(other, 'kept')).toBe(1);
    await db.run('start transaction');
    await db.run("insert into log values ('undone')");
    await db.run('  /* over */ abort');
    expect([await count(db, 'undone'), await count(other, 'undone')]).toEqual([0, 0]);
  });

  test('reads inside a transaction are not compared', async () => {
    const { db, idle, compared, counts } = await make(stage, setup);
    if (stage === 'shadow' || stage === 'reverse')
      await compared(() => rows(db, 'select * from log'));
    await idle();
    const before = counts();
    await db.run('BEGIN');
    await db.run("insert into log values ('mine')");
    expect(await rows(db, 'select * from log')).toEqual([['mine']]);
    await db.run('ROLLBACK');
    await idle();
    expect(counts().match).toBe(before.match);
    expect(counts().mismatch).toBe(0);
  });

  test('a transaction that failed answers as the engine does until it is ended', async () => {
    const { db } = await make(stage, setup);
    await db.run('BEGIN');
    await expect(db.run("select error('no')")).rejects.toThrow('no');
    await expect(db.run('select 1')).rejects.toThrow('Current transaction is aborted');
    await expect(db.run('BEGIN')).rejects.toThrow('Current transaction is aborted');
    await db.run('ROLLBACK');
    expect(await rows(db, 'select 1')).toEqual([[1]]);
  });

  test('a COMMIT that is refused ends the transaction', async () => {
    const { db, other } = await make(stage, setup);
    await db.run('BEGIN');
    await db.run('insert into counter values (1, 1)');
    await other.run('insert into counter values (1, 2)');
    await expect(db.run('COMMIT')).rejects.toThrow('Failed to commit');
    await db.run("insert into log values ('after')");
    expect(await count(other, 'after')).toBe(1);
  });

  test('a transaction in one text is one, and one that fails on its way stays open', async () => {
    const { db, other } = await make(stage, setup);
    await db.run("begin; insert into log values ('text')");
    expect(await count(db, 'text')).toBe(1);
    await db.run('rollback');
    expect(await count(other, 'text')).toBe(0);
    await expect(db.run("begin; select error('half'); commit")).rejects.toThrow('half');
    await expect(db.run('select 1')).rejects.toThrow('aborted');
    await db.run('rollback');
  });

  test('BEGIN and COMMIT are prepared, streamed and started as well', async () => {
    const { db, other } = await make(stage, setup);
    const begin = await db.prepare('begin');
    await begin.run();
    await db.run("insert into log values ('prepared')");
    await (await db.start('rollback')).getResult();
    await db.run("insert into log values ('alone')");
    expect([await count(other, 'prepared'), await count(other, 'alone')]).toEqual([0, 1]);
  });

  test('COMMIT from another caller reaches it', async () => {
    const { db, other } = await make(stage, setup);
    await caller(async () => {
      await db.run('BEGIN');
      await db.run("insert into log values ('handed over')");
    });
    await caller(() => db.run('COMMIT'));
    expect(await count(other, 'handed over')).toBe(1);
  });
});

describe.each(['reverse', 'pooled'] as const)('between callers at %s', (stage) => {
  test('increments of many callers are not lost', async () => {
    const { db } = await make(stage, [...setup, 'insert into counter values (1, 0)']);
    const increment = async (): Promise<void> => {
      await db.run('BEGIN');
      const [[n = 0] = []] = await rows(db, 'select n from counter where id = 1');
      await db.run('update counter set n = $1 where id = 1', [Number(n) + 1]);
      await db.run('COMMIT');
    };
    await Promise.all(Array.from({ length: 15 }, () => caller(increment)));
    expect(await rows(db, 'select n from counter')).toEqual([[15]]);
  });

  test("another caller's statement waits for the end, and is not part of what is rolled back", async () => {
    const { db } = await make(stage, setup);
    await db.run('BEGIN');
    await db.run("insert into log values ('rolled back')");
    const others = caller(() => db.run("insert into log values ('other')"));
    await db.run('ROLLBACK');
    await others;
    expect([await count(db, 'rolled back'), await count(db, 'other')]).toEqual([0, 1]);
  });

  test('a transaction that nobody ends fails who waits, by name', async () => {
    const { db } = await make(stage, setup, { transactionWaitMs: 20 });
    await db.run('BEGIN');
    await expect(caller(() => db.run('select 1'))).rejects.toBeInstanceOf(TransactionWaitError);
    await db.run('ROLLBACK');
    expect(await caller(() => rows(db, 'select 1'))).toEqual([[1]]);
  });
});

test('a transaction stays where it began, whatever the stage is by then', async () => {
  const { db, move } = await make('legacy', setup);
  for (const stage of thereAndBack) {
    await db.run('BEGIN');
    await db.run("insert into log values ('mid')");
    move(stage);
    expect(await count(db, 'mid')).toBe(1);
    await db.run('ROLLBACK');
    expect(await count(db, 'mid')).toBe(0);
  }
});

test('keys have a transaction each', async () => {
  const { db } = await make('pooled', [...setup, 'create table two(n int)'], {
    key: ({ sql }) => (/\btwo\b/.test(sql) ? 'two' : 'log'),
  });
  await db.run('begin');
  await db.run("insert into log values ('one')");
  expect(await rows(db, 'select count(*)::int from two')).toEqual([[0]]);
  await db.run('rollback');
});

test('nothing is lost while the stage moves under load', async () => {
  const { db, move, idle, counts } = await make('legacy', [
    ...setup,
    'insert into counter values (2, 0)',
  ]);
  const work = async (): Promise<void> => {
    await db.run('update counter set n = n + 1 where id = 2');
    await rows(db, 'select * from log');
  };
  for (const stage of thereAndBack) {
    const working = Array.from({ length: 5 }, () => caller(work));
    move(stage);
    working.push(...Array.from({ length: 5 }, () => caller(work)));
    await Promise.all(working);
  }
  expect(await rows(db, 'select n from counter')).toEqual([[50]]);
  await idle();
  expect(counts().mismatch).toBe(0);
});
