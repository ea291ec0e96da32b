import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { systemClock } from '@changeover/core';
import { StorageBackendFactory } from '../storage-backend-factory.ts';
import { InstanceThreads } from './instance-threads.ts';

test('a long query that had the machine to itself gets its instance all threads, once', () => {
  const threads = new InstanceThreads(4);
  expect(threads.forOpening(4)).toBe(1);
  threads.ran(10, 1);
  threads.ran(500, 5);
  expect(threads.takeRaise()).toBe(false);
  threads.ran(500, 4);
  expect([threads.takeRaise(), threads.takeRaise()]).toEqual([true, false]);
  threads.ran(500, 1);
  expect(threads.takeRaise()).toBe(false);
  expect(threads.forOpening(3)).toBeUndefined();
  threads.ran(500, 1);
  expect(threads.takeRaise()).toBe(false);
});

test('more instances than cores are opened with one thread each, and get all of them for long work', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'changeover-threads-'));
  // Every query takes as long as the clock says: a minute where the test wants a long one.
  let perLook = 0;
  let nowMs = 0;
  const clock = {
    ...systemClock,
    monotonicMs: () => {
      nowMs += perLook;
      return nowMs;
    },
  };
  const factory = new StorageBackendFactory({ basePath: folder, clock, callTimeoutMs: 0 });
  const storage = factory.storage('duckdb');
  const cores = availableParallelism();
  const threadsOf = async (dataset: string): Promise<unknown> =>
    (await storage.query(dataset, "SELECT current_setting('threads') AS threads")).rows[0]?.[
      'threads'
    ];
  try {
    const datasets = Array.from({ length: cores + 1 }, (_unused, index) => `threads_${index}`);
    const found: unknown[] = [];
    for (const dataset of datasets) {
      await storage.createDataset(dataset);
      found.push(await threadsOf(dataset));
    }
    // The engine counts cores in its own way.
    expect(found).toEqual([...new Array<unknown>(cores).fill(found[0]), 1]);
    const last = datasets.at(-1) ?? '';
    perLook = 100;
    await storage.query(last, 'SELECT 1 AS one');
    perLook = 0;
    expect(await threadsOf(last)).toBe(found[0]);
  } finally {
    await factory.close({ deadlineMs: 5_000 });
    rmSync(folder, { recursive: true, force: true });
  }
});
