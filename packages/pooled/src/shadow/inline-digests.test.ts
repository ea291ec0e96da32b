import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import { type Digest, type ShadowCall, type ShadowLeg, silentLogger } from '@changeover/core';
import { StorageBackendFactory } from '../storage-backend-factory.ts';

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function openShadow(
  inlineThresholdMs?: number,
): Promise<{ readonly factory: StorageBackendFactory; readonly shadow: ShadowLeg }> {
  const basePath = mkdtempSync(join(tmpdir(), 'changeover-inline-'));
  const factory = new StorageBackendFactory({
    basePath,
    logger: silentLogger,
    sqlite: { inlineThresholdMs },
  });
  cleanups.push(
    () => {
      rmSync(basePath, { recursive: true, force: true });
    },
    () => factory.close(),
  );
  const { api, shadow } = factory.leg('sqlite');
  if (shadow === undefined) throw new Error('the pooled leg has shadow calls');
  await api.createDataset('d');
  await api.writeTable('d', 't', [
    { id: 1, name: 'one' },
    { id: 2, name: null },
  ]);
  return { factory, shadow };
}

const { signal } = new AbortController();
const read: ShadowCall = {
  operation: 'readTable',
  args: ['d', 't', { where: { id: 2 } }],
  signal,
};
const nothing: ShadowCall = { operation: 'query', args: ['d', 'SELECT * FROM missing'], signal };

/** Enough for some that the machine had time for. */
const most = 500;

test('the digest of a read that was measured to be short is made on the main thread, and is the same', async () => {
  const { factory, shadow } = await openShadow();
  const digests: Digest[] = [];
  for (let time = 0; time < most && factory.stats().inlineReaders === 0; time += 1)
    digests.push(await shadow.digest(read));
  expect(factory.stats().inlineReaders).toBe(1);
  for (const digest of digests) expect(digest).toEqual(digests[0]);
  expect(digests[0]).toMatchObject({ kind: 'rows', count: 1 });
  await expect(shadow.digest(nothing)).rejects.toMatchObject({ engine: 'sqlite' });
});

test('none is where no read may be', async () => {
  const { factory, shadow } = await openShadow(0);
  for (let time = 0; time < 20; time += 1) await shadow.digest(read);
  expect(factory.stats().inlineReaders).toBe(0);
});
