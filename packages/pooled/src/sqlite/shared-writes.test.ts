import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import type { StorageBackend } from '@changeover/engines/api';
import { StorageBackendFactory } from '../storage-backend-factory.ts';
import { HostingWorker } from './hosting-worker.ts';
import { WorkerSession } from './worker-session.ts';
import { WorkerSet } from './worker-set.ts';

let basePath: string;
let factory: StorageBackendFactory;
let storage: StorageBackend;
let workers: Worker[];

beforeEach(async () => {
  workers = [];
  basePath = mkdtempSync(join(tmpdir(), 'changeover-shared-'));
  factory = new StorageBackendFactory({
    basePath,
    sqlite: {
      onWorker: (worker) => {
        workers.push(worker);
      },
    },
  });
  storage = factory.storage('sqlite');
  await storage.createDataset('d');
  await storage.execute('d', 'CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)');
});
afterEach(async () => {
  jest.restoreAllMocks();
  await factory.close({ deadlineMs: 5_000 });
  rmSync(basePath, { recursive: true, force: true });
});

const insert = (id: number, n = 0): Promise<number> =>
  storage.execute('d', 'INSERT INTO t VALUES (?, ?)', [id, n]);
const count = async (): Promise<unknown> =>
  (await storage.query('d', 'SELECT count(*) AS n FROM t')).rows[0]?.['n'];

test('writes that come together are sent together, and each is applied once', async () => {
  // The writer is at the first for a while, or hands it on to a process that can be ended: what comes meanwhile waits for it.
  const long = storage.execute(
    'd',
    'INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) ' +
      'SELECT i, 0 FROM n',
  );
  let most = 0;
  const { ask } = HostingWorker.prototype;
  jest.spyOn(HostingWorker.prototype, 'ask').mockImplementation(function (
    this: HostingWorker,
    ...[dataset, request, onFailure]
  ) {
    const answer = ask.call(this, dataset, request, onFailure);
    most = Math.max(most, this.running);
    return answer;
  });
  const writes = Promise.all(Array.from({ length: 20 }, (_, id) => insert(id)));
  // One by one there would be the first and one more.
  expect(await writes).toEqual(Array(20).fill(1));
  expect(most).toBeGreaterThan(10);
  expect(await long).toBe(299_901);
  expect(await count()).toBe(299_921);
});

test('a write that fails among others fails alone', async () => {
  await insert(5, 1);
  const outcomes = await Promise.allSettled(Array.from({ length: 10 }, (_, id) => insert(id)));
  expect(outcomes.map(({ status }) => status)).toEqual(
    Array.from({ length: 10 }, (_, id) => (id === 5 ? 'rejected' : 'fulfilled')),
  );
  expect((await storage.query('d', 'SELECT n FROM t WHERE id = 5')).rows).toEqual([{ n: 1 }]);
  expect(await count()).toBe(10);
});

test('a transaction is alone on the connection, and gets its turn although writes keep coming', async () => {
  let written = 0;
  let goOn = true;
  const writers = Array.from({ length: 8 }, async (_, writer) => {
    for (let at = 0; goOn && at < 5_000; at += 1) {
      await insert(writer * 10_000 + at);
      written += 1;
    }
  });
  while (written < 20)
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  const before = written;
  await storage.transaction('d', async (transaction) => {
    // Those who had a place before it, and no more.
    expect(written - before).toBeLessThanOrEqual(40);
    const [first] = (await transaction.query('SELECT count(*) AS n FROM t')).rows;
    for (let turn = 0; turn < 20; turn += 1)
      await new Promise<void>((resolve) => {
        setImmediate(resolve);
      });
    expect((await transaction.query('SELECT count(*) AS n FROM t')).rows[0]).toEqual(first);
    await transaction.execute('INSERT INTO t VALUES (-1, 0)');
  });
  goOn = false;
  await Promise.all(writers);
  expect(await count()).toBe(written + 1);
});

test.each([0, 20, 60, 100])(
  'a worker dies under shared writes, %d of 200 done: each is applied once, or one is unknown',
  async (done) => {
    const ids = Array.from({ length: 200 }, (_, id) => id);
    let applied = 0;
    const outcomes = ids.map(
      async (id) =>
        await insert(id).then(
          () => {
            applied += 1;
            return 'applied';
          },
          (error: unknown) => (error as { code: string }).code,
        ),
    );
    while (applied < done)
      await new Promise<void>((resolve) => {
        setImmediate(resolve);
      });
    await Promise.all(workers.map((worker) => worker.terminate()));
    const told = await Promise.all(outcomes);
    const { rows } = await storage.query('d', 'SELECT id FROM t');
    const there = new Set(rows.map(({ id }) => id));
    expect(rows).toHaveLength(there.size);
    expect(ids.filter((id) => told[id] === 'applied' && !there.has(id))).toEqual([]);
    // What was sent behind it was lost with the same connection: one failure to the breaker, and all of it is tried again.
    const others = told.filter((outcome) => outcome !== 'applied');
    expect(others).toEqual(others.length === 0 ? [] : ['COMMIT_UNKNOWN']);
  },
);

test('what was sent behind a write that left its transaction open is refused, not taken into it', async () => {
  const set = new WorkerSet();
  const session = await WorkerSession.open(
    set,
    'd',
    { file: join(basePath, 'd', 'dataset.sqlite') },
    () => undefined,
  );
  await session.run({ kind: 'begin' });
  await expect(
    session.run({ kind: 'operation', operation: 'execute', args: ['INSERT INTO t VALUES (1, 1)'] }),
  ).rejects.toMatchObject({ name: 'ConnectionError', retryable: true });
  await session.run({ kind: 'rollback' });
  expect(await count()).toBe(0);
  await session.close();
  await set.terminate();
});
