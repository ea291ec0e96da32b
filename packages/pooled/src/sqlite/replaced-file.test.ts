import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { DatasetNotFoundError } from '@changeover/engines/api';
import { StorageBackendFactory } from '../storage-backend-factory.ts';

let basePath: string;
let factory: StorageBackendFactory;

beforeEach(async () => {
  basePath = mkdtempSync(join(tmpdir(), 'changeover-replaced-'));
  // Every read goes to the pool's connections, which are what is tested.
  factory = new StorageBackendFactory({
    basePath,
    sqlite: { inlineThresholdMs: 0 },
    pools: { sqlite: { validateAfterIdleMs: 60_000 } },
  });
  await factory.storage('sqlite').createDataset('d');
  await factory.storage('sqlite').writeTable('d', 't', [{ id: 1, n: 1 }]);
  expect(await factory.storage('sqlite').readTable('d', 't')).toEqual([{ id: 1, n: 1 }]);
});
afterEach(async () => {
  await factory.close();
  rmSync(basePath, { recursive: true, force: true });
});

/** Drops the dataset in a second process, which then makes it again, or not. */
async function dropElsewhere(again: boolean): Promise<void> {
  const script = `
    const { StorageBackendFactory } = await import(${JSON.stringify(new URL('../index.ts', import.meta.url).href)});
    const factory = new StorageBackendFactory({ basePath: ${JSON.stringify(basePath)} });
    const storage = factory.storage('sqlite');
    await storage.dropDataset('d');
    if (${String(again)}) {
      await storage.createDataset('d');
      await storage.writeTable('d', 't', [{ id: 1, n: 99 }]);
    }
    await factory.close();`;
  await promisify(execFile)(process.execPath, [
    '--conditions=@changeover/source',
    '--input-type=module',
    '-e',
    script,
  ]);
}

test('a write goes to the dataset that another process dropped and made again, not to the removed file', async () => {
  const storage = factory.storage('sqlite');
  await dropElsewhere(true);
  expect(await storage.execute('d', 'UPDATE t SET n = n + 1')).toBe(1);
  const fresh = new StorageBackendFactory({ basePath });
  try {
    expect(await fresh.storage('sqlite').readTable('d', 't')).toEqual([{ id: 1, n: 100 }]);
  } finally {
    await fresh.close();
  }
});

test('a transaction begins in the dataset that is there', async () => {
  await dropElsewhere(true);
  const read = await factory
    .createBackend('d', 'sqlite')
    .transaction((transaction) => transaction.readTable('t'));
  expect(read).toEqual([{ id: 1, n: 99 }]);
});

test('reads notice within seconds, however busy the connection is', async () => {
  await dropElsewhere(true);
  let rows: unknown[] = [];
  for (;;) {
    rows = await factory.storage('sqlite').readTable('d', 't');
    if ((rows[0] as { n: number }).n !== 1) break;
  }
  expect(rows).toEqual([{ id: 1, n: 99 }]);
});

test('a dataset that another process dropped is not found, and nothing is written', async () => {
  await dropElsewhere(false);
  await expect(factory.storage('sqlite').execute('d', 'UPDATE t SET n = 5')).rejects.toThrow(
    DatasetNotFoundError,
  );
  expect(await factory.storage('sqlite').datasetExists('d')).toBe(false);
});
