import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { createStaticStageSource, createStorageBridge, type StorageBridge } from 'changeover';
import { detectPooler } from '@changeover/engines';
import { typeChangeover } from '../command/run-changeover.ts';
import { notRun } from '../kit/not-run.ts';
import { pgbouncerProgram, type RunningPgbouncer, startPgbouncer } from '../kit/pgbouncer.ts';

const direct = process.env['CHANGEOVER_TEST_DATABASE_URL'] ?? '';
const ignored = ['options', 'extra_float_digits', 'idle_in_transaction_session_timeout'];
const quiet = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

const modes = [
  { poolMode: 'transaction', ignoreStartupParameters: ignored, startup: 'dropped' },
  { poolMode: 'transaction', ignoreStartupParameters: [], startup: 'refused' },
  { poolMode: 'session', ignoreStartupParameters: ignored, startup: 'dropped' },
  { poolMode: 'session', ignoreStartupParameters: [], startup: 'refused' },
] as const;
const stages = ['legacy', 'shadow', 'pooled'] as const;

interface Finding {
  readonly check: string;
  readonly status: string;
  readonly found: string;
}

/** What `changeover doctor` finds, by what it looked at. */
async function doctor(url: string): Promise<Readonly<Record<string, Finding>>> {
  const { out } = await typeChangeover(['doctor', '--format', 'json'], { DATABASE_URL: url });
  const { findings } = JSON.parse(out) as { readonly findings: readonly Finding[] };
  return Object.fromEntries(findings.map((finding) => [finding.check, finding]));
}

function throughPgbouncer(mode: (typeof modes)[number]): void {
  let pooler: RunningPgbouncer;
  let admin: pg.Client;
  let basePath: string;
  let bridge: StorageBridge | undefined;
  let count = 0;
  beforeAll(async () => {
    basePath = mkdtempSync(join(tmpdir(), 'changeover-poolers-'));
    // As few as show at once whose statement met whose connection.
    pooler = await startPgbouncer({
      url: direct,
      ...mode,
      settings: { default_pool_size: mode.poolMode === 'session' ? '20' : '4' },
    });
    admin = new pg.Client(direct);
    await admin.connect();
  });
  afterAll(async () => {
    await admin.end();
    await pooler.stop();
    rmSync(basePath, { recursive: true, force: true });
  });
  const opened = async (
    stage: (typeof stages)[number],
    work: (storage: ReturnType<StorageBridge['storage']>, dataset: string) => Promise<void>,
  ): Promise<void> => {
    const own = createStorageBridge({
      basePath,
      databaseUrl: pooler.url,
      storePath: ':memory:',
      logger: quiet,
      stages: createStaticStageSource(() => stage, { rehearsalBudgetMs: 2_000 }),
      guardrail: { mode: 'report' },
      pooled: { pools: { postgresql: { max: 3 } } },
    });
    bridge = own;
    const storage = own.storage('postgresql');
    count += 1;
    const dataset = `pooler_${process.pid.toString(36)}_${mode.poolMode}_${mode.startup}_${String(count)}`;
    await storage.createDataset(dataset);
    try {
      await work(storage, dataset);
    } finally {
      await storage.dropDataset(dataset);
      await own.close({ deadlineMs: 1_000 });
    }
  };

  test('is told for what it is', async () => {
    expect(await detectPooler(pooler.url)).toMatchObject({
      pooling: mode.poolMode,
      startupOptions: mode.startup,
      isStandby: false,
      isForwarded: true,
    });
  });

  test('is named by changeover doctor, with what it can not keep', async () => {
    const { pooler: found } = await doctor(pooler.url);
    expect(found).toMatchObject({
      status: mode.poolMode === 'session' ? 'ok' : 'warning',
      found: expect.stringContaining(`by ${mode.poolMode}`),
    });
    expect(found?.found).toContain(mode.startup);
  });

  describe.each(stages)('at %s', (stage) => {
    test('names are looked up in the dataset, whatever public has of the same name', async () => {
      await admin.query('CREATE TABLE IF NOT EXISTS public.decoy (id int, n text)');
      await opened(stage, async (storage, dataset) => {
        await storage.writeTable(dataset, 'decoy', [{ id: 1, n: 'mine' }]);
        await storage.execute(dataset, 'INSERT INTO decoy VALUES ($1, $2)', [2, 'too']);
        const { rows } = await storage.query(dataset, 'SELECT n FROM decoy ORDER BY id');
        expect(rows).toEqual([{ n: 'mine' }, { n: 'too' }]);
        expect(
          (await storage.query(dataset, `SELECT current_setting('TimeZone') AS z`)).rows,
        ).toEqual([{ z: 'UTC' }]);
        await storage.transaction(dataset, async (transaction) => {
          await transaction.execute('UPDATE decoy SET n = $1 WHERE id = 2', ['changed']);
          expect((await transaction.query('SELECT n FROM decoy WHERE id = 2')).rows).toEqual([
            { n: 'changed' },
          ]);
        });
        await bridge?.idle();
        expect((await admin.query('SELECT count(*)::int AS n FROM public.decoy')).rows).toEqual([
          { n: 0 },
        ]);
        expect(bridge?.recorder.summary().totals.mismatch).toBe(0);
      });
    });

    test('a read that writes is refused, and other programs still write through the pooler', async () => {
      await opened(stage, async (storage, dataset) => {
        await storage.writeTable(dataset, 't', [{ id: 1 }]);
        await expect(
          storage.query(dataset, 'WITH gone AS (DELETE FROM t RETURNING id) SELECT * FROM gone'),
        ).rejects.toMatchObject({ name: 'ReadOnlyError' });
        await Promise.all(
          Array.from({ length: 20 }, () => storage.query(dataset, 'SELECT id FROM t')),
        );
        if (mode.poolMode === 'session') return;
        const strangers = await Promise.all(
          Array.from({ length: 3 }, async () => {
            const stranger = new pg.Client(pooler.url);
            await stranger.connect();
            const { rows } = await stranger.query<{ path: string; only: string }>(
              `SELECT current_setting('search_path') AS path, current_setting('transaction_read_only') AS only`,
            );
            await stranger.end();
            return rows[0];
          }),
        );
        expect(strangers).toEqual(Array(3).fill({ path: '"$user", public', only: 'off' }));
      });
    });

    test('forty writes at once are each applied once', async () => {
      await opened(stage, async (storage, dataset) => {
        await storage.writeTable(dataset, 't', [{ id: -1 }]);
        await Promise.all(
          Array.from({ length: 40 }, (_, id) =>
            storage.execute(dataset, 'INSERT INTO t VALUES ($1)', [id]),
          ),
        );
        const { rows } = await storage.query(
          dataset,
          'SELECT count(*) AS n, count(DISTINCT id) AS d FROM t',
        );
        expect(rows).toEqual([{ n: 41, d: 41 }]);
      });
    });

    const state = [
      'CREATE TEMP TABLE mine (v int)',
      `SELECT set_config('app.tenant', '7', false)`,
      'SELECT pg_advisory_lock(4711)',
    ];
    if (mode.poolMode === 'transaction') {
      test.each(state)('what stays on a connection is refused by name: %s', async (sql) => {
        await opened(stage, async (storage, dataset) => {
          const run = sql.startsWith('CREATE')
            ? storage.execute(dataset, sql)
            : storage.query(dataset, sql);
          await expect(run).rejects.toMatchObject({
            code: 'SESSION_STATE',
            message: expect.stringContaining('pool_mode'),
          });
        });
      });
      test('a statement that can not run in a transaction is refused by name', async () => {
        await opened(stage, async (storage, dataset) => {
          await storage.writeTable(dataset, 't', [{ id: 1 }]);
          await expect(storage.execute(dataset, 'VACUUM t')).rejects.toMatchObject({
            code: 'SESSION_STATE',
          });
        });
      });
    } else {
      test('what stays on a connection is there for the next statement', async () => {
        await opened(stage, async (storage, dataset) => {
          await storage.execute(dataset, 'CREATE TEMP TABLE mine (v int)');
          await storage.execute(dataset, 'INSERT INTO mine VALUES (7)');
          expect((await storage.query(dataset, 'SELECT v FROM mine')).rows).toEqual([{ v: 7 }]);
        });
      });
    }
  });
}

if (pgbouncerProgram() === undefined) {
  notRun(
    'pgbouncer',
    modes.flatMap(({ poolMode, startup }) =>
      stages.map((stage) => `PgBouncer by ${poolMode}, startup options ${startup}, at ${stage}`),
    ),
  );
} else {
  describe.each(modes)('behind PgBouncer by $poolMode, startup options $startup', throughPgbouncer);

  test('a pooler that refuses transactions is refused at connect by its setting', async () => {
    const pooler = await startPgbouncer({ url: direct, poolMode: 'statement' });
    try {
      expect(await detectPooler(pooler.url)).toMatchObject({ pooling: 'statement' });
      const { pooler: found } = await doctor(pooler.url);
      expect(found).toMatchObject({
        status: 'problem',
        todo: expect.stringContaining('pool_mode = transaction'),
      });
    } finally {
      await pooler.stop();
    }
  });
}

test('a server itself is told as such', async () => {
  expect(await detectPooler(direct)).toMatchObject({
    pooling: 'none',
    startupOptions: 'kept',
    refusal: undefined,
    isStandby: false,
    isForwarded: false,
  });
});
