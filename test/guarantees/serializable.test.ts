import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { silentLogger } from '@changeover/bridge';
import {
  createStaticStageSource,
  createStorageBridge,
  type Engine,
  type StorageApi,
  type StorageBridge,
} from 'changeover';
import {
  answerOrCode,
  atEachStage,
  type FourStages,
  openFourStages,
  toldAtEachStage,
} from './four-stages.ts';

const engines: readonly Engine[] = ['sqlite', 'duckdb', 'postgresql'];
const serializable = { isolation: 'serializable' } as const;

describe('at pooled, with all guarantees let go', () => {
  let basePath: string;
  let bridge: StorageBridge;
  beforeAll(() => {
    basePath = mkdtempSync(join(tmpdir(), 'changeover-serializable-'));
    bridge = createStorageBridge({
      basePath,
      databaseUrl: process.env['CHANGEOVER_TEST_DATABASE_URL'],
      storePath: ':memory:',
      logger: silentLogger,
      stages: createStaticStageSource(() => 'pooled', {
        guarantees: { order: 'none', exclusion: 'none', session: 'none' },
      }),
    });
  });
  afterAll(async () => {
    await bridge.close({ deadlineMs: 2_000 });
    rmSync(basePath, { recursive: true, force: true });
  });

  const open = async (engine: Engine): Promise<{ storage: StorageApi; dataset: string }> => {
    const storage = bridge.storage(engine);
    const dataset = `s_${randomUUID().slice(0, 8)}`;
    await storage.createDataset(dataset);
    await storage.execute(dataset, 'CREATE TABLE counter (n INTEGER)');
    await storage.execute(dataset, 'INSERT INTO counter VALUES (0)');
    return { storage, dataset };
  };
  const counted = async (storage: StorageApi, dataset: string): Promise<number> =>
    Number((await storage.query(dataset, 'SELECT n FROM counter')).rows[0]?.['n']);

  test.each(engines)(
    '%s: of 8 callers who read, compute and write 25 times, as many increments are there as were acknowledged',
    async (engine) => {
      const { storage, dataset } = await open(engine);
      let runs = 0;
      const increment = (): Promise<void> =>
        storage.transaction(
          dataset,
          async (transaction) => {
            runs += 1;
            const { rows } = await transaction.query('SELECT n FROM counter');
            await transaction.execute(
              `UPDATE counter SET n = ${String(Number(rows[0]?.['n']) + 1)}`,
            );
          },
          { ...serializable, attempts: 100 },
        );
      let acknowledged = 0;
      await Promise.all(
        Array.from({ length: 8 }, async () => {
          for (let at = 0; at < 25; at += 1) {
            await increment();
            acknowledged += 1;
          }
        }),
      );
      expect([acknowledged, await counted(storage, dataset)]).toEqual([200, 200]);
      // PostgreSQL alone gives transactions up; the others run them one after the other.
      expect(runs > 200).toBe(engine === 'postgresql');
      await storage.dropDataset(dataset);
    },
  );

  test('postgresql: what must not be run again is refused after one attempt, nothing of it applied, and says that it may be', async () => {
    const { storage, dataset } = await open('postgresql');
    let runs = 0;
    const refused = storage.transaction(
      dataset,
      async (transaction) => {
        runs += 1;
        await transaction.query('SELECT n FROM counter');
        await other(dataset);
        await transaction.execute('UPDATE counter SET n = 7');
      },
      { ...serializable, attempts: 1 },
    );
    await expect(refused).rejects.toMatchObject({ retryable: true });
    expect(runs).toBe(1);
    expect(await counted(storage, dataset)).toBe(1);
    await storage.dropDataset(dataset);
  });

  test('postgresql: it is run again where its work swallows the refusal, and where it wraps it', async () => {
    const { storage, dataset } = await open('postgresql');
    for (const meet of [
      (): void => undefined,
      (error: unknown): void => {
        throw new Error('wrapped', { cause: error });
      },
    ]) {
      let runs = 0;
      await storage.transaction(
        dataset,
        async (transaction) => {
          runs += 1;
          await transaction.query('SELECT n FROM counter');
          if (runs === 1) await other(dataset);
          await transaction.execute('UPDATE counter SET n = n + 10').catch(meet);
        },
        serializable,
      );
      // Once more at least: a server that others use may give it up again for reasons of its own.
      expect(runs).toBeGreaterThan(1);
    }
    expect(await counted(storage, dataset)).toBe(22);
    await storage.dropDataset(dataset);
  });

  /** Another connection's increment, as of another process. */
  async function other(dataset: string): Promise<void> {
    const { default: pg } = await import('pg');
    const client = new pg.Client(process.env['CHANGEOVER_TEST_DATABASE_URL']);
    await client.connect();
    await client.query(`UPDATE "mdm_${dataset}".counter SET n = n + 1`);
    await client.end();
  }
});

describe('at each stage', () => {
  let opened: FourStages;
  beforeAll(() => {
    opened = openFourStages();
  });
  afterAll(async () => {
    await opened.close();
  });

  test.each(engines)(
    '%s: the isolation is what was asked for, and options are checked',
    async (engine) => {
      const level = {
        sqlite: "SELECT 'serializable' AS level",
        duckdb: "SELECT 'serializable' AS level",
        postgresql: "SELECT current_setting('transaction_isolation') AS level",
      }[engine];
      const found = await toldAtEachStage(
        opened,
        engine,
        (storage, dataset) => storage.writeTable(dataset, 't', [{ id: 1 }]),
        async (storage, dataset) => [
          await storage.transaction(
            dataset,
            async (transaction) => {
              await transaction.execute('UPDATE t SET id = 2');
              return (await transaction.query(level)).rows;
            },
            serializable,
          ),
          await answerOrCode(() =>
            storage.transaction(dataset, () => 1, { isolation: 'snapshot' as never }),
          ),
          await answerOrCode(() =>
            storage.transaction(dataset, () => 1, { ...serializable, attempts: 0 }),
          ),
          await answerOrCode(() => storage.transaction(dataset, () => 1, { attempts: 3 })),
          await storage.readTable(dataset, 't'),
        ],
      );
      const refused = { error: 'INVALID_ARGUMENT' };
      expect(found).toEqual(
        atEachStage([[{ level: 'serializable' }], refused, refused, refused, [{ id: 2 }]]),
      );
    },
  );
});
