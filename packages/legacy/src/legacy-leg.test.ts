import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { digestResult } from '@changeover/compare';
import { connectPostgres, type PostgresSession, type Program } from '@changeover/engines';
import { createLegacyLeg, StorageBackend } from './index.ts';

const databaseUrl = process.env['CHANGEOVER_TEST_DATABASE_URL'] ?? '';
let basePath: string;
const storage = StorageBackend.getInstance('sqlite');
const leg = createLegacyLeg('sqlite', {
  digest: (_operation, result) => digestResult(result, 'rows'),
});
const closedWhile = <T>(dataset: string, work: () => Promise<T>): Promise<T> => {
  if (leg.closedWhile === undefined) throw new Error('the legacy leg closes nothing');
  return leg.closedWhile(dataset, work);
};

beforeAll(async () => {
  basePath = await mkdtemp(join(tmpdir(), 'changeover-legacy-leg-'));
  StorageBackend.configure({ basePath, databaseUrl });
  for (const name of ['one', 'two']) {
    await storage.createDataset(name);
    await storage.writeTable(name, 't', [{ name }]);
  }
});

afterAll(async () => {
  await storage.closeConnections();
  await rm(basePath, { recursive: true, force: true });
});

test('calls to a dataset that is kept closed wait, and calls to others go on', async () => {
  const log: string[] = [];
  await storage.readTable('one', 't');
  let waiting: Promise<void> | undefined;
  await closedWhile('one', async () => {
    waiting = storage.readTable('one', 't').then(() => {
      log.push('one was read');
    });
    expect(await storage.readTable('two', 't')).toEqual([{ name: 'two' }]);
    log.push('two was read');
  });
  await waiting;
  expect(log).toEqual(['two was read', 'one was read']);
});

test('a dataset can be kept closed from inside a transaction on another', async () => {
  await storage.transaction('one', async () => {
    expect(await closedWhile('two', async () => 'done')).toBe('done');
  });
  expect(await storage.readTable('two', 't')).toEqual([{ name: 'two' }]);
});

test('what fails meanwhile opens the dataset again', async () => {
  await expect(closedWhile('one', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(await storage.readTable('one', 't')).toEqual([{ name: 'one' }]);
});

test('a read for comparison that is given up is ended at the server too, and callers go on', async () => {
  const dataset = `given_up_${process.pid.toString(36)}_${Date.now().toString(36)}`;
  const postgresql = StorageBackend.getInstance('postgresql');
  const { shadow } = createLegacyLeg('postgresql', {
    digest: (_operation, result) => digestResult(result, 'rows'),
  });
  await postgresql.createDataset(dataset);
  const admin = await connectPostgres({ url: databaseUrl });
  try {
    const { rows } = await postgresql.query(dataset, 'SELECT pg_backend_pid() AS pid');
    const controller = new AbortController();
    const reading = shadow?.read({
      operation: 'query',
      args: [dataset, 'SELECT pg_sleep(600)'],
      signal: controller.signal,
    });
    const givenUp = expect(reading).rejects.toMatchObject({ code: 'ABORTED' });
    await untilSleeping(admin, Number(rows[0]?.['pid']));
    controller.abort();
    await givenUp;
    expect(await postgresql.query(dataset, 'SELECT pg_backend_pid() AS pid')).toEqual({
      columns: ['pid'],
      rows,
    });
  } finally {
    await admin.close();
    await postgresql.dropDataset(dataset);
    await postgresql.closeConnections();
  }
});

async function untilSleeping(admin: PostgresSession, pid: number): Promise<void> {
  const sql = `SELECT 1 FROM pg_stat_activity WHERE pid = ${String(pid)} AND wait_event = 'PgSleep'`;
  while ((await admin.run(rowsOf(sql))).length === 0);
}

function* rowsOf(sql: string): Program<unknown[]> {
  return (yield { kind: 'all', sql }).rows;
}
