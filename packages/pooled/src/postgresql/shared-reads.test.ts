import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import pg from 'pg';
import type { DatasetBackend, InputValue } from '@changeover/engines/api';
import type { Row } from '@changeover/core';
import type { StorageBackendFactoryOptions } from '../factory-options.ts';
import type { PurposeStats } from '../factory-stats.ts';
import { silentMetrics } from '../metrics/pool-metrics.ts';
import type { PoolStats } from '../pool/pool-stats.ts';
import { StorageBackendFactory } from '../storage-backend-factory.ts';

// Reads that are known to be short share a connection, on which they are sent before those in front of them are answered.
const databaseUrl = process.env['CHANGEOVER_TEST_DATABASE_URL'] ?? '';
const dataset = `shared_${process.pid.toString(36)}`;
const basePath = mkdtempSync(join(tmpdir(), 'changeover-shared-'));
const other = new pg.Client({ connectionString: databaseUrl });
let factory: StorageBackendFactory;
let backend: DatasetBackend;
let retries: string[];

beforeAll(async () => {
  await other.connect();
});
afterAll(async () => {
  await other.query(`DROP SCHEMA IF EXISTS "mdm_${dataset}" CASCADE`);
  await other.end();
  rmSync(basePath, { recursive: true, force: true });
});
beforeEach(() => {
  retries = [];
});
afterEach(async () => {
  await factory.close({ deadlineMs: 2_000 });
});

async function open(
  max: number,
  options: Partial<StorageBackendFactoryOptions> = {},
): Promise<void> {
  factory = new StorageBackendFactory({
    basePath,
    databaseUrl,
    pools: { postgresql: { max } },
    metrics: {
      ...silentMetrics,
      retried: (_scope, _dataset, action) => {
        retries.push(action);
      },
    },
    ...options,
    // However busy the machine is that this runs on.
    postgresql: { shortReadMs: 60_000, ...options.postgresql },
  });
  backend = factory.createBackend(dataset, 'postgresql');
  if (!(await backend.datasetExists())) await backend.createDataset();
  for (const table of ['t', 'u']) {
    await backend.writeTable(
      table,
      Array.from({ length: 20 }, (_, id) => ({ id, n: id * id })),
      { ifExists: 'replace' },
    );
    await known(() => byId(table, 1));
  }
}

const byId = (table: string, id: number): Promise<Row[]> =>
  backend.readTable(table, { where: { id } });
const ask = async (sql: string, ...params: InputValue[]): Promise<unknown> =>
  (await backend.query(sql, params)).rows[0]?.['v'];
const callers = (): PurposeStats => {
  const found = factory.stats().engines.find(({ engine }) => engine === 'postgresql');
  if (found === undefined) throw new Error('the factory has no PostgreSQL');
  return found.callers;
};
const pools = (): PoolStats => {
  const found = callers().pools.find(({ name }) => name.includes(dataset));
  if (found === undefined) throw new Error('the dataset has no pool');
  return found;
};

/** Does a read until its cost is known. */
async function known(read: () => Promise<unknown>): Promise<void> {
  for (let time = 0; time < 5; time += 1) await read();
}

async function pause(ms = 5): Promise<void> {
  await new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

/** Statements that the server runs for this dataset now. */
async function running(mark: string): Promise<number> {
  const { rows } = await other.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() AND query LIKE $1`,
    [`%${mark}%`],
  );
  return rows[0]?.n ?? 0;
}

test('reads that are known to be short are on one connection at once, at most sixteen, and each gets its own answer', async () => {
  await open(1);
  const reads = Array.from({ length: 20 }, (_, id) => byId('t', id));
  expect(pools()).toMatchObject({ inUse: 1, pending: 4 });
  expect(await Promise.all(reads)).toEqual(
    Array.from({ length: 20 }, (_, id) => [{ id, n: id * id }]),
  );
  expect(pools()).toMatchObject({ inUse: 0, pending: 0, idle: 1 });
});

test('a read that nobody has made yet has a connection to itself, and so has a write', async () => {
  await open(1);
  const first = [ask('SELECT 41 AS v'), ask('SELECT 41 AS v')];
  expect(pools()).toMatchObject({ inUse: 1, pending: 1 });
  expect(await Promise.all(first)).toEqual([41, 41]);
  const writes = [byId('t', 1), backend.execute('UPDATE t SET n = n'), byId('t', 2)];
  expect(pools()).toMatchObject({ inUse: 1, pending: 2 });
  await Promise.all(writes);
});

test('a transaction is alone on its connection while reads keep coming', async () => {
  await open(2);
  const sql = 'SELECT pg_backend_pid() AS v';
  await known(() => ask(sql));
  const others = new Set<unknown>();
  let goOn = true;
  const reading = Promise.all(
    Array.from({ length: 10 }, async () => {
      while (goOn) others.add(await ask(sql));
    }),
  );
  await backend.transaction(async (transaction) => {
    others.clear();
    const own = (await transaction.query(sql)).rows[0]?.['v'];
    while (others.size === 0) await transaction.query('SELECT 1');
    for (let statement = 0; statement < 20; statement += 1) await transaction.query('SELECT 1');
    expect(others.has(own)).toBe(false);
  });
  goOn = false;
  await reading;
});

test('reads whose time is above the limit have a connection each, and with 0 all have', async () => {
  await open(1, { postgresql: { shortReadMs: 1 } });
  const nap = (): Promise<unknown> => ask('SELECT 1 AS v FROM pg_sleep(0.02)');
  await known(nap);
  const naps = [nap(), nap()];
  expect(pools()).toMatchObject({ inUse: 1, pending: 1 });
  await Promise.all(naps);
  await factory.close({ deadlineMs: 2_000 });
  await open(1, { postgresql: { shortReadMs: 0 } });
  const reads = [byId('t', 1), byId('t', 2)];
  expect(pools()).toMatchObject({ inUse: 1, pending: 1 });
  await Promise.all(reads);
});

test('a read that fails among others fails alone', async () => {
  await open(1);
  const divided = (by: number): Promise<unknown> => ask('SELECT 100 / $1::int AS v', by);
  await known(() => divided(1));
  const outcomes = await Promise.allSettled([1, 2, 0, 4, 5, 0, 10].map(divided));
  expect(
    outcomes.map((outcome) =>
      outcome.status === 'fulfilled' ? outcome.value : (outcome.reason as { code: string }).code,
    ),
  ).toEqual([100, 50, 'STATEMENT_FAILED', 25, 20, 'STATEMENT_FAILED', 10]);
});

test('reads of a table that is gone each say so, on a connection that has not prepared them too', async () => {
  await open(1);
  await backend.execute('DROP TABLE t');
  const missing = async (): Promise<void> => {
    const outcomes = await Promise.allSettled([1, 2, 3, 4, 5].map((id) => byId('t', id)));
    expect(
      outcomes.map((outcome) => (outcome as { reason: { code: unknown } }).reason.code),
    ).toEqual(Array(5).fill('TABLE_NOT_FOUND'));
  };
  await missing();
  await other.query('SELECT pg_terminate_backend($1)', [await ask('SELECT pg_backend_pid() AS v')]);
  await missing();
});

test('a setting that a read changes is seen by no other', async () => {
  // Where nobody knows that it does: else all that follow would be asked of that connection.
  await open(2, {
    sessionFacts: () => ({ sessionUse: () => 'none', readsLastWrite: () => false }),
  });
  const set = (zone: string): Promise<unknown> =>
    ask(`SELECT set_config('TimeZone', $1, false) AS v`, zone);
  const zone = (): Promise<unknown> => ask(`SELECT current_setting('TimeZone') AS v`);
  await known(() => set('UTC'));
  await known(zone);
  const answers = await Promise.all([zone(), zone(), set('Asia/Tokyo'), zone(), zone(), zone()]);
  expect(answers).toEqual(['UTC', 'UTC', 'Asia/Tokyo', 'UTC', 'UTC', 'UTC']);
  expect(await Promise.all([zone(), zone(), zone()])).toEqual(['UTC', 'UTC', 'UTC']);
});

test('a read that turns out long holds nobody up: those behind it are answered meanwhile', async () => {
  await open(3, { postgresql: { statementTimeoutMs: 1_000 } });
  const nap = (seconds: number): Promise<unknown> =>
    ask('SELECT $2::int AS v FROM pg_sleep($1::float8)', seconds, 7);
  await known(() => nap(0));
  let ended = false;
  const long = nap(60).then(
    () => undefined,
    (error: unknown) => {
      ended = true;
      return error as { cause: { code: string } };
    },
  );
  const others = [nap(0), nap(0), byId('u', 3)];
  expect(pools()).toMatchObject({ inUse: 1 });
  expect(await Promise.all(others)).toEqual([7, 7, [{ id: 3, n: 9 }]]);
  expect(ended).toBe(false);
  // It has a connection to itself now, and the server's time-out holds for it as for any other.
  expect((await long)?.cause.code).toBe('57014');
  while ((await running('pg_sleep')) > 0) await pause();
  expect(pools()).toMatchObject({ inUse: 0, pending: 0 });
});

test('a caller who gives up is answered at once, and the others on the connection are answered as ever', async () => {
  await open(2);
  await other.query('BEGIN');
  await other.query(`LOCK TABLE "mdm_${dataset}".t IN ACCESS EXCLUSIVE MODE`);
  try {
    const stop = new AbortController();
    const stuck = backend.readTable('t', { where: { id: 1 } }, { signal: stop.signal });
    const late = backend.readTable('t', { where: { id: 1 } }, { deadlineMs: 20 });
    const others = [byId('u', 1), byId('u', 2)];
    expect(pools()).toMatchObject({ inUse: 1 });
    stop.abort();
    await expect(stuck).rejects.toMatchObject({ code: 'ABORTED' });
    await expect(late).rejects.toMatchObject({ code: 'ABORTED' });
    expect(await Promise.all(others)).toEqual([[{ id: 1, n: 1 }], [{ id: 2, n: 4 }]]);
    // Nobody waits for them any more: the server is told.
    while ((await running(`"mdm_${dataset}"."t"`)) > 0) await pause();
  } finally {
    await other.query('ROLLBACK');
  }
  while (pools().inUse > 0) await pause();
  expect(retries).toEqual([]);
});

test('a connection that is lost under several reads is one failure, and all of them are read again', async () => {
  // Two failures would open the breaker.
  await open(1, {
    breaker: { threshold: 0.3, calls: 5, minimumCalls: 2, openMs: 60_000, maxOpenMs: 60_000 },
  });
  const sql =
    'SELECT CASE WHEN pg_backend_pid() = $1 THEN pg_terminate_backend($1)::text ELSE $2::text END AS v';
  const pid = (await ask('SELECT pg_backend_pid() AS v')) as number;
  await known(() => ask(sql, 0, 'x'));
  const answers = await Promise.all(
    ['a', 'b', 'c', 'd', 'e', 'f'].map((text) => ask(sql, text === 'b' ? pid : 0, text)),
  );
  expect(answers).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
  expect(retries.length).toBeGreaterThanOrEqual(5);
  expect(callers().breakers).toMatchObject({ open: 0 });
});

test('a factory closes in time with several reads on one connection', async () => {
  await open(1);
  const nap = (seconds: number): Promise<unknown> =>
    ask('SELECT 1 AS v FROM pg_sleep($1::float8)', seconds);
  await known(() => nap(0));
  const naps = [nap(5), nap(5), nap(5)].map((one) =>
    one.then(
      () => 'answered',
      (error: unknown) => (error as { code: string }).code,
    ),
  );
  expect(pools()).toMatchObject({ inUse: 1 });
  await factory.close({ deadlineMs: 200 });
  for (const outcome of await Promise.all(naps))
    expect(['CLOSED', 'CONNECTION_FAILED']).toContain(outcome);
});
