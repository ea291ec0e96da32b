import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Worker } from 'node:worker_threads';
import type { ChildProcess } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { datasetFile } from '@changeover/engines/api';
import type { StorageBackend } from '@changeover/engines/api';
import Database from 'better-sqlite3';
import type { StorageBackendFactoryOptions } from '../factory-options.ts';
import { StorageBackendFactory } from '../storage-backend-factory.ts';

let basePath: string;
let factory: StorageBackendFactory;
let storage: StorageBackend;
let workers: Worker[];
let children: ChildProcess[];

async function open(options: Partial<StorageBackendFactoryOptions> = {}): Promise<void> {
  workers = [];
  children = [];
  basePath = mkdtempSync(join(tmpdir(), 'changeover-sqlite-'));
  factory = new StorageBackendFactory({
    basePath,
    ...options,
    sqlite: {
      ...options.sqlite,
      onWorker: (worker) => {
        workers.push(worker);
      },
      onChildProcess: (child) => {
        children.push(child);
      },
    },
  });
  storage = factory.storage('sqlite');
  await storage.createDataset('d');
  await storage.writeTable(
    'd',
    't',
    Array.from({ length: 20 }, (_unused, id) => ({ id, n: 0 })),
  );
}

beforeEach(() => open());
afterEach(async () => {
  await factory.close({ deadlineMs: 5_000 });
  rmSync(basePath, { recursive: true, force: true });
});

const another = (): Database.Database => new Database(datasetFile({ basePath }, 'sqlite', 'd'));
const settled = async <Value>(call: Promise<Value>): Promise<unknown> =>
  await call.catch((error: unknown) => error);
const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn += 1)
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
};

describe('a read', () => {
  const reopen = async (inlineThresholdMs: number): Promise<void> => {
    await factory.close();
    rmSync(basePath, { recursive: true, force: true });
    await open({ sqlite: { inlineThresholdMs } });
  };

  test('that was measured to be cheap runs on the main thread, and sees what was written before', async () => {
    await reopen(1_000);
    await storage.query('d', 'SELECT n FROM t WHERE id = 1');
    expect(factory.stats().inlineReaders).toBe(0);
    for (let write = 1; write <= 3; write += 1) {
      await storage.execute('d', 'UPDATE t SET n = ? WHERE id = 1', [write]);
      expect((await storage.query('d', 'SELECT n FROM t WHERE id = 1')).rows).toEqual([
        { n: write },
      ]);
    }
    expect(factory.stats().inlineReaders).toBe(1);
    await expect(storage.query('d', 'SELECT nothing FROM t')).rejects.toMatchObject({
      engine: 'sqlite',
      dataset: 'd',
    });
  });

  test('that takes long never runs on the main thread, and two of them run at once', async () => {
    await reopen(0.000_1);
    const slow =
      'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000) SELECT count(*) AS c FROM n';
    for (let call = 0; call < 3; call += 1) await storage.query('d', slow);
    expect(factory.stats().inlineReaders).toBe(0);
    // The second starts a process, which takes so long that the first one's connection is looked at before it is lent again.
    for (let call = 0; call < 2; call += 1)
      await Promise.all([storage.query('d', slow), storage.query('d', slow)]);
    const reads = Promise.all([storage.query('d', slow), storage.query('d', slow)]);
    await turns(1);
    expect(factory.stats().workers.running).toBe(2);
    await reads;
    expect(workers).toHaveLength(factory.stats().workers.alive);
  });

  test('on the main thread does not wait for a lock that another holds', async () => {
    await reopen(1_000);
    for (let call = 0; call < 3; call += 1)
      await storage.query('d', 'SELECT n FROM t WHERE id = 1');
    const other = another();
    other.exec('BEGIN IMMEDIATE; UPDATE t SET n = 5');
    const read = storage.query('d', 'SELECT n FROM t WHERE id = 1');
    other.exec('ROLLBACK');
    other.close();
    expect((await read).rows).toEqual([{ n: 0 }]);
  });

  test('notices that the file was replaced by another', async () => {
    await factory.close();
    rmSync(basePath, { recursive: true, force: true });
    await open({ clock: aheadClock(), sqlite: { inlineThresholdMs: 1_000 } });
    for (let call = 0; call < 3; call += 1)
      await storage.query('d', 'SELECT n FROM t WHERE id = 1');
    const second = new StorageBackendFactory({ basePath });
    await second.storage('sqlite').dropDataset('d');
    await second.storage('sqlite').createDataset('d');
    await second.storage('sqlite').writeTable('d', 't', [{ id: 1, n: 99 }]);
    await second.close();
    aheadMs += 5_000;
    expect((await storage.query('d', 'SELECT n FROM t WHERE id = 1')).rows).toEqual([{ n: 99 }]);
    expect((await storage.readTable('d', 't')).length).toBe(1);
  });
});

let aheadMs = 0;
/** The machine's clock, set ahead by the test. */
function aheadClock(): NonNullable<StorageBackendFactoryOptions['clock']> {
  aheadMs = 0;
  return {
    monotonicMs: () => performance.now() + aheadMs,
    wallMs: () => Date.now(),
    after(delayMs, task) {
      const timer = setTimeout(task, delayMs);
      timer.unref();
      return {
        cancel: () => {
          clearTimeout(timer);
        },
      };
    },
  };
}

test.each([
  ['a worker thread, as its plan bounds it', 'SELECT * FROM mixed'],
  ['a child process, as nothing does', 'SELECT a.* FROM mixed AS a, mixed AS b LIMIT 5000'],
])('a result of many rows from %s is that of one connection, value by value', async (_, sql) => {
  await storage.execute(
    'd',
    "CREATE TABLE mixed AS SELECT a.id * 1000 AS i, NULL AS none, 'é' || b.id AS text, x'00ff' AS bytes, 9223372036854775807 AS " +
      "large, CASE b.id WHEN 7 THEN -0.5 WHEN 9 THEN 'nine' END AS odd FROM t AS a, t AS b, t AS c",
  );
  const { columns, rows } = await storage.query('d', sql);
  const database = another();
  const expected = database.prepare(sql).safeIntegers().all() as Record<string, unknown>[];
  database.close();
  expect(columns).toEqual(['i', 'none', 'text', 'bytes', 'large', 'odd']);
  expect(rows).toStrictEqual(expected.map((row) => ({ ...row, i: Number(row['i']) })));
  expect(rows.every((row) => Buffer.isBuffer(row['bytes']))).toBe(true);
});

describe('a write', () => {
  test("waits for another process's lock, outside of the worker, and is applied once", async () => {
    const other = another();
    other.exec('BEGIN IMMEDIATE');
    const write = storage.execute('d', 'UPDATE t SET n = n + 1 WHERE id = 1');
    // The thread is free for others meanwhile.
    expect((await storage.readTable('d', 't')).length).toBe(20);
    other.exec('COMMIT');
    expect(await write).toBe(1);
    expect(other.prepare('SELECT n FROM t WHERE id = 1').pluck().get()).toBe(1);
    other.close();
  });

  test('that can not have the lock within its deadline says so, and is not applied later', async () => {
    const other = another();
    other.exec('BEGIN IMMEDIATE');
    const backend = factory.createBackend('d', 'sqlite');
    await expect(
      backend.execute('UPDATE t SET n = 7', [], { deadlineMs: 80 }),
    ).rejects.toMatchObject({ engine: 'sqlite' });
    await expect(backend.transaction(() => 1, { deadlineMs: 80 })).rejects.toMatchObject({
      engine: 'sqlite',
    });
    other.exec('COMMIT');
    await backend.execute('UPDATE t SET n = n + 1 WHERE id = 1');
    expect(other.prepare('SELECT sum(n) FROM t').pluck().get()).toBe(1);
    other.close();
  });
});

describe('a worker or a child process that dies', () => {
  const longWrite =
    'INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) ' +
    'SELECT i, 1 FROM n';

  test('rejects its reads as lost or has them made again in another, and the next calls work', async () => {
    const reads = Array.from({ length: 6 }, () => settled(storage.readTable('d', 't')));
    await turns(1);
    for (const worker of workers) void worker.terminate();
    for (const answer of await Promise.all(reads)) expect(answer).toHaveLength(20);
    expect(await storage.execute('d', 'UPDATE t SET n = 1 WHERE id = 1')).toBe(1);
    expect(factory.stats().workers.alive).toBeGreaterThan(0);
  });

  test('in the middle of a write: it is there whole or not at all, as its caller is told', async () => {
    const write = settled(storage.execute('d', longWrite));
    await turns(3);
    for (const worker of workers) void worker.terminate();
    const told = await write;
    const count = Number((await storage.query('d', 'SELECT count(*) AS c FROM t')).rows[0]?.['c']);
    expect([20, 20 + 999_001]).toContain(count);
    if (typeof told === 'number') expect(count).toBe(20 + told);
    else expect(told).toMatchObject({ code: 'COMMIT_UNKNOWN', retryable: false });
  });

  test('in the middle of a transaction: nothing of it is applied, and its function is not run again', async () => {
    let runs = 0;
    const told = await settled(
      storage.transaction('d', async (transaction) => {
        runs += 1;
        await transaction.execute('UPDATE t SET n = 5');
        for (const child of children) child.kill('SIGKILL');
        await transaction.execute('UPDATE t SET n = 6');
      }),
    );
    expect(told).toMatchObject({ name: expect.stringMatching(/ConnectionError|AbortedError/) });
    expect(runs).toBe(1);
    expect((await storage.query('d', 'SELECT sum(n) AS s FROM t')).rows).toEqual([{ s: 0 }]);
  });
});

test('what can not be sent to a worker is an invalid argument', async () => {
  const rows = [{ id: 1, n: (() => 1) as unknown as number }];
  await expect(storage.writeTable('d', 'u', rows)).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
  });
  expect(await storage.listTables('d')).toEqual(['t']);
});

test('closing is in time although a worker is in the middle of something that takes long', async () => {
  const forever =
    'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000000) SELECT count(*) AS c FROM n';
  const read = settled(storage.query('d', forever));
  await turns(3);
  await factory.close({ deadlineMs: 200 });
  expect(await settled(storage.readTable('d', 't'))).toMatchObject({ code: 'CLOSED' });
  expect(await read).toBeDefined();
});

test("a worker thread loads no driver but its own: ended while it loads DuckDB's, it would take the process with it", () => {
  const worker = fileURLToPath(new URL('./worker.ts', import.meta.url));
  const program = `await import(${JSON.stringify(worker)});
    console.log('worker loaded, DuckDB', process.report.getReport().sharedObjects.some((path) => path.includes('duckdb')));`;
  const said = execFileSync(
    process.execPath,
    ['--conditions=@changeover/source', '--input-type=module', '-e', program],
    {
      cwd: dirname(worker),
      encoding: 'utf8',
      env: { ...process.env, NODE_OPTIONS: '' },
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  expect(said.trim()).toBe('worker loaded, DuckDB false');
});
