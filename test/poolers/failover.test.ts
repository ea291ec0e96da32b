import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import pg from 'pg';
import { StorageBackendFactory } from 'changeover';
import { connectPostgres, detectPooler } from '@changeover/engines';
import { type RunningPostgres, startPostgres } from '../../scripts/embedded-postgres.ts';
import { haproxyProgram, type RunningHaproxy, startHaproxy } from '../kit/haproxy.ts';
import { notRun } from '../kit/not-run.ts';
import { primarySettings, type RunningReplica, startReplica } from '../kit/postgres-replica.ts';

const titles = [
  'through HAProxy the server is told to be reached by another port',
  'a standby is refused where writes must be possible, and may be read where they need not',
  'every write that was acknowledged during a failover is there once',
] as const;

function throughHaproxy(): void {
  let basePath: string;
  let primary: RunningPostgres;
  let replica: RunningReplica;
  let proxy: RunningHaproxy;
  beforeAll(async () => {
    basePath = mkdtempSync(join(tmpdir(), 'changeover-failover-'));
    primary = await startPostgres({ ...primarySettings, synchronous_commit: 'on' });
    replica = await startReplica(primary);
    proxy = await startHaproxy([primary.url, replica.url]);
  });
  afterAll(async () => {
    await proxy.stop();
    await replica.stop();
    await primary.stop();
    rmSync(basePath, { recursive: true, force: true });
  });

  test(titles[0], async () => {
    expect(await detectPooler(proxy.url)).toMatchObject({
      pooling: 'none',
      startupOptions: 'kept',
      isForwarded: true,
      isStandby: false,
    });
  });

  test(titles[1], async () => {
    expect(await detectPooler(replica.url)).toMatchObject({ isStandby: true });
    await expect(connectPostgres({ url: replica.url, needsPrimary: true })).rejects.toMatchObject({
      name: 'ConnectionError',
      retryable: true,
      message: expect.stringContaining('standby'),
    });
    const session = await connectPostgres({ url: replica.url });
    await session.close();
  });

  test(
    titles[2],
    async () => {
      const factory = new StorageBackendFactory({
        basePath,
        databaseUrl: proxy.url,
        pools: { postgresql: { max: 8, acquireTimeoutMs: 10_000 } },
      });
      const storage = factory.storage('postgresql');
      const dataset = 'failover';
      await storage.createDataset(dataset);
      await storage.execute(dataset, 'CREATE TABLE t (caller int, n int)');
      // What is acknowledged must be on the replica: without that a failover loses by design.
      const admin = new pg.Client(primary.url);
      await admin.connect();
      admin.on('error', () => undefined);
      await admin.query(`ALTER SYSTEM SET synchronous_standby_names = '*'`);
      await admin.query('SELECT pg_reload_conf()');
      await admin.end();

      const acknowledged: string[] = [];
      const doubtful = new Set<string>();
      let promoted = false;
      let afterwards = 0;
      const caller = async (id: number): Promise<void> => {
        for (let n = 0; afterwards < 200; n += 1) {
          try {
            await storage.execute(dataset, 'INSERT INTO t VALUES ($1, $2)', [id, n]);
            acknowledged.push(`${String(id)}/${String(n)}`);
            if (promoted) afterwards += 1;
          } catch {
            doubtful.add(`${String(id)}/${String(n)}`);
            await new Promise((resolve) => setTimeout(resolve, 20));
          }
        }
      };
      const callers = Array.from({ length: 8 }, (_, id) => caller(id));
      while (acknowledged.length < 200) await new Promise((resolve) => setTimeout(resolve, 10));
      await primary.stop();
      await replica.promote();
      promoted = true;
      await Promise.all(callers);

      const after = new pg.Client(replica.url);
      await after.connect();
      const { rows } = await after.query<{ key: string }>(
        `SELECT caller || '/' || n AS key FROM mdm_failover.t`,
      );
      await after.end();
      const found = rows.map(({ key }) => key);
      const times = new Map<string, number>();
      for (const key of found) times.set(key, (times.get(key) ?? 0) + 1);
      expect(acknowledged.filter((key) => times.get(key) !== 1)).toEqual([]);
      // Whatever else is there, somebody was told that nobody knows, and it is there once.
      const told = new Set(acknowledged);
      expect(found.filter((key) => !told.has(key) && !doubtful.has(key))).toEqual([]);
      expect([...times.values()].filter((count) => count !== 1)).toEqual([]);
      await factory.close({ deadlineMs: 2_000 });
    },
    90_000,
  );
}

if (haproxyProgram() === undefined) notRun('haproxy', titles);
else throughHaproxy();
