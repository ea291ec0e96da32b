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

/** Leaves all that a function can, and answers. A read makes no temporary table. */
const leavesAll = (made: string, answer: string): string =>
  `LANGUAGE plpgsql AS $$ BEGIN
    PERFORM set_config('app.tenant', 'left', false), set_config('work_mem', '1MB', false), pg_advisory_lock(4711);
    LISTEN left_over;
    ${made}
    EXECUTE 'SET ROLE pg_monitor';
    ${answer}
  END $$`;
const leaving = [
  `CREATE FUNCTION leaves() RETURNS int ${leavesAll('', 'RETURN 7;')}`,
  `CREATE FUNCTION leaves_and_fails() RETURNS int ${leavesAll('', 'RETURN 1 / 0;')}`,
  `CREATE FUNCTION tf() RETURNS trigger ${leavesAll('CREATE TEMP TABLE left_over (a int);', 'RETURN NEW;')}`,
  'CREATE VIEW seen AS SELECT leaves() AS a',
  'CREATE TABLE t (a int)',
  'CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION tf()',
  'CREATE TABLE late (a int UNIQUE DEFERRABLE INITIALLY DEFERRED)',
  'CREATE CONSTRAINT TRIGGER g AFTER INSERT ON late DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION tf()',
];
const notLeft = `SELECT coalesce(current_setting('app.tenant', true), '') AS tenant, current_setting('work_mem') AS work_mem,
  current_user::text AS role, current_setting('application_name') AS name, pg_sleep(0.02)::text AS slept,
  (SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711) AS locks,
  (SELECT count(*)::int FROM pg_class WHERE relname = 'left_over') AS tables,
  (SELECT count(*)::int FROM pg_listening_channels()) AS channels`;

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

    if (mode.poolMode === 'transaction') {
      test('what code of a user’s leaves on a connection is met by nobody', async () => {
        await opened(stage, async (storage, dataset) => {
          for (const sql of leaving) await storage.execute(dataset, sql);
          const others = Array.from(
            { length: 4 },
            () => new pg.Client({ connectionString: pooler.url, application_name: 'other' }),
          );
          await Promise.all(others.map((other) => other.connect()));
          const ask = (): Promise<unknown[]> =>
            Promise.all(others.map(async (other) => (await other.query<object>(notLeft)).rows[0]));
          const before = await ask();
          expect(before[0]).toMatchObject({ tenant: '', locks: 0, tables: 0, channels: 0 });
          const { query, execute } = {
            query: (sql: string) => storage.query(dataset, sql).then(({ rows }) => rows),
            execute: (sql: string) => storage.execute(dataset, sql),
          };
          const duplicate = { code: 'STATEMENT_FAILED', cause: { code: '23505' } };
          const runs: readonly (() => Promise<unknown>)[] = [
            async () => expect(await query('SELECT leaves() AS a')).toEqual([{ a: 7 }]),
            async () => expect(await query('SELECT a FROM seen')).toEqual([{ a: 7 }]),
            async () => expect(await storage.readTable(dataset, 'seen')).toEqual([{ a: 7 }]),
            () => expect(query('SELECT leaves_and_fails()')).rejects.toThrow('division by zero'),
            async () => expect(await execute('INSERT INTO t VALUES (1)')).toBe(1),
            () => storage.writeTable(dataset, 't', [{ a: 2 }], { ifExists: 'append' }),
            async () => expect(await execute('INSERT INTO late VALUES (1)')).toBe(1),
            () => expect(execute('INSERT INTO late VALUES (1)')).rejects.toMatchObject(duplicate),
            () =>
              storage.transaction(dataset, async (transaction) => {
                await transaction.execute('INSERT INTO t VALUES (3)');
              }),
            () =>
              expect(
                storage.transaction(dataset, async (transaction) => {
                  await transaction.execute('INSERT INTO late VALUES (1)');
                }),
              ).rejects.toMatchObject(duplicate),
            () =>
              expect(
                storage.transaction(dataset, async (transaction) => {
                  await transaction.execute('INSERT INTO t VALUES (4)');
                  throw new Error('not wanted');
                }),
              ).rejects.toThrow('not wanted'),
            () =>
              storage.session(dataset, async (session) => {
                await session.execute('INSERT INTO t VALUES (5)');
              }),
          ];
          for (const run of runs) {
            await run();
            await bridge?.idle();
            expect([run.toString(), await ask()]).toEqual([run.toString(), before]);
          }
          await Promise.all(others.map((other) => other.end()));
          const { rows } = await storage.query(dataset, 'SELECT a FROM t ORDER BY a');
          expect(rows.map(({ a }) => a)).toEqual([1, 2, 3, 5]);
          // What the pooler knows of this program it still knows.
          expect(await query(`SELECT current_setting('application_name') AS a`)).toEqual([
            { a: 'changeover' },
          ]);
          expect(bridge?.recorder.summary().totals.mismatch).toBe(0);
        });
      });
    }

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
      test('what prepares by a name is refused by name in a session as well, and what defines code that sets is not', async () => {
        await opened(stage, async (storage, dataset) => {
          for (const sql of ['PREPARE left_over AS SELECT 1', 'EXECUTE left_over'])
            await expect(
              storage.session(dataset, (session) => session.execute(sql)),
            ).rejects.toMatchObject({ code: 'SESSION_STATE' });
          const sets = `set_config('app.tenant', 'left', false)`;
          await storage.execute(dataset, `CREATE TABLE t (a int, b text DEFAULT ${sets})`);
          await storage.execute(dataset, `CREATE VIEW v AS SELECT ${sets} AS a`);
          expect(await storage.execute(dataset, 'INSERT INTO t (a) VALUES (1)')).toBe(1);
          const { rows } = await storage.query(
            dataset,
            `SELECT a, nullif(current_setting('app.tenant', true), '') AS left FROM t`,
          );
          expect(rows).toEqual([{ a: 1, left: null }]);
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
