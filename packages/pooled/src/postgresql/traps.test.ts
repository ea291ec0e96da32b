import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import pg from 'pg';
import { StorageError } from '@changeover/engines/api';
import { StorageBackendFactory } from '../storage-backend-factory.ts';
import type { StorageBackendFactoryOptions } from '../factory-options.ts';
import { MeasuredPools } from '../metrics/measured-pools.ts';
import { silentMetrics } from '../metrics/pool-metrics.ts';
import { poolInstruments } from '../metrics/pool-instruments.ts';
import { PrometheusSink } from '@changeover/operate';
import { silentPoolObserver } from '../pool/pool-observer.ts';
import { AcquireTimeoutError, CircuitOpenError } from '../pool/pool-errors.ts';

const databaseUrl = process.env['CHANGEOVER_TEST_DATABASE_URL'] ?? '';
const dataset = `traps_${process.pid.toString(36)}`;
let basePath: string;
let factory: StorageBackendFactory | undefined;

beforeEach(() => {
  basePath = mkdtempSync(join(tmpdir(), 'changeover-traps-'));
});
afterEach(async () => {
  await factory?.close({ deadlineMs: 2_000 });
  factory = undefined;
  rmSync(basePath, { recursive: true, force: true });
});

function open(options: Partial<StorageBackendFactoryOptions> = {}): StorageBackendFactory {
  factory = new StorageBackendFactory({ basePath, databaseUrl, ...options });
  return factory;
}

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  return await work.then(
    () => {
      throw new Error('it was to fail');
    },
    (error: unknown) => error,
  );
}

/** Statements of this test that the server runs now, by what they hold. */
async function activeAtServer(client: pg.Client, mark: string): Promise<number> {
  const { rows } = await client.query<{ count: string }>(
    `SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() AND query LIKE $1`,
    [`%${mark}%`],
  );
  return Number(rows[0]?.count);
}

describe('a PostgreSQL connection of a pool', () => {
  let storage: ReturnType<StorageBackendFactory['storage']>;
  const prepare = async (options: Partial<StorageBackendFactoryOptions> = {}): Promise<void> => {
    storage = open(options).storage('postgresql');
    if (!(await storage.datasetExists(dataset))) await storage.createDataset(dataset);
  };
  afterEach(async () => {
    await storage.dropDataset(dataset);
  });

  test('has TCP keep-alive set, so that a peer that vanished is noticed', async () => {
    const keepAlive = jest.spyOn(Socket.prototype, 'setKeepAlive');
    try {
      await prepare();
      expect(keepAlive).toHaveBeenCalledWith(true, 10_000);
    } finally {
      keepAlive.mockRestore();
    }
  });

  test('has its time limits in force at the server', async () => {
    await prepare({ postgresql: { statementTimeoutMs: 300 } });
    const { rows } = await storage.query(
      dataset,
      `SELECT current_setting('statement_timeout') AS statement,
      current_setting('idle_in_transaction_session_timeout') AS idle, current_setting('TimeZone') AS zone`,
    );
    expect(rows).toEqual([{ statement: '300ms', idle: '1min', zone: 'UTC' }]);
    expect(await failureOf(storage.query(dataset, 'SELECT pg_sleep(60)'))).toMatchObject({
      cause: { code: '57014' },
    });
  });

  test('stays, whatever statements fail on it', async () => {
    let opened = 0;
    const observer = {
      ...silentPoolObserver,
      opened: () => {
        opened += 1;
      },
    };
    await prepare({
      metrics: { ...silentMetrics, observer: () => observer },
      pools: { postgresql: { max: 1 } },
    });
    await storage.query(dataset, 'SELECT 1 AS one');
    const before = opened;
    for (const sql of ['SELECT 1 / 0', 'SELECT nothing', 'SELEC', 'SELECT 1; SELECT 2']) {
      expect(await failureOf(storage.query(dataset, sql))).toBeInstanceOf(StorageError);
    }
    expect((await storage.query(dataset, 'SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    expect(opened).toBe(before);
  });

  test("runs nothing any more at the server once its caller's deadline has passed", async () => {
    await prepare();
    const mark = `deadline_${dataset}`;
    const watcher = new pg.Client({ connectionString: databaseUrl });
    await watcher.connect();
    try {
      const backend = factory?.createBackend(dataset, 'postgresql');
      const given = failureOf(
        backend?.query(`SELECT pg_sleep(60) AS ${mark}`, [], { deadlineMs: 500 }) ??
          Promise.resolve(),
      );
      while ((await activeAtServer(watcher, mark)) === 0)
        await new Promise((resolve) => {
          setTimeout(resolve, 10);
        });
      expect(await given).toMatchObject({ code: 'ABORTED', operation: 'query', dataset });
      while ((await activeAtServer(watcher, mark)) > 0)
        await new Promise((resolve) => {
          setTimeout(resolve, 10);
        });
      const { rows } = await storage.query(dataset, 'SELECT 1 AS one');
      expect(rows).toEqual([{ one: 1 }]);
    } finally {
      await watcher.end();
    }
  });
});

describe('where the server takes connections and says nothing', () => {
  const sockets = new Set<Socket>();
  const silent = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined));
  });
  const silentUrl = async (): Promise<string> => {
    if (!silent.listening)
      await new Promise<void>((resolve) => {
        silent.listen(0, '127.0.0.1', resolve);
      });
    return `postgres://nobody@127.0.0.1:${String((silent.address() as AddressInfo).port)}/none`;
  };
  afterEach(() => {
    for (const socket of sockets) socket.destroy();
    silent.close();
  });

  test('work on datasets ends at its deadline, and says what it was', async () => {
    const own = open({ databaseUrl: await silentUrl(), callTimeoutMs: 200 });
    const storage = own.storage('postgresql');
    const deadline = { deadlineMs: 200 };
    const failures = await Promise.all([
      failureOf(own.createBackend('a', 'postgresql').createDataset(deadline)),
      failureOf(storage.dropDataset('b')),
      failureOf(storage.listDatasets()),
      failureOf(own.createBackend('c', 'postgresql').datasetExists(deadline)),
    ]);
    const operations = ['createDataset', 'dropDataset', 'listDatasets', 'datasetExists'];
    for (const [index, failure] of failures.entries()) {
      expect(failure).toMatchObject({ engine: 'postgresql', operation: operations[index] });
      expect(['ABORTED', 'ACQUIRE_TIMEOUT']).toContain((failure as { code?: unknown }).code);
    }
  });

  test('time-outs, the open breaker and all nine pool metrics tell of it, by value', async () => {
    const sink = new PrometheusSink();
    const pools = {
      postgresql: {
        acquireTimeoutMs: 100,
        connectTimeoutMs: 50,
        max: 1,
        backoffInitialMs: 1,
        backoffMaxMs: 1,
      },
    };
    const breaker = {
      threshold: 0.5,
      calls: 4,
      minimumCalls: 2,
      openMs: 60_000,
      maxOpenMs: 60_000,
    };
    const storage = open({
      databaseUrl: await silentUrl(),
      metrics: new MeasuredPools(sink),
      pools,
      breaker,
    }).storage('postgresql');
    const lacks = [
      await failureOf(storage.readTable('a', 't')),
      await failureOf(storage.readTable('a', 't')),
    ];
    for (const lack of lacks) expect(lack).toBeInstanceOf(AcquireTimeoutError);
    const refusal = await failureOf(storage.readTable('a', 't'));
    expect(refusal).toBeInstanceOf(CircuitOpenError);
    expect(refusal).toMatchObject({
      code: 'CIRCUIT_OPEN',
      engine: 'postgresql',
      dataset: 'a',
      operation: 'readTable',
      retryable: true,
      cause: lacks[1],
      pool: { name: 'postgresql/a', max: 1, inUse: 0, pending: 0 },
    });
    const text = await sink.text();
    expect(text).toMatch(/^db_client_connection_timeouts_total\{[^}]*postgresql[^}]*\} 2$/m);
    expect(text).toMatch(
      /^changeover_pool_breakers\{[^}]*postgresql\/callers[^}]*state="open"\} 1$/m,
    );
    expect(text).toMatch(
      /^changeover_pool_breakers\{[^}]*postgresql\/callers[^}]*state="closed"\} 0$/m,
    );
    const conventions = [
      'count',
      'idle.max',
      'idle.min',
      'max',
      'pending_requests',
      'timeouts',
      'create_time',
      'wait_time',
      'use_time',
    ].map((name) => `db.client.connection.${name}`);
    const ours = Object.values(poolInstruments)
      .map(({ name }) => name)
      .filter((name) => name.startsWith('db.client.connection.'));
    expect(ours.toSorted()).toEqual(conventions.toSorted());
    for (const name of conventions) expect(text).toContain(`# TYPE ${name.replaceAll('.', '_')}`);
  });
});
