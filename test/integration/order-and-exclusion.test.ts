import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  caller,
  createStaticStageSource,
  createStorageBridge,
  type Engine,
  engines,
  type Stage,
  stages,
  type StorageApi,
  type StorageBridge,
} from 'changeover';

// What callers of the singleton got without asking must hold on the real engines whatever the stage is.

const basePath = mkdtempSync(join(tmpdir(), 'changeover-order-'));
const source = createStaticStageSource(() => 'legacy');
let bridge: StorageBridge;
let made = 0;

beforeAll(() => {
  bridge = createStorageBridge({
    basePath,
    databaseUrl: process.env['CHANGEOVER_TEST_DATABASE_URL'],
    storePath: ':memory:',
    stages: source,
    guardrail: { mode: 'report' },
  });
});

afterAll(async () => {
  await bridge.close();
  rmSync(basePath, { recursive: true, force: true });
});

/** Runs `work` on a new dataset with the table `c` of one row, n = 0. */
async function onCounter(
  engine: Engine,
  stage: Stage,
  work: (storage: StorageApi, dataset: string) => Promise<void>,
): Promise<void> {
  source.set(() => stage);
  const storage = bridge.storage(engine);
  const dataset = `order_${process.pid.toString(36)}_${String((made += 1))}`;
  await storage.createDataset(dataset);
  try {
    await storage.execute(dataset, 'CREATE TABLE c (n BIGINT)');
    await storage.execute(dataset, 'INSERT INTO c VALUES (0)');
    await work(storage, dataset);
  } finally {
    await bridge.idle();
    await storage.dropDataset(dataset);
  }
}

const counted = async (storage: StorageApi, dataset: string): Promise<number> =>
  Number((await storage.query(dataset, 'SELECT n FROM c')).rows[0]?.['n']);

describe.each(engines)('on %s', (engine) => {
  describe.each(stages)('at %s', (stage) => {
    test('writes that nobody awaits take effect in order, and a read sees those before it', () =>
      onCounter(engine, stage, async (storage, dataset) => {
        for (let round = 1; round <= 10; round += 1) {
          const writes = [1, 2, 3, 4].map((at) =>
            storage.execute(dataset, `UPDATE c SET n = ${String(round * 10 + at)}`),
          );
          const read = counted(storage, dataset);
          await Promise.all(writes);
          expect([await read, await counted(storage, dataset)]).toEqual([
            round * 10 + 4,
            round * 10 + 4,
          ]);
        }
      }));
  });
});

describe.each(['sqlite', 'postgresql'] as const)('on %s', (engine) => {
  test.each(stages)(
    '8 callers of 25 transactions that read, compute and write lose nothing at %s',
    (stage) =>
      onCounter(engine, stage, async (storage, dataset) => {
        await Promise.all(
          Array.from({ length: 8 }, () =>
            caller(async () => {
              for (let at = 0; at < 25; at += 1)
                await storage.transaction(dataset, async (transaction) => {
                  const { rows } = await transaction.query('SELECT n FROM c');
                  const next = Number(rows[0]?.['n']) + 1;
                  await transaction.execute(`UPDATE c SET n = ${String(next)}`);
                });
            }),
          ),
        );
        expect(await counted(storage, dataset)).toBe(200);
      }),
  );

  test.each(['reverse', 'pooled'] as const)(
    'at %s reads of others go on beside an open transaction, writes wait for it',
    (stage) =>
      onCounter(engine, stage, async (storage, dataset) => {
        const done: string[] = [];
        const open = Promise.withResolvers<undefined>();
        const transaction = storage
          .transaction(dataset, async (inside) => {
            await inside.execute('UPDATE c SET n = 1');
            await open.promise;
          })
          .then(() => done.push('transaction'));
        const write = caller(() => storage.execute(dataset, 'UPDATE c SET n = n + 1')).then(() =>
          done.push('write'),
        );
        expect(await caller(() => counted(storage, dataset))).toBe(0);
        done.push('read');
        open.resolve(undefined);
        await Promise.all([transaction, write]);
        expect(done).toEqual(['read', 'transaction', 'write']);
        expect(await counted(storage, dataset)).toBe(2);
      }),
  );

  test.each(['reverse', 'pooled'] as const)(
    'at %s an independent caller is not delayed by the un-awaited calls of another',
    (stage) =>
      onCounter(engine, stage, async (storage, dataset) => {
        const done: string[] = [];
        const first = caller(() =>
          Array.from({ length: 400 }, () => storage.execute(dataset, 'UPDATE c SET n = n + 1')),
        );
        const all = Promise.all(first).then(() => done.push('the writes'));
        await caller(() => counted(storage, dataset));
        done.push('one read');
        await all;
        expect(done).toEqual(['one read', 'the writes']);
        expect(await counted(storage, dataset)).toBe(400);
      }),
  );

  test('two transactions at pooled that want each other: one is refused by name, and the other ends', () =>
    onCounter(engine, 'pooled', (storage, a) =>
      onCounter(engine, 'pooled', async (_same, b) => {
        const both = Promise.withResolvers<undefined>();
        let inside = 0;
        const outcomes = await Promise.allSettled(
          [
            [a, b],
            [b, a],
          ].map(([first = '', second = '']) =>
            caller(() =>
              storage.transaction(first, async () => {
                if ((inside += 1) === 2) both.resolve(undefined);
                await both.promise;
                await storage.execute(second, 'UPDATE c SET n = n + 1');
              }),
            ),
          ),
        );
        expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
        const refused = outcomes.find(({ status }) => status === 'rejected');
        expect(refused).toMatchObject({ reason: { name: 'DeadlockError', code: 'DEADLOCK' } });
        expect((await counted(storage, a)) + (await counted(storage, b))).toBe(1);
      }),
    ));
});
