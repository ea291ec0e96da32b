import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { datasetFile } from '@changeover/engines/api';
import { silentMetrics } from './metrics/pool-metrics.ts';
import { silentPoolObserver } from './pool/pool-observer.ts';
import { StorageBackendFactory } from './storage-backend-factory.ts';

const count = 400;
const budget = 80;
const basePath = mkdtempSync(join(tmpdir(), 'changeover-many-'));
const location = { basePath, databaseUrl: undefined };
const names = Array.from({ length: count }, (_, index) => `many_${index}`);

/** Datasets as copies of one, which takes a tenth of the time of making each. */
async function makeDatasets(): Promise<void> {
  const factory = new StorageBackendFactory({ basePath });
  const [first = ''] = names;
  await factory.storage('sqlite').createDataset(first);
  await factory.storage('sqlite').writeTable(first, 'data', [
    { id: 1, name: 'one' },
    { id: 2, name: 'two' },
  ]);
  await factory.close({ deadlineMs: 5_000 });
  for (const name of names.slice(1)) {
    const file = datasetFile(location, 'sqlite', name);
    mkdirSync(dirname(file), { recursive: true });
    copyFileSync(datasetFile(location, 'sqlite', first), file);
  }
}

/** A factory whose waits are long enough for a loaded machine. */
function openFactory(idleTimeoutMs: number): StorageBackendFactory {
  return new StorageBackendFactory({
    basePath,
    budgets: { sqlite: budget },
    pools: { sqlite: { acquireTimeoutMs: 60_000, idleTimeoutMs } },
  });
}

function connections(factory: StorageBackendFactory): number {
  return (
    factory.stats().engines.find(({ engine }) => engine === 'sqlite')?.callers.connections ?? NaN
  );
}

function pools(factory: StorageBackendFactory): number {
  return (
    factory.stats().engines.find(({ engine }) => engine === 'sqlite')?.callers.pools.length ?? NaN
  );
}

async function forgotten(factory: StorageBackendFactory): Promise<void> {
  while (pools(factory) > 0)
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
}

describe(`${String(count)} SQLite datasets on a budget of ${String(budget)} connections`, () => {
  beforeAll(makeDatasets, 60_000);
  afterAll(() => {
    rmSync(basePath, { recursive: true, force: true });
  });

  test('are all served when all are busy at once, and leave nothing', async () => {
    const factory = openFactory(200);
    const storage = factory.storage('sqlite');
    let most = 0;
    const call = async <Value>(work: Promise<Value>): Promise<Value> => {
      const value = await work;
      most = Math.max(most, connections(factory));
      return value;
    };
    try {
      await Promise.all(
        names.map(async (dataset, index) => {
          expect(await call(storage.readTable(dataset, 'data'))).toEqual([
            { id: 1, name: 'one' },
            { id: 2, name: 'two' },
          ]);
          const sql = 'UPDATE data SET name = ? WHERE id = 2';
          if (index % 10 === 0)
            expect(await call(storage.execute(dataset, sql, [dataset]))).toBe(1);
          const [row] = await call(storage.readTable(dataset, 'data', { where: { id: 2 } }));
          expect(row).toEqual({ id: 2, name: index % 10 === 0 ? dataset : 'two' });
        }),
      );
      expect(most).toBeGreaterThan(budget / 2);
      expect(most).toBeLessThanOrEqual(budget);
      await forgotten(factory);
      expect(connections(factory)).toBe(0);
      expect(factory.stats().inlineReaders).toBe(0);
    } finally {
      await factory.close({ deadlineMs: 5_000 });
    }
  });

  test('leave no more open than the budget when touched in turn', async () => {
    const factory = openFactory(60_000);
    const storage = factory.storage('sqlite');
    try {
      for (const dataset of names) {
        expect(await storage.readTable(dataset, 'data', { where: { id: 1 } })).toEqual([
          { id: 1, name: 'one' },
        ]);
        expect(connections(factory)).toBeLessThanOrEqual(budget);
      }
      expect(connections(factory)).toBe(budget);
    } finally {
      await factory.close({ deadlineMs: 5_000 });
    }
  });
});

describe('as many DuckDB datasets as the budget has connections', () => {
  const folder = mkdtempSync(join(tmpdir(), 'changeover-many-duckdb-'));
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  test('keep one each, whether they read or write', async () => {
    let opened = 0;
    const observer = {
      ...silentPoolObserver,
      opened: () => {
        opened += 1;
      },
    };
    const factory = new StorageBackendFactory({
      basePath: folder,
      budgets: { duckdb: 8 },
      metrics: { ...silentMetrics, observer: () => observer },
    });
    const storage = factory.storage('duckdb');
    const datasets = names.slice(0, 8);
    try {
      await Promise.all(
        datasets.map(async (dataset) => {
          await storage.createDataset(dataset);
          for (let turn = 0; turn < 4; turn += 1) {
            await storage.writeTable(dataset, 'data', [{ id: turn }], { ifExists: 'append' });
            expect(await storage.readTable(dataset, 'data')).toHaveLength(turn + 1);
          }
        }),
      );
      expect(opened).toBe(8);
    } finally {
      await factory.close({ deadlineMs: 5_000 });
    }
  });
});
