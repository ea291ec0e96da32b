import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { DatasetBackend, Engine } from '@changeover/engines/api';
import { StorageBackendFactory, type StorageBackendFactoryOptions } from '@changeover/pooled';
import pg from 'pg';

// A statement leaves something on its connection, and the next finds it there, as on a singleton; nobody else ever does.

const databaseUrl = process.env['CHANGEOVER_TEST_DATABASE_URL'] ?? '';
let basePath: string;
let factory: StorageBackendFactory;
let made: DatasetBackend[];
let number = 0;

function start(options: Partial<StorageBackendFactoryOptions> = {}): void {
  factory = new StorageBackendFactory({ basePath, databaseUrl, ...options });
}

beforeEach(() => {
  basePath = mkdtempSync(join(tmpdir(), 'changeover-session-'));
  made = [];
  start();
});
afterEach(async () => {
  for (const backend of made) if (await backend.datasetExists()) await backend.dropDataset();
  await factory.close({ deadlineMs: 2_000 });
  rmSync(basePath, { recursive: true, force: true });
});

async function dataset(engine: Engine): Promise<DatasetBackend> {
  number += 1;
  const backend = factory.createBackend(`session_${process.pid.toString(36)}_${number}`, engine);
  await backend.createDataset();
  made.push(backend);
  return backend;
}

async function value(backend: DatasetBackend, sql: string): Promise<unknown> {
  const { rows } = await backend.query(sql);
  return Object.values(rows[0] ?? {})[0];
}

function tenTimes<Value>(work: () => Promise<Value>): Promise<Value[]> {
  return Promise.all(Array.from({ length: 10 }, work));
}

function connections(engine: Engine, purpose: 'callers' | 'shadow' = 'callers'): number {
  return factory.stats().engines.find((each) => each.engine === engine)?.[purpose].connections ?? 0;
}

const tenant = `current_setting('app.tenant', true)`;

describe('a setting, PostgreSQL', () => {
  test('that a call makes is there for every later call of the dataset', async () => {
    const backend = await dataset('postgresql');
    await tenTimes(() => value(backend, 'SELECT pg_sleep(0.01)'));
    await backend.query(`SELECT set_config('app.tenant', 'a', false)`);
    expect(new Set(await tenTimes(() => value(backend, `SELECT ${tenant}`)))).toEqual(
      new Set(['a']),
    );
    await backend.query(`SELECT set_config('TimeZone', 'Asia/Tokyo', false)`);
    expect(
      new Set(await tenTimes(() => value(backend, `SELECT current_setting('TimeZone')`))),
    ).toEqual(new Set(['Asia/Tokyo']));
  });

  test('is seen by no other dataset, whatever connection it gets', async () => {
    start({ budgets: { postgresql: 1 } });
    const one = await dataset('postgresql');
    const other = await dataset('postgresql');
    await one.query(`SELECT set_config('app.tenant', 'a', false)`);
    await factory.storage('postgresql').closeConnections();
    expect(await value(other, `SELECT ${tenant}`)).toBeNull();
  });

  test('that a transaction makes is there after its commit; one of the transaction alone is not, and costs nothing', async () => {
    const backend = await dataset('postgresql');
    await backend.transaction(async (transaction) => {
      await transaction.query(`SELECT set_config('app.tenant', 'local', true)`);
    });
    const pids = await tenTimes(() =>
      value(backend, 'SELECT pg_backend_pid() FROM pg_sleep(0.02)'),
    );
    expect(new Set(pids).size).toBeGreaterThan(1);
    await backend.transaction(async (transaction) => {
      await transaction.query(`SELECT set_config('app.tenant', 'b', false)`);
    });
    expect(new Set(await tenTimes(() => value(backend, `SELECT ${tenant}`)))).toEqual(
      new Set(['b']),
    );
  });

  test('that is lost with its connection is told of by the call that meets the loss, which is not run without it', async () => {
    const backend = await dataset('postgresql');
    await backend.query(`SELECT set_config('app.tenant', 'a', false)`);
    await expect(
      backend.query(`SELECT ${tenant}, pg_terminate_backend(pg_backend_pid())`),
    ).rejects.toMatchObject({ name: 'ConnectionError' });
    expect(await value(backend, `SELECT ${tenant}`)).toBeNull();
  });

  test('is refused where the factory is told so, in one sentence that says what to do, and nothing is run', async () => {
    start({ session: 'refuse' });
    const backend = await dataset('postgresql');
    const refused = { name: 'SessionStateError', code: 'SESSION_STATE' };
    await expect(
      backend.query(`SELECT set_config('app.tenant', 'a', false)`),
    ).rejects.toMatchObject(refused);
    await expect(backend.execute('CREATE TEMP TABLE t (id int)')).rejects.toMatchObject(refused);
    await expect(
      backend.transaction((transaction) => transaction.query('SELECT pg_advisory_lock(1)')),
    ).rejects.toMatchObject(refused);
    expect(new Set(await tenTimes(() => value(backend, `SELECT ${tenant}`)))).toEqual(
      new Set([null]),
    );
  });
});

test('an advisory lock is freed by the call that frees it, whoever calls in between', async () => {
  const backend = await dataset('postgresql');
  const other = await dataset('postgresql');
  await backend.query('SELECT pg_advisory_lock(4711)');
  expect(await value(other, 'SELECT pg_try_advisory_xact_lock(4711)')).toBe(false);
  await tenTimes(() => value(backend, 'SELECT 1'));
  expect(await value(backend, 'SELECT pg_advisory_unlock(4711)')).toBe(true);
  expect(await value(other, 'SELECT pg_try_advisory_xact_lock(4711)')).toBe(true);
});

describe.each<Engine>(['sqlite', 'duckdb', 'postgresql'])('a temporary table, %s', (engine) => {
  test('is what all later statements mean, also in transactions; readTable and writeTable mean the dataset', async () => {
    const backend = await dataset(engine);
    await backend.writeTable('orders', [{ id: 1 }, { id: 2 }, { id: 3 }]);
    await tenTimes(() => value(backend, 'SELECT count(*) FROM orders'));
    await backend.execute('CREATE TEMP TABLE orders AS SELECT 7 AS id');
    const counts = await tenTimes(() => value(backend, 'SELECT count(*) FROM orders'));
    expect(new Set(counts)).toEqual(new Set([1]));
    await backend.transaction(async (transaction) => {
      expect(await transaction.execute('UPDATE orders SET id = 8')).toBe(1);
    });
    expect(await value(backend, 'SELECT id FROM orders')).toBe(8);
    expect(await tenTimes(async () => (await backend.readTable('orders')).length)).toEqual(
      Array.from({ length: 10 }, () => 3),
    );
    await backend.writeTable('orders', [{ id: 4 }], { ifExists: 'append' });
    expect(await backend.readTable('orders')).toHaveLength(4);
  });

  test('made in a transaction outlives it', async () => {
    const backend = await dataset(engine);
    await backend.transaction(async (transaction) => {
      await transaction.execute('CREATE TEMP TABLE mine AS SELECT 5 AS id');
    });
    expect(await tenTimes(() => value(backend, 'SELECT id FROM mine'))).toEqual(
      Array.from({ length: 10 }, () => 5),
    );
  });

  test('of one dataset is not another one’s, and goes with its connection', async () => {
    const backend = await dataset(engine);
    const other = await dataset(engine);
    await backend.execute('CREATE TEMP TABLE mine AS SELECT 5 AS id');
    await expect(other.query('SELECT id FROM mine')).rejects.toMatchObject({
      code: 'STATEMENT_FAILED',
    });
    await factory.storage(engine).closeConnections();
    await expect(backend.query('SELECT id FROM mine')).rejects.toMatchObject({
      code: 'STATEMENT_FAILED',
    });
  });
});

describe('what the last write left', () => {
  test('is what last_insert_rowid() and changes() tell, SQLite', async () => {
    const backend = await dataset('sqlite');
    await backend.execute('CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)');
    for (let id = 1; id <= 5; id += 1) {
      await backend.execute('INSERT INTO t (n) VALUES (1)');
      await tenTimes(() => value(backend, 'SELECT count(*) FROM t'));
      expect(await value(backend, 'SELECT last_insert_rowid()')).toBe(id);
    }
    await backend.execute('UPDATE t SET n = 2');
    expect(await value(backend, 'SELECT changes()')).toBe(5);
    await backend.transaction((transaction) =>
      transaction.execute('INSERT INTO t (id, n) VALUES (77, 1)'),
    );
    expect(await value(backend, 'SELECT last_insert_rowid()')).toBe(77);
  });

  test('is what lastval() tells, PostgreSQL, and reads still run beside each other', async () => {
    const backend = await dataset('postgresql');
    await backend.execute('CREATE TABLE t (id serial PRIMARY KEY, n int)');
    for (let id = 1; id <= 5; id += 1) {
      await backend.execute('INSERT INTO t (n) VALUES (1)');
      await tenTimes(() => value(backend, 'SELECT count(*) FROM t'));
      expect(await value(backend, 'SELECT lastval()')).toBe(id);
    }
    const pids = await tenTimes(() =>
      value(backend, 'SELECT pg_backend_pid() FROM pg_sleep(0.02)'),
    );
    expect(new Set(pids).size).toBeGreaterThan(1);
  });
});

describe('who needs nothing of it notices nothing', () => {
  test('a dataset is read by ten at once while another has one connection', async () => {
    const bound = await dataset('postgresql');
    const free = await dataset('postgresql');
    await bound.query(`SELECT set_config('app.tenant', 'a', false)`);
    const order: string[] = [];
    const slow = bound.query('SELECT pg_sleep(0.5)').then(() => order.push('bound'));
    const queued = bound.query('SELECT 1').then(() => order.push('behind it'));
    await tenTimes(() => value(free, 'SELECT 1')).then(() => order.push('free'));
    await Promise.all([slow, queued]);
    expect(order).toEqual(['free', 'bound', 'behind it']);
  });

  test('ten reads at once have a connection each', async () => {
    const backend = await dataset('postgresql');
    await backend.execute(
      'CREATE TABLE "Reader list" (id int, name varchar(20), PRIMARY KEY (id))',
    );
    await backend.execute(`INSERT INTO "Reader list" (id, name) VALUES (1, 'a'), (2, 'b')`);
    const sql = `WITH held (n) AS (SELECT count(*) FROM "Reader list" r) SELECT coalesce(n, 0)::numeric(10, 2) AS n FROM held`;
    const admin = new pg.Client(databaseUrl);
    await admin.connect();
    await admin.query(`BEGIN; LOCK TABLE "mdm_${backend.dataset}"."Reader list"`);
    const reads = tenTimes(() => value(backend, sql));
    const waiting = `SELECT count(*)::int AS n FROM pg_locks WHERE NOT granted`;
    while ((await admin.query<{ n: number }>(waiting)).rows[0]?.n !== 10) continue;
    await admin.query('COMMIT');
    expect(new Set(await reads)).toEqual(new Set(['2.00']));
    await admin.end();
  });

  test('what looks like it in a literal, a comment or a column is nothing of it', async () => {
    const backend = await dataset('postgresql');
    await backend.execute('CREATE TABLE t (set_config text, temporary text)');
    await backend.query(
      `SELECT 'set_config(''a'', ''b'', false)', $$pg_advisory_lock(1)$$ /* SET x */, temporary FROM t`,
    );
    const pids = await tenTimes(() =>
      value(backend, 'SELECT pg_backend_pid() FROM pg_sleep(0.02)'),
    );
    expect(new Set(pids).size).toBeGreaterThan(1);
  });
});

test('a connection that compares is clean for the next comparison, also of what nobody saw coming', async () => {
  const backend = await dataset('postgresql');
  const { shadow } = factory.leg('postgresql');
  const admin = new pg.Client(databaseUrl);
  await admin.connect();
  const schema = `"mdm_${backend.dataset}"`;
  await admin.query(
    `CREATE FUNCTION ${schema}.hidden() RETURNS text LANGUAGE sql AS $$
       SELECT pg_advisory_lock(815)::text || set_config('app.tenant', 'left behind', false) $$;
     CREATE VIEW ${schema}.innocent AS SELECT ${schema}.hidden() AS v`,
  );
  const run = async (sql: string): Promise<unknown> =>
    await shadow?.read({
      operation: 'query',
      args: [backend.dataset, sql],
      signal: AbortSignal.timeout(10_000),
    });
  await run('SELECT v FROM innocent');
  await run('SELECT 1 AS one');
  const held = `SELECT count(*)::int AS n FROM pg_locks WHERE locktype = 'advisory' AND objid = 815`;
  // In the background; and the connection is not closed for it.
  while ((await admin.query<{ n: number }>(held)).rows[0]?.n !== 0) continue;
  expect(connections('postgresql', 'shadow')).toBeGreaterThan(0);
  await admin.end();
});
