import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type EndableCall, MovedBackError } from '@changeover/core';
import { TcpProxy } from '../../../../test/kit/tcp-proxy.ts';
import { StorageBackendFactory } from '../storage-backend-factory.ts';

const databaseUrl = process.env['CHANGEOVER_TEST_DATABASE_URL'] ?? '';
const dataset = `end_commit_${process.pid}`;
let basePath: string;
let proxy: TcpProxy;
let factory: StorageBackendFactory;

beforeEach(async () => {
  basePath = mkdtempSync(join(tmpdir(), 'changeover-end-'));
  proxy = await TcpProxy.start(databaseUrl);
  factory = new StorageBackendFactory({
    basePath,
    databaseUrl: proxy.urlFor(databaseUrl),
    pools: { postgresql: { connectTimeoutMs: 1_500, acquireTimeoutMs: 1_500 } },
  });
  const storage = factory.storage('postgresql');
  await storage.createDataset(dataset);
  await storage.writeTable(dataset, 't', [{ id: 1 }]);
});

afterEach(async () => {
  proxy.intercept = undefined;
  proxy.mode = 'pass';
  const direct = new StorageBackendFactory({ basePath, databaseUrl });
  await direct.storage('postgresql').dropDataset(dataset);
  await direct.close();
  await factory.close();
  await proxy.stop();
  rmSync(basePath, { recursive: true, force: true });
});

/** A transaction whose COMMIT the server has, and whose answer never comes. */
async function unanswered(): Promise<EndableCall> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  let sent = false;
  proxy.intercept = (bytes, fromServer) => {
    if (!fromServer && bytes.includes('COMMIT')) sent = true;
    if (!fromServer || !sent) return 'pass';
    resolve(undefined);
    return 'lose';
  };
  const { api, endable } = factory.leg('postgresql');
  const call = endable?.(() =>
    api.transaction(dataset, async (transaction) => {
      await transaction.execute('INSERT INTO t VALUES (2)');
      return 'done';
    }),
  );
  await promise;
  if (call === undefined) throw new Error('the leg can not end its calls');
  return call;
}

const reason = new MovedBackError('postgresql', dataset, 1_000);

test('a commit that is ended and was applied is a success: the server is asked', async () => {
  const call = await unanswered();
  proxy.intercept = undefined;
  expect(call.end(reason)).toBe(true);
  expect(await call.answer).toBe('done');
});

test('a commit that is ended, and of which nobody can be asked, is unknown', async () => {
  const call = await unanswered();
  proxy.mode = 'refuse';
  expect(call.end(reason)).toBe(true);
  await expect(call.answer).rejects.toMatchObject({ code: 'COMMIT_UNKNOWN', retryable: false });
});

test('a single write is left running once the server has it', async () => {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  proxy.intercept = (bytes, fromServer) => {
    if (!fromServer && bytes.includes('INSERT INTO t')) resolve(undefined);
    return 'pass';
  };
  const { api, endable } = factory.leg('postgresql');
  const call = endable?.(() => api.execute(dataset, 'INSERT INTO t SELECT 2 FROM pg_sleep(0.2)'));
  await promise;
  expect(call?.end(reason)).toBe(false);
  expect(await call?.answer).toBe(1);
});
