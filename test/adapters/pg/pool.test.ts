import { afterEach, describe, expect, test } from '@jest/globals';
import { bridgeOf, createStaticStageSource, silentLogger } from '@changeover/bridge';
import { bridgePool } from '@changeover/adapters/pg';
import { hasPostgresParser } from '@changeover/classify/postgresql';
import type { Stage } from '@changeover/core';
import { once } from 'node:events';
import pg from 'pg';
import { bridgedClients, stages } from './kit.ts';

const clients = bridgedClients('adapter_pg_pool', [
  'create table notes(id int primary key, text text)',
  "insert into notes values (1, 'one'), (2, 'two')",
]);

const open: pg.Pool[] = [];

afterEach(async () => {
  for (const pool of open.splice(0)) {
    if (!pool.ending) await pool.end();
    await bridgeOf(pool).close();
  }
});

function bridged(
  stage: Stage,
  config: pg.PoolConfig = {},
): { pool: pg.Pool; raw: pg.Pool; counts: () => { calls: number; pooled: number } } {
  const raw = new pg.Pool({ ...clients.config, ...config });
  const pool = bridgePool(raw, {
    name: 'db',
    stages: createStaticStageSource({ db: stage }),
    storePath: ':memory:',
    logger: silentLogger,
  });
  open.push(pool);
  const counts = () => {
    const { totals } = bridgeOf(pool).recorder.summary();
    return { calls: totals.calls, pooled: totals.pooled.count };
  };
  return { pool, raw, counts };
}

/** Statements that wait for each other on the server, so that only a pool that has both out at once ends. */
const waitFor = (lock: number): string => `select pg_advisory_xact_lock(${String(lock)})`;

test('a first statement is answered before anything is asked about it', async () => {
  // In a program it is loaded once, which takes longer than a statement.
  await hasPostgresParser();
  const told: string[] = [];
  class Telling extends pg.Pool {
    override connect(...args: readonly unknown[]): Promise<pg.PoolClient> {
      told.push(`connection ${String(this.options.max)}`);
      return Reflect.apply(pg.Pool.prototype.connect, this, args) as Promise<pg.PoolClient>;
    }
  }
  const pool = bridgePool(new Telling({ ...clients.config, max: 3 }), {
    name: 'db',
    stages: createStaticStageSource({ db: 'legacy' }),
    storePath: ':memory:',
    logger: silentLogger,
  });
  open.push(pool);
  await pool.query('select 1');
  told.push('answered');
  for (let round = 0; told.at(-1) === 'answered' && round < 1_000; round += 1)
    await new Promise(setImmediate);
  // The one that asks has a pool of its own.
  expect(told).toEqual(['connection 3', 'answered', 'connection 1']);
});

test('a lost connection of those that ask the catalogue does not end the program', async () => {
  const name = 'adapter_pg_pool_lost';
  const { pool } = bridged('legacy', { application_name: name });
  pool.on('error', () => undefined);
  const sql = 'from pg_stat_activity where application_name = $1';
  const connected = async (): Promise<unknown> =>
    (await clients.admin().query<{ n: number }>(`select count(*)::int as n ${sql}`, [name])).rows;
  // The caller's own, and the one that asks.
  for (let round = 0; round < 1_000; round += 1) {
    await pool.query('select 1');
    if (JSON.stringify(await connected()) === '[{"n":2}]') break;
  }
  expect(await connected()).toEqual([{ n: 2 }]);
  // It may be heard before the server has answered.
  const lost = once(pool, 'error');
  await clients.admin().query(`select pg_terminate_backend(pid) ${sql}`, [name]);
  await lost;
  expect((await pool.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
});

/** A cursor that has read one row, and stays open. */
class OpenCursor {
  #connection: pg.Connection | undefined;
  submit(connection: pg.Connection): void {
    this.#connection = connection;
    connection.parse({ name: '', text: 'select generate_series(1, 3)', types: [] }, true);
    connection.bind({}, true);
    connection.execute({ portal: '', rows: '1' }, true);
    connection.flush();
  }
  close(): void {
    this.#connection?.sync();
  }
  handleRowDescription(): void {}
  handleDataRow(): void {}
  handlePortalSuspended(): void {}
  handleCommandComplete(): void {}
  handleReadyForQuery(): void {}
  handleError(): void {}
}

test.each(['reverse', 'pooled'] as const)(
  'beside a pool of one, at %s, a cursor that is open on a client holds up nobody who asks the pool',
  async (stage) => {
    const pooled = new pg.Pool({ ...clients.config, max: 2 });
    const pool = bridgePool(new pg.Pool({ ...clients.config, max: 1 }), {
      name: 'db',
      pooled: () => pooled,
      stages: createStaticStageSource({ db: stage }),
      storePath: ':memory:',
      logger: silentLogger,
    });
    open.push(pool);
    const client = await pool.connect();
    const cursor = client.query(new OpenCursor());
    expect((await pool.query('select 2 as two')).rows).toEqual([{ two: 2 }]);
    cursor.close();
    client.release();
    await pool.end();
    await pooled.end();
  },
);

describe.each(stages)('a pool at %s', (stage) => {
  test('gives the same client again, whose second release is refused', async () => {
    const { pool } = bridged(stage, { max: 1 });
    const first = await pool.connect();
    const { release } = first;
    first.release();
    const second = await pool.connect();
    expect(second).toBe(first);
    // Of the use before: not of who has it now.
    expect(() => {
      release();
    }).toThrow('already been released');
    expect((await second.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
    second.release();
  });

  test('tells its listeners and hooks of the clients that callers have', async () => {
    const hooked: unknown[] = [];
    const { pool } = bridged(stage, {
      onConnect: (client: pg.ClientBase) => {
        hooked.push(client);
      },
    });
    const heard: Record<string, unknown[]> = { connect: [], acquire: [] };
    for (const [event, list] of Object.entries(heard))
      pool.on(event as 'connect', (client) => {
        list.push(client);
      });
    const released = once(pool, 'release');
    const client = await pool.connect();
    expect(hooked).toEqual([client]);
    expect(heard).toEqual({ connect: [client], acquire: [client] });
    client.release();
    expect((await released)[1]).toBe(client);
  });

  test('what a listener of connect sets there holds for its statements', async () => {
    const { pool, counts } = bridged(stage);
    pool.on('connect', (client) => {
      void client.query("set application_name to 'of the listener'");
    });
    const { rows } = await pool.query("select current_setting('application_name') as name");
    expect(rows).toEqual([{ name: 'of the listener' }]);
    // The listener's own statement is no call of the program's.
    expect(counts().calls).toBe(1);
  });

  test('statements that are not awaited run beside each other', async () => {
    const { pool } = bridged(stage);
    const holder = await pool.connect();
    await holder.query('begin');
    await holder.query(waitFor(7_101));
    // Waits on the server for the transaction, and the transaction's end must not wait for it.
    const waiting = pool.query(waitFor(7_101));
    await pool.query('select 1');
    await holder.query('commit');
    holder.release();
    await expect(waiting).resolves.toMatchObject({ rowCount: 1 });
  });

  test('a statement that failed closes its connection, as it does in the driver', async () => {
    const { pool } = bridged(stage);
    await expect(pool.query('selec')).rejects.toMatchObject({ code: '42601' });
    expect(pool.idleCount).toBe(0);
  });

  test('a callback is told no error by undefined, and a query object answers by promise', async () => {
    const { pool } = bridged(stage);
    const told = await new Promise<unknown[]>((resolve) => {
      pool.query('select 1 as one', (...outcome: unknown[]) => {
        resolve(outcome);
      });
    });
    expect(told).toEqual([undefined, expect.objectContaining({ rows: [{ one: 1 }] })]);
    const result: unknown = await Promise.resolve(pool.query(new pg.Query('select 2 as two')));
    expect(result).toMatchObject({ rows: [{ two: 2 }] });
  });

  test('ends when what was asked before has been answered', async () => {
    const { pool } = bridged(stage);
    const asked = Array.from({ length: 5 }, () => pool.query('select 1 as one'));
    await pool.end();
    for (const { rows } of await Promise.all(asked)) expect(rows).toEqual([{ one: 1 }]);
  });
});

test('at pooled the other pool is as large as the handle, and as patient', async () => {
  const { pool } = bridged('pooled', { max: 2, connectionTimeoutMillis: 1_000 });
  const taken = await Promise.all([pool.connect(), pool.connect()]);
  expect(pool.totalCount).toBe(2);
  await expect(pool.query('select 1')).rejects.toThrow('timeout exceeded');
  for (const client of taken) client.release();
});
