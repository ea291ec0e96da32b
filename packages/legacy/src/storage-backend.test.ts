import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { type Engine, engines } from '@changeover/engines/api';
import { connectPostgres, type PostgresSession, type Program } from '@changeover/engines';
import { StorageBackend } from './index.ts';

const databaseUrl = process.env['CHANGEOVER_TEST_DATABASE_URL'] ?? '';
const suffix = `l${process.pid}_${Date.now().toString(36)}`;
let basePath: string;

beforeAll(async () => {
  basePath = await mkdtemp(join(tmpdir(), 'changeover-legacy-'));
  StorageBackend.configure({ basePath, databaseUrl });
});

afterAll(async () => {
  for (const engine of engines) {
    const storage = StorageBackend.getInstance(engine);
    for (const dataset of await storage.listDatasets()) {
      if (dataset.includes(suffix)) await storage.dropDataset(dataset);
    }
    await storage.closeConnections();
  }
  await rm(basePath, { recursive: true, force: true });
});

test('The same call returns the same object', () => {
  expect(StorageBackend.getInstance('sqlite')).toBe(StorageBackend.getInstance('sqlite'));
  expect(StorageBackend.getInstance('duckdb')).not.toBe(StorageBackend.getInstance('sqlite'));
});

test.each(['SQLite', '', 'mysql', undefined, null])(
  'An unknown name lists the supported ones: %p',
  (name) => {
    expect(() => StorageBackend.getInstance(name as Engine)).toThrow(/sqlite, duckdb, postgresql/);
  },
);

describe.each(engines)('The legacy singleton on %s', (engine) => {
  const storage = StorageBackend.getInstance(engine);
  const one = `one_${suffix}`;
  const two = `two_${suffix}`;

  beforeAll(async () => {
    for (const dataset of [one, two]) {
      await storage.createDataset(dataset);
      await storage.writeTable(dataset, 'data', [{ id: 1, owner: dataset }]);
    }
  });

  afterEach(async () => {
    await storage.closeConnections();
  });

  test('Two datasets used alternately and at once are never mixed up', async () => {
    for (const dataset of [one, two, one, two]) {
      expect(await storage.readData(dataset)).toEqual([{ id: 1, owner: dataset }]);
    }
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) => storage.readData(index % 2 ? one : two)),
    );
    expect(answers.map(([row]) => row?.['owner'])).toEqual(
      answers.map((_, index) => (index % 2 ? one : two)),
    );
  });

  test("A dataset's name is lower-cased", async () => {
    expect(await storage.readData(one.toUpperCase())).toEqual([{ id: 1, owner: one }]);
  });

  test.each(['../x', 'a/b', '', '"; drop table', 'x'.repeat(300)])(
    'The dataset name %p is refused',
    async (name) => {
      await expect(storage.readData(name)).rejects.toMatchObject({ code: 'INVALID_NAME' });
      await expect(storage.createDataset(name)).rejects.toMatchObject({ code: 'INVALID_NAME' });
      await expect(storage.transaction(name, () => 1)).rejects.toMatchObject({
        code: 'INVALID_NAME',
      });
    },
  );

  test('Reading an unknown dataset names it and creates nothing', async () => {
    const missing = `missing_${suffix}`;
    const before = await readdir(basePath);
    await expect(storage.readData(missing)).rejects.toMatchObject({
      code: 'DATASET_NOT_FOUND',
      dataset: missing,
    });
    await expect(storage.execute(missing, 'CREATE TABLE t (a INTEGER)')).rejects.toMatchObject({
      code: 'DATASET_NOT_FOUND',
    });
    expect(await storage.datasetExists(missing)).toBe(false);
    expect(await readdir(basePath)).toEqual(before);
  });

  test("A created dataset can't be created again, and is listed", async () => {
    await expect(storage.createDataset(one)).rejects.toMatchObject({ code: 'DATASET_EXISTS' });
    expect(await storage.listDatasets()).toEqual(expect.arrayContaining([one, two]));
    expect(await storage.datasetExists(one)).toBe(true);
  });

  test('Dropping the open dataset leaves nothing, and dropping it again is no error', async () => {
    const name = `drop_${suffix}`;
    await storage.createDataset(name);
    await storage.writeTable(name, 'data', [{ a: 1 }]);
    await storage.dropDataset(name);
    expect(await storage.datasetExists(name)).toBe(false);
    expect(await readdir(basePath)).not.toContain(name);
    await storage.dropDataset(name);
    await expect(storage.readData(name)).rejects.toMatchObject({ code: 'DATASET_NOT_FOUND' });
    await storage.createDataset(name);
    expect(await storage.listTables(name)).toEqual([]);
    await storage.dropDataset(name);
  });

  test('execute commits: another connection sees it', async () => {
    await storage.writeTable(one, 'counted', [{ n: 1 }], { ifExists: 'replace' });
    expect(await storage.execute(one, 'UPDATE counted SET n = n + 1')).toBe(1);
    await storage.closeConnections();
    expect(await storage.readTable(one, 'counted')).toEqual([{ n: 2 }]);
  });

  test('A transaction that returns is committed and gives its result', async () => {
    const result = await storage.transaction(one, async (transaction) => {
      await transaction.writeTable('committed', [{ a: 1 }], { ifExists: 'replace' });
      await transaction.writeTable('committed', [{ a: 2 }], { ifExists: 'append' });
      return (await transaction.readTable('committed')).length;
    });
    expect(result).toBe(2);
    expect(await storage.readTable(one, 'committed')).toEqual([{ a: 1 }, { a: 2 }]);
  });

  test('A transaction that throws is rolled back and throws the same', async () => {
    const reason = new Error('changed my mind');
    await expect(
      storage.transaction(one, async (transaction) => {
        await transaction.writeTable('undone', [{ a: 1 }]);
        throw reason;
      }),
    ).rejects.toBe(reason);
    expect(await storage.tableExists(one, 'undone')).toBe(false);
    await expect(
      storage.transaction(one, () => {
        throw reason;
      }),
    ).rejects.toBe(reason);
  });

  test('Calls on the singleton for the same dataset take part in the transaction', async () => {
    await storage
      .transaction(one, async () => {
        await storage.writeTable(one, 'inside', [{ a: 1 }]);
        expect(await storage.readTable(one, 'inside')).toEqual([{ a: 1 }]);
        expect((await storage.query(one, 'SELECT a FROM inside')).rows).toEqual([{ a: 1 }]);
        await storage.updateMetadata(one, { inside: true });
        throw new Error('undo');
      })
      .catch(() => undefined);
    expect(await storage.tableExists(one, 'inside')).toBe(false);
    expect(await storage.getMetadata(one)).toEqual({});
  });

  test('Inside a transaction, what needs the one connection elsewhere rejects instead of hanging', async () => {
    await storage.transaction(one, async (transaction) => {
      await expect(storage.readData(two)).rejects.toThrow(/one connection/);
      await expect(storage.transaction(one, () => 1)).rejects.toThrow(/inside a transaction/);
      await expect(storage.transaction(two, () => 1)).rejects.toThrow(/inside a transaction/);
      await expect(storage.closeConnections()).rejects.toThrow(/inside a transaction/);
      await expect(storage.dropDataset(one)).rejects.toThrow(/inside a transaction/);
      expect(await storage.datasetExists(two)).toBe(true);
      expect(await transaction.readData()).toHaveLength(1);
    });
  });

  test("A transaction's object takes no calls after its end", async () => {
    const kept = await storage.transaction(one, (transaction) => transaction);
    await expect(kept.readData()).rejects.toMatchObject({ code: 'CLOSED' });
    await expect(kept.execute('DELETE FROM data')).rejects.toMatchObject({ code: 'CLOSED' });
  });

  test('Calls that the work did not wait for are done before the commit', async () => {
    await storage.writeTable(one, 'strays', { n: [] }, { ifExists: 'replace' });
    await storage.transaction(one, (transaction) => {
      const stray = (): void => undefined;
      for (let index = 0; index < 5; index += 1)
        transaction.execute("INSERT INTO strays VALUES ('x')").catch(stray);
      storage.execute(one, "INSERT INTO strays VALUES ('y')").catch(stray);
    });
    expect(await storage.readTable(one, 'strays')).toHaveLength(6);
  });

  test('Work that goes on after its transaction makes calls like any other', async () => {
    let late: Promise<unknown> = Promise.resolve();
    let proceed: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      proceed = resolve;
    });
    await storage.transaction(one, () => {
      late = gate.then(() => storage.readData(two));
    });
    proceed();
    expect(await late).toEqual([{ id: 1, owner: two }]);
  });

  test('Other callers wait until the transaction has ended', async () => {
    const order: string[] = [];
    const transaction = storage.transaction(one, async (inside) => {
      await inside.readData();
      await inside.readData();
      order.push('transaction');
    });
    const other = storage.readData(two).then(() => order.push('read'));
    await Promise.all([transaction, other]);
    expect(order).toEqual(['transaction', 'read']);
  });

  test('A failed statement leaves the connection usable', async () => {
    await expect(storage.query(one, 'SELECT nothing FROM nowhere')).rejects.toMatchObject({
      name: 'StatementError',
    });
    expect(await storage.readData(one)).toHaveLength(1);
  });

  test('closeConnections is idempotent, and the next call opens again', async () => {
    await storage.closeConnections();
    await storage.closeConnections();
    expect(await storage.readData(one)).toHaveLength(1);
  });
});

test('A lost PostgreSQL connection fails the call it had, and the next opens another', async () => {
  const storage = StorageBackend.getInstance('postgresql');
  const dataset = `lost_${suffix}`;
  await storage.createDataset(dataset);
  const admin = await connectPostgres({ url: databaseUrl });
  try {
    const { rows } = await storage.query(dataset, 'SELECT pg_backend_pid() AS pid');
    const lost = storage.query(dataset, 'SELECT pg_sleep(30)');
    const failed = expect(lost).rejects.toMatchObject({
      name: 'ConnectionError',
      retryable: false,
    });
    await untilSleeping(admin, Number(rows[0]?.['pid']));
    await admin.run(one(`SELECT pg_terminate_backend(${Number(rows[0]?.['pid'])})`));
    await failed;
    expect((await storage.query(dataset, 'SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  } finally {
    await admin.close();
    await storage.dropDataset(dataset);
  }
});

function* one(sql: string): Program<unknown[]> {
  return (yield { kind: 'all', sql }).rows;
}

async function untilSleeping(admin: PostgresSession, pid: number): Promise<void> {
  for (;;) {
    const rows = await admin.run(
      one(`SELECT 1 FROM pg_stat_activity WHERE pid = ${pid} AND wait_event = 'PgSleep'`),
    );
    if (rows.length > 0) return;
  }
}
