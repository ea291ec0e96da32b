import { AsyncResource } from 'node:async_hooks';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { engines } from '@changeover/engines/api';
import { systemClock } from '@changeover/core';
import type { Engine, StorageBackend, StorageTransaction } from '@changeover/engines/api';
import { digestResult } from '@changeover/compare';
import { StorageBackendFactory } from './storage-backend-factory.ts';
import type { StorageBackendFactoryOptions } from './factory-options.ts';

const unhandled: unknown[] = [];
const note = (error: unknown): void => {
  unhandled.push(error);
};
beforeAll(() => {
  process.on('unhandledRejection', note);
});
afterAll(() => {
  process.off('unhandledRejection', note);
});
afterEach(() => {
  expect(unhandled).toEqual([]);
});

let basePath: string;
let factories: StorageBackendFactory[] = [];
let datasets: { engine: Engine; name: string }[] = [];

beforeEach(() => {
  basePath = mkdtempSync(join(tmpdir(), 'changeover-pooled-'));
});
afterEach(async () => {
  for (const factory of factories) await factory.close({ deadlineMs: 5_000 });
  const cleaner = openFactory();
  for (const { engine, name } of datasets) await cleaner.storage(engine).dropDataset(name);
  await cleaner.close();
  factories = [];
  datasets = [];
  rmSync(basePath, { recursive: true, force: true });
});

function openFactory(options: Partial<StorageBackendFactoryOptions> = {}): StorageBackendFactory {
  const databaseUrl = process.env['CHANGEOVER_TEST_DATABASE_URL'];
  const factory = new StorageBackendFactory({ basePath, databaseUrl, ...options });
  factories.push(factory);
  return factory;
}

let named = 0;

async function createDataset(storage: StorageBackend, engine: Engine): Promise<string> {
  named += 1;
  const name = `pooled_${process.pid}_${named}`;
  datasets.push({ engine, name });
  await storage.createDataset(name);
  return name;
}

const countOf = async (reader: Pick<StorageTransaction, 'query'>): Promise<unknown> =>
  (await reader.query('SELECT count(*) AS c FROM t')).rows[0]?.['c'];

const tenRows = Array.from({ length: 10 }, (_unused, id) => ({ id, name: `row ${id}` }));

describe.each(engines)('%s', (engine) => {
  test('two datasets used alternately and at once are never mixed up', async () => {
    const storage = openFactory().storage(engine);
    const names = [await createDataset(storage, engine), await createDataset(storage, engine)];
    await Promise.all(names.map((name, owner) => storage.writeTable(name, 't', [{ owner }])));
    const reads = Array.from({ length: 40 }, async (_unused, call) => {
      const owner = call % 2;
      const rows = await storage.readTable(names[owner] ?? '', 't');
      expect(rows).toEqual([{ owner }]);
    });
    await Promise.all(reads);
  });

  test('a missing dataset or table is named, and nothing is left behind', async () => {
    const storage = openFactory().storage(engine);
    await expect(storage.readTable('nowhere', 't')).rejects.toMatchObject({
      code: 'DATASET_NOT_FOUND',
      dataset: 'nowhere',
      engine,
    });
    await expect(storage.execute('nowhere', 'DELETE FROM t')).rejects.toMatchObject({
      code: 'DATASET_NOT_FOUND',
    });
    await expect(storage.transaction('nowhere', () => 1)).rejects.toMatchObject({
      code: 'DATASET_NOT_FOUND',
    });
    const name = await createDataset(storage, engine);
    await expect(storage.readTable(name, 't')).rejects.toMatchObject({
      code: 'TABLE_NOT_FOUND',
      table: 't',
      dataset: name,
    });
    expect(existsSync(join(basePath, 'nowhere'))).toBe(false);
    await expect(storage.readData('../x')).rejects.toMatchObject({ code: 'INVALID_NAME' });
    expect(() => openFactory().createBackend('a/b', engine)).toThrow('Invalid dataset name');
  });

  test('writes at once are each applied once, and a read after one sees it', async () => {
    const storage = openFactory().storage(engine);
    const name = await createDataset(storage, engine);
    await storage.writeTable(name, 't', [{ id: 1, n: 0 }]);
    await Promise.all(
      Array.from({ length: 30 }, async () => {
        expect(await storage.execute(name, 'UPDATE t SET n = n + 1 WHERE id = 1')).toBe(1);
        const [row] = await storage.readTable(name, 't');
        expect(Number(row?.['n'])).toBeGreaterThan(0);
      }),
    );
    expect(await storage.readTable(name, 't')).toEqual([{ id: 1, n: 30 }]);
  });

  describe('a transaction', () => {
    test('commits what it returns from and rolls back what it throws from', async () => {
      const storage = openFactory().storage(engine);
      const name = await createDataset(storage, engine);
      await storage.writeTable(name, 't', tenRows);
      const result = await storage.transaction(name, async (transaction) => {
        await transaction.execute('DELETE FROM t WHERE id < 3');
        return await countOf(transaction);
      });
      expect(result).toBe(7);
      const failed = storage.transaction(name, async (transaction) => {
        await transaction.execute('DELETE FROM t');
        throw new RangeError('changed my mind');
      });
      await expect(failed).rejects.toThrow('changed my mind');
      expect(await storage.query(name, 'SELECT count(*) AS c FROM t')).toEqual({
        columns: ['c'],
        rows: [{ c: 7 }],
      });
    });

    test('takes in the calls that its function makes on the same object, and those of a backend of the factory', async () => {
      const factory = openFactory();
      const storage = factory.storage(engine);
      const name = await createDataset(storage, engine);
      await storage.writeTable(name, 't', tenRows);
      await expect(
        storage.transaction(name, async () => {
          await storage.execute(name, 'DELETE FROM t WHERE id < 5');
          expect(await countOf(factory.createBackend(name, engine))).toBe(5);
          throw new Error('undo');
        }),
      ).rejects.toThrow('undo');
      expect((await storage.readTable(name, 't')).length).toBe(10);
    });

    test('refuses another inside, and calls after its end; waits for calls that nobody waited for', async () => {
      const storage = openFactory().storage(engine);
      const name = await createDataset(storage, engine);
      await storage.writeTable(name, 't', tenRows);
      let kept: StorageTransaction | undefined;
      await storage.transaction(name, async (transaction) => {
        kept = transaction;
        await expect(storage.transaction(name, () => 1)).rejects.toMatchObject({
          code: 'INVALID_ARGUMENT',
        });
        void transaction
          .execute('DELETE FROM t WHERE id = 0')
          .then(() => transaction.execute('DELETE FROM t WHERE id = 1'));
      });
      expect((await storage.readTable(name, 't')).length).toBe(8);
      await expect(kept?.execute('DELETE FROM t')).rejects.toMatchObject({ code: 'CLOSED' });
      expect((await storage.readTable(name, 't')).length).toBe(8);
      await expect(storage.transaction(name, 5 as unknown as () => void)).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
      });
    });

    test('in which a statement was given up is rolled back, whatever its function makes of that', async () => {
      const storage = openFactory().storage(engine);
      const factory = openFactory();
      const controller = new AbortController();
      const name = await createDataset(storage, engine);
      await storage.writeTable(name, 't', tenRows);
      const told: unknown[] = [];
      const result = factory.createBackend(name, engine).transaction(
        async (transaction) => {
          await transaction.execute('DELETE FROM t WHERE id < 5');
          systemClock.after(20, () => {
            controller.abort();
          });
          for (let call = 0; call < 2; call += 1) {
            await transaction.query(slowQueries[engine]).catch((error: unknown) => {
              told.push((error as { code?: unknown }).code);
            });
          }
          return 'done';
        },
        { signal: controller.signal },
      );
      await expect(result).rejects.toMatchObject({ code: 'ABORTED', retryable: true });
      expect(told).toEqual(['ABORTED', 'ABORTED']);
      await factory.close();
      expect((await storage.readTable(name, 't')).length).toBe(10);
    });

    test("whose caller's signal is aborted between two statements is rolled back", async () => {
      const factory = openFactory();
      const name = await createDataset(factory.storage(engine), engine);
      const backend = factory.createBackend(name, engine);
      await backend.writeTable('t', tenRows);
      const controller = new AbortController();
      await expect(
        backend.transaction(
          async (transaction) => {
            await transaction.execute('DELETE FROM t');
            controller.abort();
          },
          { signal: controller.signal },
        ),
      ).rejects.toMatchObject({ code: 'ABORTED' });
      expect((await backend.readTable('t')).length).toBe(10);
    });

    test('whose function never ends is answered at its deadline and rolled back', async () => {
      const factory = openFactory({ pools: { [engine]: { max: 1 } } });
      const name = await createDataset(factory.storage(engine), engine);
      const backend = factory.createBackend(name, engine);
      await backend.writeTable('t', tenRows);
      await expect(
        backend.transaction(
          async (transaction) => {
            await transaction.execute('DELETE FROM t');
            await new Promise<never>(() => undefined);
          },
          { deadlineMs: 200 },
        ),
      ).rejects.toMatchObject({ code: 'ABORTED', retryable: true });
      expect((await backend.readTable('t')).length).toBe(10);
      expect(await backend.execute('DELETE FROM t WHERE id = 1')).toBe(1);
    });

    test('of one dataset does not hold up another', async () => {
      const storage = openFactory().storage(engine);
      const [held, free] = [
        await createDataset(storage, engine),
        await createDataset(storage, engine),
      ];
      for (const name of [held, free]) await storage.writeTable(name, 't', tenRows);
      await storage.transaction(held, async (transaction) => {
        await transaction.execute('DELETE FROM t WHERE id = 1');
        expect(await storage.execute(free, 'DELETE FROM t WHERE id = 1')).toBe(1);
      });
    });
  });

  test('a call that is given up is answered at once, and its connection serves the next', async () => {
    const factory = openFactory({ pools: { [engine]: { max: 1 } } });
    const storage = factory.storage(engine);
    const name = await createDataset(storage, engine);
    await storage.writeTable(name, 't', tenRows);
    const backend = factory.createBackend(name, engine);
    const controller = new AbortController();
    const slow = backend.query(slowQueries[engine], [], { signal: controller.signal });
    systemClock.after(20, () => {
      controller.abort(new Error('enough'));
    });
    await expect(slow).rejects.toMatchObject({ code: 'ABORTED', cause: { message: 'enough' } });
    await expect(backend.query(slowQueries[engine], [], { deadlineMs: 20 })).rejects.toMatchObject({
      retryable: true,
    });
    await expect(backend.readData({ deadlineMs: 0 })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    await expect(backend.readData({ signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ABORTED',
    });
    expect((await backend.readTable('t')).length).toBe(10);
  });

  test('more callers than may wait are refused at once with the figures', async () => {
    const factory = openFactory({ pools: { [engine]: { max: 1, maxPending: 2 } } });
    const storage = factory.storage(engine);
    const name = await createDataset(storage, engine);
    await storage.writeTable(name, 't', tenRows);
    const outside = new AsyncResource('outside of the transaction');
    await storage.transaction(name, async () => {
      expect(await writeFromOutside(outside, storage, name, 6)).toEqual(
        Array(4).fill('POOL_EXHAUSTED'),
      );
    });
  });

  test('dropping closes what is open, leaves no file, and the name can be used again', async () => {
    const storage = openFactory().storage(engine);
    const name = await createDataset(storage, engine);
    const other = await createDataset(storage, engine);
    for (const each of [name, other]) await storage.writeTable(each, 't', tenRows);
    for (let read = 0; read < 3; read += 1) await storage.readTable(name, 't');
    await storage.dropDataset(name);
    await storage.dropDataset(name);
    expect(readdirSync(basePath)).toEqual(engine === 'postgresql' ? [] : [other]);
    await expect(storage.readTable(name, 't')).rejects.toMatchObject({ code: 'DATASET_NOT_FOUND' });
    expect((await storage.readTable(other, 't')).length).toBe(10);
    await storage.createDataset(name);
    expect(await storage.listTables(name)).toEqual([]);
    await expect(storage.createDataset(name)).rejects.toMatchObject({ code: 'DATASET_EXISTS' });
  });

  test('closing connections lets work end, and the next call opens again', async () => {
    const factory = openFactory();
    const storage = factory.storage(engine);
    const name = await createDataset(storage, engine);
    await storage.writeTable(name, 't', tenRows);
    const reads = Array.from({ length: 5 }, () => storage.readTable(name, 't'));
    await storage.closeConnections();
    await storage.closeConnections();
    expect((await Promise.all(reads)).map((rows) => rows.length)).toEqual([10, 10, 10, 10, 10]);
    expect(factory.stats().engines.map(({ callers }) => callers.connections)).toEqual([0, 0, 0]);
    expect((await storage.readTable(name, 't')).length).toBe(10);
  });

  test('a closed factory refuses calls, and nothing of it is open', async () => {
    const factory = openFactory();
    const storage = factory.storage(engine);
    const name = await createDataset(storage, engine);
    await storage.writeTable(name, 't', tenRows);
    await factory.leg(engine).shadow?.digest({
      operation: 'readTable',
      args: [name, 't'],
      signal: new AbortController().signal,
    });
    await factory[Symbol.asyncDispose]();
    await factory.close();
    const { engines: figures, workers } = factory.stats();
    expect(figures.map(({ callers, shadow }) => callers.connections + shadow.connections)).toEqual([
      0, 0, 0,
    ]);
    expect(workers.alive).toBe(0);
    await expect(storage.readTable(name, 't')).rejects.toMatchObject({ code: 'CLOSED' });
    await expect(storage.listDatasets()).rejects.toMatchObject({ code: 'CLOSED' });
  });

  test('pools of many datasets stay within the budget', async () => {
    const factory = openFactory({ budgets: { [engine]: 3 } });
    const storage = factory.storage(engine);
    const names: string[] = [];
    for (let dataset = 0; dataset < 6; dataset += 1)
      names.push(await createDataset(storage, engine));
    await Promise.all(names.map((name) => storage.writeTable(name, 't', tenRows)));
    await Promise.all(
      names.flatMap((name) => [
        storage.readTable(name, 't'),
        storage.query(name, 'SELECT 1 AS one'),
      ]),
    );
    const connections = factory.stats().engines.find((each) => each.engine === engine)
      ?.callers.connections;
    expect(connections).toBeLessThanOrEqual(3);
  });

  describe('the shadow leg', () => {
    const signal = new AbortController().signal;

    test('digests a read as the answer would be digested', async () => {
      const factory = openFactory();
      const storage = factory.storage(engine);
      const name = await createDataset(storage, engine);
      await storage.writeTable(name, 't', [...tenRows, { id: 2n ** 60n, name: null }]);
      const { shadow } = factory.leg(engine);
      expect(await shadow?.digest({ operation: 'readTable', args: [name, 't'], signal })).toEqual(
        digestResult(await storage.readTable(name, 't'), 'rows'),
      );
      const sql = 'SELECT id, id AS id, name FROM t WHERE id > 3 ORDER BY id';
      expect(await shadow?.digest({ operation: 'query', args: [name, sql], signal })).toEqual(
        digestResult(await storage.query(name, sql), 'rows'),
      );
      for (const args of [
        ['getTableInfo', name, 't'],
        ['getColumns', name, 't'],
        ['listTables', name],
        ['datasetExists', name],
      ] as const) {
        const [operation, ...rest] = args;
        const answer = await (
          storage[operation] as (...given: readonly string[]) => Promise<unknown>
        )(...rest);
        expect(await shadow?.digest({ operation, args: rest, signal })).toEqual(
          digestResult(answer, 'value'),
        );
        expect(await shadow?.read({ operation, args: rest, signal })).toEqual(answer);
      }
      await expect(
        shadow?.read({ operation: 'execute', args: [name, 'DELETE FROM t'], signal }),
      ).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    });

    test('rehearses a write, tells its effect, and leaves nothing of it', async () => {
      const factory = openFactory();
      const storage = factory.storage(engine);
      const name = await createDataset(storage, engine);
      await storage.writeTable(name, 't', tenRows);
      const { shadow } = factory.leg(engine);
      const sql = 'DELETE FROM t WHERE id < 4';
      const effect = await shadow?.rehearse?.(
        { operation: 'execute', args: [name, sql], signal },
        { maxRows: 100 },
      );
      expect((await storage.readTable(name, 't')).length).toBe(10);
      expect(await storage.execute(name, sql)).toBe(effect?.rowsAffected);
      expect(effect?.tables['t']).toEqual(digestResult(await storage.readTable(name, 't'), 'rows'));
      const large = await shadow?.rehearse?.(
        { operation: 'execute', args: [name, sql], signal },
        { maxRows: 2 },
      );
      expect(large?.unseen).toHaveLength(1);
      await expect(
        shadow?.rehearse?.(
          { operation: 'execute', args: [name, 'DELETE FROM nowhere'], signal },
          { maxRows: 2 },
        ),
      ).rejects.toMatchObject({ engine });
    });

    test("does a table write apart, while a caller holds the dataset's write lock", async () => {
      const factory = openFactory();
      const storage = factory.storage(engine);
      const name = await createDataset(storage, engine);
      await storage.writeTable(name, 't', tenRows);
      const { shadow } = factory.leg(engine);
      await storage.transaction(name, async (transaction) => {
        await transaction.execute('DELETE FROM t WHERE id = 0');
        const effect = await shadow?.scratchWrite?.(
          {
            operation: 'writeTable',
            args: [name, 't', [{ id: 77, name: 'seven' }], { ifExists: 'append' }],
            signal,
          },
          { maxRows: 100 },
        );
        expect(effect?.tables['t']).toEqual(digestResult([{ id: 77, name: 'seven' }], 'rows'));
      });
      expect((await storage.readTable(name, 't')).length).toBe(9);
      expect(await storage.listTables(name)).toEqual(['t']);
    });

    test('that hangs takes no connection from callers', async () => {
      const factory = openFactory({
        pools: { [engine]: { max: 1 } },
        shadowBudgets: { [engine]: 1 },
      });
      const storage = factory.storage(engine);
      const name = await createDataset(storage, engine);
      await storage.writeTable(name, 't', tenRows);
      const controller = new AbortController();
      const { shadow } = factory.leg(engine);
      const hung = shadow?.digest({
        operation: 'query',
        args: [name, slowQueries[engine]],
        signal: controller.signal,
      });
      expect((await storage.readTable(name, 't')).length).toBe(10);
      controller.abort();
      await expect(hung).rejects.toMatchObject({ code: 'ABORTED' });
    });
  });
});

/** Reads that take much longer than a test waits for, but end. */
const slowQueries: Readonly<Record<Engine, string>> = {
  sqlite:
    'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000) SELECT count(*) AS c FROM n',
  duckdb: 'SELECT count(*) AS c FROM range(200000) a, range(200000) b WHERE a.range + b.range = 7',
  postgresql: 'SELECT pg_sleep(5)',
};

/** Makes writes at once from outside of a transaction that is under way, where a call would take part in it. */
async function writeFromOutside(
  outside: AsyncResource,
  storage: StorageBackend,
  dataset: string,
  count: number,
): Promise<string[]> {
  const codes: string[] = [];
  outside.runInAsyncScope(() => {
    for (let call = 0; call < count; call += 1) {
      storage.execute(dataset, 'UPDATE t SET id = id WHERE id = 1').catch((error: unknown) => {
        codes.push(String((error as { code?: unknown }).code));
      });
    }
  });
  for (let turn = 0; turn < 5; turn += 1)
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  return codes;
}
