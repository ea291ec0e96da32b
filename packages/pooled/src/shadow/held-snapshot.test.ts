import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
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
  factory = openFactory();
  const leg = factory.leg('postgresql');
  if (leg.shadow === undefined) throw new Error('the pooled leg has shadow calls');
  shadow = leg.shadow;
  await leg.api.createDataset(dataset);
  await leg.api.writeTable(dataset, 't', [{ id: 1 }]);
});
afterEach(async () => {
  await factory.close();
  const owner = openFactory();
  const { api } = owner.leg('postgresql');
  if (await api.datasetExists(dataset)) await api.dropDataset(dataset);
  await owner.close();
  rmSync(basePath, { recursive: true, force: true });
});

function openFactory(): StorageBackendFactory {
  return new StorageBackendFactory({
    basePath,
    databaseUrl: process.env['CHANGEOVER_TEST_DATABASE_URL'],
    logger: silentLogger,
  });
}

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

describe('the state of an answer', () => {
  const sql = 'SELECT count(*)::int AS n FROM t';

  /** Reads for a caller in a state that is held, if it is. */
  async function answer(text = sql): Promise<HeldSnapshot | undefined> {
    const { api, answerInSnapshot } = factory.leg('postgresql');
    const made = answerInSnapshot?.(() => api.query(dataset, text));
    await made?.answer;
    return await made?.snapshot;
  }
  const said = async (held: HeldSnapshot | undefined): Promise<unknown> =>
    await held?.read({ operation: 'query', args: [dataset, sql], signal });

  test('is what both legs can read later, whoever has written', async () => {
    const { api } = factory.leg('postgresql');
    await api.query(dataset, sql);
    const held = await answer();
    await api.writeTable(dataset, 't', [{ id: 2 }], { ifExists: 'append' });
    expect(held?.name).toMatch(/^[\w-]+$/);
    expect(await said(held)).toMatchObject({ rows: [{ n: 1 }] });
    expect(await api.query(dataset, sql)).toMatchObject({ rows: [{ n: 2 }] });
    await held?.release();
    await held?.release();
  });

  test('is held twice at once at most, and not where a statement leaves something on its connection', async () => {
    await factory.leg('postgresql').api.query(dataset, sql);
    await warm(6);
    const held = [await answer(), await answer(), await answer()];
    expect(held.map((each) => each === undefined)).toEqual([false, false, true]);
    for (const each of held) await each?.release();
    expect(await answer("SELECT set_config('a.b', 'c', false)")).toBeUndefined();
  });

  test('is not held of a read that fails, whose error is the same', async () => {
    await warm(2);
    const { api, answerInSnapshot } = factory.leg('postgresql');
    const made = answerInSnapshot?.(() => api.query(dataset, 'SELECT 1 / 0'));
    const alone = await api.query(dataset, 'SELECT 1 / 0').catch((error: unknown) => error);
    await expect(made?.answer).rejects.toMatchObject({ code: (alone as { code: string }).code });
    expect(await made?.snapshot).toBeUndefined();
    expect(await api.query(dataset, sql)).toMatchObject({ rows: [{ n: 1 }] });
  });

  test('makes way for callers who wait for a connection, and for whoever closes', async () => {
    await warm(10);
    const { api } = factory.leg('postgresql');
    const held = await answer();
    expect(await said(held)).toMatchObject({ rows: [{ n: 1 }] });
    const many = Array.from({ length: 40 }, () => api.execute(dataset, 'SELECT pg_sleep(0.01)'));
    await Promise.all(many);
    await expect(said(held)).rejects.toBeInstanceOf(SnapshotLostError);
    // Until those connections are given back, fewer than half of them are free.
    await warm(10);
    const later = await answer();
    expect(await said(later)).toMatchObject({ rows: [{ n: 1 }] });
    await factory.close();
    await expect(said(later)).rejects.toThrow();
  });

  /** Opens so many connections, of which half have to be left for others. */
  async function warm(connections: number): Promise<void> {
    const { api } = factory.leg('postgresql');
    const { promise: allBegan, resolve } = Promise.withResolvers<undefined>();
    let began = 0;
    await Promise.all(
      Array.from({ length: connections }, () =>
        api.transaction(dataset, async () => {
          began += 1;
          if (began === connections) resolve(undefined);
          await allBegan;
        }),
      ),
    );
    const idle = (): number =>
      factory
        .stats()
        .engines.flatMap(({ callers }) => callers.pools)
        .reduce((sum, pool) => sum + pool.idle, 0);
    while (idle() < connections) await api.query(dataset, sql);
  }
});
