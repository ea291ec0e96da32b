import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { bridgeOf, caller } from '@changeover/bridge';
import { TransactionWaitError } from '@changeover/adapters/pg';
import type pg from 'pg';
import { bridgedClients, stages } from './kit.ts';

/** Until it is learned that a text begins a transaction, it is refused as what comes after a lost one is. */
async function isAccepted(begin: Promise<unknown>): Promise<boolean> {
  try {
    await begin;
    return true;
  } catch (error) {
    expect((error as Error).message).toMatch('not queryable');
    return false;
  }
}

const clients = bridgedClients('adapter_pg_transactions', [
  'create table counter(id int primary key, n int not null)',
  'create table log(id serial primary key, what text)',
  'create table parents(id int primary key)',
  'create table children(parent int references parents(id) deferrable initially deferred)',
]);

async function count(db: pg.ClientBase, what: string): Promise<number> {
  return (await db.query('select * from log where what = $1', [what])).rowCount ?? 0;
}

describe.each(stages)('at %s', (stage) => {
  test('statements that nobody awaits are one transaction, in their order', async () => {
    const { db } = await clients.make(stage);
    const begun = db.query('BEGIN');
    const first = db.query("insert into log(what) values ('unawaited')");
    const second = db.query("update log set what = 'updated' where what = 'unawaited'");
    const undone = db.query('ROLLBACK');
    await Promise.all([begun, first, second, undone]);
    expect((await second).rowCount).toBe(1);
    expect(await count(db, 'updated')).toBe(0);
  });

  test('a read inside a transaction sees what it wrote, and is not compared', async () => {
    const { db, idle, counts } = await clients.make(stage);
    await db.query('BEGIN');
    await db.query("insert into log(what) values ('mine')");
    expect(await count(db, 'mine')).toBe(1);
    await db.query('ROLLBACK');
    await idle();
    expect(counts()).toMatchObject({ mismatch: 0, match: 0 });
  });

  test('a transaction that failed answers as the server does until it is ended', async () => {
    const { db } = await clients.make(stage);
    await db.query('BEGIN');
    await expect(db.query('select 1/0')).rejects.toMatchObject({ code: '22012' });
    await expect(db.query('select 1')).rejects.toMatchObject({ code: '25P02' });
    expect((await db.query('COMMIT')).command).toBe('ROLLBACK');
    expect((await db.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
  });

  test('a COMMIT that is refused ends the transaction', async () => {
    const { db } = await clients.make(stage);
    await db.query('BEGIN');
    await db.query('insert into children values (9)');
    await expect(db.query('COMMIT')).rejects.toMatchObject({ code: '23503' });
    await db.query("insert into log(what) values ('after')");
    expect(await count(db, 'after')).toBe(1);
    await db.query("delete from log where what = 'after'");
  });

  test('a transaction in one text is one', async () => {
    const { db } = await clients.make(stage);
    await db.query("begin; insert into log(what) values ('text')");
    expect(await count(db, 'text')).toBe(1);
    await db.query('rollback');
    expect(await count(db, 'text')).toBe(0);
  });

  test('savepoints are inside the transaction', async () => {
    const { db } = await clients.make(stage);
    await db.query('BEGIN');
    await db.query("insert into log(what) values ('kept')");
    await db.query('SAVEPOINT one');
    await db.query("insert into log(what) values ('undone')");
    await db.query('ROLLBACK TO one');
    await db.query('COMMIT');
    expect([await count(db, 'kept'), await count(db, 'undone')]).toEqual([1, 0]);
    await db.query("delete from log where what = 'kept'");
  });

  test('COMMIT from another caller reaches it', async () => {
    const { db } = await clients.make(stage);
    await caller(async () => {
      await db.query('BEGIN');
      await db.query("insert into log(what) values ('handed over')");
    });
    await caller(() => db.query('COMMIT'));
    expect(await count(db, 'handed over')).toBe(1);
    await db.query("delete from log where what = 'handed over'");
  });
});

describe.each(['reverse', 'pooled'] as const)('between callers at %s', (stage) => {
  test('increments of many callers are not lost', async () => {
    const { db } = await clients.make(stage);
    await db.query('insert into counter values (1, 0) on conflict (id) do update set n = 0');
    const increment = async (): Promise<void> => {
      await db.query('BEGIN');
      const { rows } = await db.query<{ n: number }>('select n from counter where id = 1');
      await db.query('update counter set n = $1 where id = 1', [(rows[0]?.n ?? 0) + 1]);
      await db.query('COMMIT');
    };
    await Promise.all(Array.from({ length: 20 }, () => caller(increment)));
    expect((await db.query('select n from counter')).rows).toEqual([{ n: 20 }]);
  });

  test("another caller's statement waits for the end, and is not part of what is rolled back", async () => {
    const { db } = await clients.make(stage);
    await db.query('BEGIN');
    await db.query("insert into log(what) values ('rolled back')");
    const others = caller(() => db.query("insert into log(what) values ('other')"));
    await db.query('ROLLBACK');
    await others;
    expect([await count(db, 'rolled back'), await count(db, 'other')]).toEqual([0, 1]);
    await db.query("delete from log where what = 'other'");
  });

  test('a transaction that nobody ends fails who waits, by name', async () => {
    const { db } = await clients.make(stage, { transactionWaitMs: 20 });
    await db.query('BEGIN');
    await expect(caller(() => db.query('select 1'))).rejects.toBeInstanceOf(TransactionWaitError);
    await db.query('ROLLBACK');
    expect((await caller(() => db.query('select 1 as one'))).rows).toEqual([{ one: 1 }]);
  });

  test('what is left of a transaction whose connection was lost is refused until it is ended', async () => {
    const { db, raw } = await clients.make(stage);
    // Until it is learned what these texts do, more is refused than has to be.
    for (let n = 0; n < 50; n += 1) for (const text of ['BEGIN', 'COMMIT']) await db.query(text);
    await db.query('BEGIN');
    const { rows } = await db.query<{ pid: number }>('select pg_backend_pid() as pid');
    const lost = db.query('select pg_sleep(5)');
    await raw.query('select pg_terminate_backend($1)', [rows[0]?.pid]);
    await expect(lost).rejects.toMatchObject({ code: '57P01' });
    // Until the server has closed it, a statement may still be sent on the connection, and meets whatever the socket says.
    const isThere = 'select 1 from pg_stat_activity where pid = $1';
    while ((await clients.admin().query(isThere, [rows[0]?.pid])).rowCount !== 0);
    await expect(db.query("insert into log(what) values ('half')")).rejects.toThrow(
      /terminated|not queryable/,
    );
    await expect(db.query('COMMIT')).rejects.toThrow('not queryable');
    expect(await count(clients.admin(), 'half')).toBe(0);
    // A refusal takes no turn of the event loop, and what is learned needs some.
    while (!(await isAccepted(db.query('BEGIN')))) await turn();
    await db.query('ROLLBACK');
  });
});

test('statements go on being counted while the stage moves under load, and nothing is lost', async () => {
  const { db, move, idle, counts } = await clients.make('legacy');
  await db.query('insert into counter values (2, 0) on conflict (id) do update set n = 0');
  const work = async (): Promise<void> => {
    await db.query('BEGIN');
    await db.query('update counter set n = n + 1 where id = 2');
    await db.query('COMMIT');
    await db.query('select * from parents');
  };
  for (const stage of ['legacy', 'shadow', 'reverse', 'pooled', 'legacy'] as const) {
    const working = Array.from({ length: 5 }, () => caller(work));
    move(stage);
    working.push(...Array.from({ length: 5 }, () => caller(work)));
    await Promise.all(working);
  }
  // On the handle itself callers share one transaction, so that a BEGIN of another's changes nothing.
  expect((await db.query('select n from counter where id = 2')).rows).toEqual([{ n: 50 }]);
  await idle();
  expect(counts().mismatch).toBe(0);
  expect(bridgeOf(db).stageOf()).toBe('legacy');
});
