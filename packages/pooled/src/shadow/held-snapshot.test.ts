import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import {
  type HeldSnapshot,
  type ShadowLeg,
  silentLogger,
  SnapshotLostError,
} from '@changeover/core';
import { StorageBackendFactory } from '../storage-backend-factory.ts';

let basePath: string;
let factory: StorageBackendFactory;
let shadow: ShadowLeg;
let dataset: string;

beforeEach(async () => {
  basePath = mkdtempSync(join(tmpdir(), 'changeover-held-'));
  dataset = `held_${process.pid.toString(36)}`;
  factory = new StorageBackendFactory({
    basePath,
    databaseUrl: process.env['CHANGEOVER_TEST_DATABASE_URL'],
    logger: silentLogger,
  });
  const leg = factory.leg('postgresql');
  if (leg.shadow === undefined) throw new Error('the pooled leg has shadow calls');
  shadow = leg.shadow;
  await leg.api.createDataset(dataset);
  await leg.api.writeTable(dataset, 't', [{ id: 1 }]);
});
afterEach(async () => {
  await factory.close();
  rmSync(basePath, { recursive: true, force: true });
});

const { signal } = new AbortController();

async function hold(): Promise<HeldSnapshot> {
  const held = await shadow.holdSnapshot?.(dataset, signal);
  if (held === undefined) throw new Error('PostgreSQL has snapshots');
  return held;
}

const read = (held: HeldSnapshot): Promise<unknown> =>
  held.read({ operation: 'query', args: [dataset, 'SELECT id FROM t'], signal });

test('whoever drops a dataset does not wait for a snapshot that a comparison holds of it', async () => {
  const held = await hold();
  expect(await read(held)).toMatchObject({ rows: [{ id: 1 }] });
  // What is running in it is no answer of the leg's either.
  const running = held.read({
    operation: 'query',
    args: [dataset, 'SELECT pg_sleep(3600)'],
    signal,
  });
  const lost = expect(running).rejects.toBeInstanceOf(SnapshotLostError);
  await factory.leg('postgresql').api.dropDataset(dataset);
  await lost;
  await expect(read(held)).rejects.toBeInstanceOf(SnapshotLostError);
  await held.release();
  expect(await factory.leg('postgresql').api.datasetExists(dataset)).toBe(false);
});

test('nor for one that is taken while it is dropped through the other leg, or that waits for that', async () => {
  const { api, closedWhile } = factory.leg('postgresql');
  const held = await hold();
  await closedWhile?.(dataset, async () => {
    await expect(read(held)).rejects.toBeInstanceOf(SnapshotLostError);
  });
  // Taken at the same time, before or after: none keeps it, and none is left behind.
  for (let round = 0; round < 5; round += 1) {
    const taken = Array.from({ length: 4 }, async () => {
      await (await hold().catch(() => undefined))?.release();
    });
    await closedWhile?.(dataset, () => Promise.resolve());
    await Promise.all(taken);
  }
  const later = await hold();
  expect(await read(later)).toMatchObject({ rows: [{ id: 1 }] });
  await later.release();
  await api.dropDataset(dataset);
});
