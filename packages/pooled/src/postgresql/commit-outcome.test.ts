import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { DatasetBackend } from '@changeover/engines/api';
import { TcpProxy } from '../../../../test/kit/tcp-proxy.ts';
import { StorageBackendFactory } from '../storage-backend-factory.ts';

let basePath: string;
let proxy: TcpProxy;
let factory: StorageBackendFactory;
let backend: DatasetBackend;

beforeEach(async () => {
  const url = process.env['CHANGEOVER_TEST_DATABASE_URL'] ?? '';
  basePath = mkdtempSync(join(tmpdir(), 'changeover-commit-'));
  proxy = await TcpProxy.start(url);
  factory = new StorageBackendFactory({ basePath, databaseUrl: proxy.urlFor(url) });
  backend = factory.createBackend(
    `commit_${process.pid}_${Math.floor(performance.now() * 1_000)}`,
    'postgresql',
  );
  await backend.createDataset();
  await backend.writeTable('t', [{ id: 1 }]);
});

afterEach(async () => {
  proxy.intercept = undefined;
  await backend.dropDataset();
  await factory.close();
  await proxy.stop();
  rmSync(basePath, { recursive: true, force: true });
});

/** Loses the connection at the next COMMIT: before the server hears of it, or before its answer arrives. */
function loseAtCommit(when: 'before' | 'after', answers = 1): void {
  let sent = false;
  let left = answers;
  proxy.intercept = (bytes, fromServer) => {
    if (left === 0) return 'pass';
    if (!fromServer && bytes.includes('COMMIT')) {
      sent = true;
      if (when === 'after') return 'pass';
    } else if (!fromServer || !sent) {
      return 'pass';
    }
    sent = false;
    left -= 1;
    setImmediate(() => {
      proxy.reset();
    });
    return 'lose';
  };
}

const count = async (): Promise<number> => (await backend.readTable('t')).length;

test('a statement that the server refused dooms its transaction, also where its answer comes in pieces', async () => {
  await backend.execute('CREATE UNIQUE INDEX one ON t (id)');
  proxy.pieceBytes = () => 1;
  const swallowed = backend.transaction(async (transaction) => {
    await transaction.execute('INSERT INTO t VALUES (2)');
    await transaction.execute('INSERT INTO t VALUES (1)').catch(() => undefined);
  });
  await expect(swallowed).rejects.toThrow('the engine gave the whole of it up');
  proxy.pieceBytes = undefined;
  expect(await count()).toBe(1);
});

test('a connection lost before COMMIT: nothing was applied, and the caller is told so', async () => {
  await expect(
    backend.transaction(async (transaction) => {
      await transaction.execute('INSERT INTO t VALUES (2)');
      proxy.reset();
      await transaction.execute('INSERT INTO t VALUES (3)');
    }),
  ).rejects.toMatchObject({ name: 'ConnectionError', retryable: true });
  expect(await count()).toBe(1);
});

describe('a connection lost at COMMIT', () => {
  test('after the server has committed: the transaction is a success, and its function was run once', async () => {
    let runs = 0;
    loseAtCommit('after');
    expect(
      await backend.transaction(async (transaction) => {
        runs += 1;
        await transaction.execute('INSERT INTO t VALUES (2)');
        return 'done';
      }),
    ).toBe('done');
    expect([runs, await count()]).toEqual([1, 2]);
  });

  test('before the server hears of it: the transaction failed and may be made again', async () => {
    let runs = 0;
    loseAtCommit('before');
    await expect(
      backend.transaction(async (transaction) => {
        runs += 1;
        await transaction.execute('INSERT INTO t VALUES (2)');
      }),
    ).rejects.toMatchObject({ name: 'ConnectionError', retryable: true });
    expect([runs, await count()]).toEqual([1, 1]);
  });

  test('a table write is applied once either way', async () => {
    loseAtCommit('after');
    await backend.writeTable('t', [{ id: 2 }], { ifExists: 'append' });
    expect(await count()).toBe(2);
    loseAtCommit('before');
    await expect(
      backend.writeTable('t', [{ id: 3 }], { ifExists: 'append' }),
    ).rejects.toMatchObject({ name: 'ConnectionError', retryable: true });
    expect(await count()).toBe(2);
  });

  test('where the server can not be asked in time, nobody knows, and it is said so', async () => {
    loseAtCommit('after');
    const reset = proxy.reset.bind(proxy);
    proxy.reset = () => {
      proxy.mode = 'refuse';
      reset();
    };
    await expect(
      backend.writeTable('t', [{ id: 2 }], { ifExists: 'append' }, { deadlineMs: 800 }),
    ).rejects.toMatchObject({ code: 'COMMIT_UNKNOWN', retryable: false });
    proxy.mode = 'pass';
    expect(await count()).toBe(2);
  });
});

test('a statement that commits by itself and whose answer is lost is not run again', async () => {
  let sent = false;
  proxy.intercept = (bytes, fromServer) => {
    if (!fromServer && bytes.includes('INSERT INTO t')) sent = true;
    if (!fromServer || !sent) return 'pass';
    sent = false;
    setImmediate(() => {
      proxy.reset();
    });
    return 'lose';
  };
  await expect(backend.execute('INSERT INTO t VALUES (2)')).rejects.toMatchObject({
    code: 'COMMIT_UNKNOWN',
  });
  proxy.intercept = undefined;
  // A reset of the network is no news to the server while it works: it may commit a moment after the caller was told.
  expect([1, 2]).toContain(await count());
});
