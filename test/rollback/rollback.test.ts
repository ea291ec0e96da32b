import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import {
  createStaticStageSource,
  createStorageBridge,
  type Engine,
  engines,
  type Stage,
  type StorageApi,
  type StorageBridge,
} from 'changeover';
import { datasetSchema } from '@changeover/engines/api';

// Going back must not be held up by a call that is stuck, on the real engines.

const basePath = mkdtempSync(join(tmpdir(), 'changeover-rollback-'));
const databaseUrl = process.env['CHANGEOVER_TEST_DATABASE_URL'];
const source = createStaticStageSource(() => 'pooled');
let bridge: StorageBridge;
let other: pg.Client;
let made = 0;

beforeAll(async () => {
  bridge = createStorageBridge({
    basePath,
    databaseUrl,
    storePath: ':memory:',
    stages: source,
    guardrail: { mode: 'report' },
    backWithinMs: 100,
    logger: { debug: quiet, info: quiet, warn: quiet, error: quiet },
  });
  other = new pg.Client(databaseUrl);
  await other.connect();
});

afterAll(async () => {
  await other.end();
  await bridge.close();
  rmSync(basePath, { recursive: true, force: true });
});

function quiet(): void {
  // Nobody reads it.
}

/** Runs `work` on a new dataset at a stage, with the table `t` of two rows. */
async function onRows(
  engine: Engine,
  stage: Stage,
  work: (storage: StorageApi, dataset: string) => Promise<void>,
): Promise<void> {
  source.set(() => stage);
  const storage = bridge.storage(engine);
  const dataset = `back_${process.pid.toString(36)}_${String((made += 1))}`;
  await storage.createDataset(dataset);
  try {
    await storage.execute(dataset, 'CREATE TABLE t (a BIGINT, n BIGINT)');
    await storage.execute(dataset, 'INSERT INTO t VALUES (1, 0), (2, 0)');
    await work(storage, dataset);
  } finally {
    source.set(() => 'legacy');
    await storage.dropDataset(dataset);
  }
}

const outcomeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => value,
    (error: unknown) => error,
  );

const rowsOf = async (storage: StorageApi, dataset: string): Promise<number[]> =>
  (await storage.query(dataset, 'SELECT n FROM t ORDER BY a, n')).rows.map(({ n }) => Number(n));

const never = new Promise<never>(() => undefined);

/** A statement that takes minutes. */
const endless: Readonly<Record<Engine, string>> = {
  sqlite:
    'INSERT INTO t WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT 3, count(*) FROM c',
  duckdb:
    'INSERT INTO t SELECT 3, count(*) FROM range(3000000) a, range(3000000) b WHERE hash(a.range, b.range) = 1',
  postgresql: 'INSERT INTO t SELECT 3, count(*) FROM pg_sleep(600)',
};

const notApplied = {
  name: 'AbortedError',
  code: 'ABORTED',
  retryable: true,
  message: expect.stringMatching(/moved back to the legacy leg.*nothing was applied/),
};

describe.each(engines)('on %s', (engine) => {
  test.each(['reverse', 'pooled'] as const)(
    'a transaction at %s whose function never ends is cut, and the next write goes on',
    async (stage) => {
      await onRows(engine, stage, async (storage, dataset) => {
        const begun = Promise.withResolvers<undefined>();
        const stuck = outcomeOf(
          storage.transaction(dataset, async (transaction) => {
            await transaction.execute('UPDATE t SET n = 7 WHERE a = 1');
            begun.resolve(undefined);
            await never;
          }),
        );
        await begun.promise;
        source.set(() => 'legacy');
        await storage.execute(dataset, 'UPDATE t SET n = n + 1 WHERE a = 1');
        expect(await stuck).toMatchObject(notApplied);
        expect(await rowsOf(storage, dataset)).toEqual([1, 0]);
      });
    },
  );

  test('a transaction whose statement never ends is cut, with the statement', async () => {
    await onRows(engine, 'pooled', async (storage, dataset) => {
      const begun = Promise.withResolvers<undefined>();
      const stuck = outcomeOf(
        storage.transaction(dataset, async (transaction) => {
          await transaction.execute('UPDATE t SET n = 7 WHERE a = 1');
          const statement = transaction.execute(endless[engine]);
          begun.resolve(undefined);
          await statement;
        }),
      );
      await begun.promise;
      source.set(() => 'legacy');
      await storage.execute(dataset, 'UPDATE t SET n = n + 1 WHERE a = 1');
      expect(await stuck).toMatchObject(notApplied);
      expect(await rowsOf(storage, dataset)).toEqual([1, 0]);
    });
  });

  test('what its function does after the cut is refused by name and applied nowhere', async () => {
    await onRows(engine, 'pooled', async (storage, dataset) => {
      const goOn = Promise.withResolvers<undefined>();
      const begun = Promise.withResolvers<undefined>();
      const late = Promise.withResolvers<readonly unknown[]>();
      const stuck = outcomeOf(
        storage.transaction(dataset, async (transaction) => {
          await transaction.execute('UPDATE t SET n = 7 WHERE a = 1');
          begun.resolve(undefined);
          await goOn.promise;
          late.resolve([
            await outcomeOf(transaction.execute('UPDATE t SET n = 8')),
            await outcomeOf(storage.execute(dataset, 'UPDATE t SET n = 9')),
          ]);
        }),
      );
      await begun.promise;
      source.set(() => 'legacy');
      expect(await stuck).toMatchObject(notApplied);
      goOn.resolve(undefined);
      expect(await late.promise).toMatchObject([
        { name: 'TransactionOverError', code: 'TRANSACTION_OVER' },
        { name: 'TransactionOverError', code: 'TRANSACTION_OVER' },
      ]);
      expect(await rowsOf(storage, dataset)).toEqual([0, 0]);
    });
  });

  test('a transaction that ends in time is committed, and the next write sees it', async () => {
    await onRows(engine, 'pooled', async (storage, dataset) => {
      const begun = Promise.withResolvers<undefined>();
      const goOn = Promise.withResolvers<undefined>();
      const transaction = storage.transaction(dataset, async (each) => {
        await each.execute('UPDATE t SET n = 7 WHERE a = 1');
        begun.resolve(undefined);
        await goOn.promise;
        return 'done';
      });
      await begun.promise;
      source.set(() => 'legacy');
      const next = storage.execute(dataset, 'UPDATE t SET n = n + 1 WHERE a = 1');
      goOn.resolve(undefined);
      expect(await transaction).toBe('done');
      await next;
      expect(await rowsOf(storage, dataset)).toEqual([8, 0]);
    });
  });
});

test.each(['sqlite', 'duckdb'] as const)(
  'a single write on %s that never ends is ended, and its caller told',
  async (engine) => {
    await onRows(engine, 'pooled', async (storage, dataset) => {
      const stuck = outcomeOf(storage.execute(dataset, endless[engine]));
      // It is decided by then where it runs.
      await bridge.factory.createBackend(dataset, engine).query('SELECT 1');
      source.set(() => 'legacy');
      await storage.execute(dataset, 'UPDATE t SET n = n + 1');
      expect(await stuck).toMatchObject(notApplied);
      expect(await rowsOf(storage, dataset)).toEqual([1, 1]);
    });
  },
);

describe('on postgresql', () => {
  test('a write behind a lock is left running, others pass it, and the ledger says that order was waived', async () => {
    await onRows('postgresql', 'pooled', async (storage, dataset) => {
      await other.query(`BEGIN; UPDATE ${datasetSchema(dataset)}.t SET n = 5 WHERE a = 1`);
      const stuck = storage.execute(dataset, 'UPDATE t SET n = n + 10 WHERE a = 1');
      const behind = storage.execute(dataset, 'UPDATE t SET n = n + 1 WHERE a = 2');
      source.set(() => 'legacy');
      await storage.execute(dataset, 'UPDATE t SET n = n * 3 WHERE a = 2');
      await behind;
      expect(await rowsOf(storage, dataset)).toEqual([0, 3]);
      await other.query('COMMIT');
      expect(await stuck).toBe(1);
      expect(await rowsOf(storage, dataset)).toEqual([15, 3]);
      await bridge.ledger.review();
      expect(
        (await bridge.ledger.history()).filter((line) => line.dataset === dataset),
      ).toMatchObject([
        {
          from: 'legacy',
          to: 'legacy',
          held: false,
          reason: expect.stringMatching(/order was waived towards execute/),
        },
      ]);
    });
  });

  test('a transaction behind a lock holds nothing any more when the next write goes on', async () => {
    await onRows('postgresql', 'pooled', async (storage, dataset) => {
      await other.query(`BEGIN; UPDATE ${datasetSchema(dataset)}.t SET n = 5 WHERE a = 1`);
      const begun = Promise.withResolvers<undefined>();
      const stuck = outcomeOf(
        storage.transaction(dataset, async (transaction) => {
          await transaction.execute('UPDATE t SET n = 7 WHERE a = 2');
          const statement = transaction.execute('UPDATE t SET n = 7 WHERE a = 1');
          begun.resolve(undefined);
          await statement;
        }),
      );
      await begun.promise;
      source.set(() => 'legacy');
      await storage.execute(dataset, 'UPDATE t SET n = n + 1 WHERE a = 2');
      await other.query('ROLLBACK');
      expect(await stuck).toMatchObject(notApplied);
      expect(await rowsOf(storage, dataset)).toEqual([0, 1]);
    });
  });

  test('a commit that is stuck is ended too, and its caller told what became of it', async () => {
    await onRows('postgresql', 'pooled', async (storage, dataset) => {
      const schema = datasetSchema(dataset);
      await other.query(`
        CREATE FUNCTION ${schema}.slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(600); RETURN NULL; END';
        CREATE CONSTRAINT TRIGGER slow AFTER UPDATE ON ${schema}.t DEFERRABLE INITIALLY DEFERRED
          FOR EACH ROW EXECUTE FUNCTION ${schema}.slow()`);
      const stuck = outcomeOf(
        storage.transaction(dataset, async (transaction) => {
          await transaction.execute('UPDATE t SET n = 7 WHERE a = 1');
        }),
      );
      for (let waits = false; !waits;) {
        const { rows } = await other.query(
          "SELECT 1 FROM pg_stat_activity WHERE query = 'COMMIT' AND wait_event = 'PgSleep'",
        );
        waits = rows.length > 0;
      }
      source.set(() => 'legacy');
      await storage.execute(dataset, 'INSERT INTO t VALUES (3, 1)');
      expect(await stuck).toMatchObject({ name: 'ConnectionError', retryable: true });
      expect(await rowsOf(storage, dataset)).toEqual([0, 0, 1]);
    });
  });
});
