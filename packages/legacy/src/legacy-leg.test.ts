import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { digestResult } from '@changeover/compare';
import { createLegacyLeg, StorageBackend } from './index.ts';

let basePath: string;
const storage = StorageBackend.getInstance('sqlite');
const leg = createLegacyLeg('sqlite', {
  digest: (_operation, result) => digestResult(result, 'rows'),
});
const closedWhile = <T>(dataset: string, work: () => Promise<T>): Promise<T> => {
  if (leg.closedWhile === undefined) throw new Error('the legacy leg closes nothing');
  return leg.closedWhile(dataset, work);
};

beforeAll(async () => {
  basePath = await mkdtemp(join(tmpdir(), 'changeover-legacy-leg-'));
  StorageBackend.configure({ basePath });
  for (const name of ['one', 'two']) {
    await storage.createDataset(name);
    await storage.writeTable(name, 't', [{ name }]);
  }
});

afterAll(async () => {
  await storage.closeConnections();
  await rm(basePath, { recursive: true, force: true });
});

test('calls to a dataset that is kept closed wait, and calls to others go on', async () => {
  const log: string[] = [];
  await storage.readTable('one', 't');
  let waiting: Promise<void> | undefined;
  await closedWhile('one', async () => {
    waiting = storage.readTable('one', 't').then(() => {
      log.push('one was read');
    });
    expect(await storage.readTable('two', 't')).toEqual([{ name: 'two' }]);
    log.push('two was read');
  });
  await waiting;
  expect(log).toEqual(['two was read', 'one was read']);
});

test('a dataset can be kept closed from inside a transaction on another', async () => {
  await storage.transaction('one', async () => {
    expect(await closedWhile('two', async () => 'done')).toBe('done');
  });
  expect(await storage.readTable('two', 't')).toEqual([{ name: 'two' }]);
});

test('what fails meanwhile opens the dataset again', async () => {
  await expect(closedWhile('one', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(await storage.readTable('one', 't')).toEqual([{ name: 'one' }]);
});
