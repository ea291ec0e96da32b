import { afterEach, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createStaticStageSource,
  createStorageBridge,
  engines,
  type StorageBridge,
} from 'changeover';
import {
  createTrees,
  readSomething,
  seededRandom,
  type Traffic,
  writeSomething,
} from './traffic.ts';

const quiet = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const cases = engines.flatMap((engine) =>
  (['shadow', 'reverse'] as const).flatMap((stage) => [[engine, stage] as const]),
);

/** Reads and writes of one of several callers, made in order. */
const callsEach = 60;

test.each(cases)(
  '%s at %s: reads and writes at once raise no alarm and fail no call',
  async (engine, stage) => {
    const basePath = mkdtempSync(join(tmpdir(), 'changeover-traffic-'));
    cleanups.push(() => {
      rmSync(basePath, { recursive: true, force: true });
    });
    const bridge: StorageBridge = createStorageBridge({
      basePath,
      databaseUrl: process.env['CHANGEOVER_TEST_DATABASE_URL'],
      storePath: ':memory:',
      logger: quiet,
      stages: createStaticStageSource(() => stage),
      guardrail: { mode: 'report' },
      // As many comparisons as there can be between the writes.
      shadowQueue: { busyShare: 1 },
    });
    cleanups.push(() => bridge.close());
    const storage = bridge.storage(engine);
    const prefix = `traffic_${process.pid.toString(36)}_${stage}`;
    const callers: Traffic[] = [1, 2, 3, 4, 5, 6].map((caller) => ({
      storage,
      engine,
      dataset: `${prefix}_${String(caller % 2)}`,
      random: seededRandom(caller),
    }));
    for (const [at, caller] of callers.slice(0, 2).entries()) {
      await createTrees({ ...caller, random: seededRandom(at) }, 300);
      cleanups.push(() => storage.dropDataset(caller.dataset));
    }
    await Promise.all(
      callers.map(async (caller, at) => {
        for (let call = 0; call < callsEach; call += 1) {
          if (at < 2 && call % 3 === 0) await writeSomething(caller);
          else await readSomething(caller);
          if (call % 20 === 0) await bridge.idle();
        }
      }),
    );
    await bridge.idle();
    const { totals, sampleGroups } = bridge.recorder.summary();
    expect(sampleGroups.filter(({ verdict }) => verdict === 'mismatch')).toEqual([]);
    expect(totals.mismatch).toBe(0);
    expect(totals.match).toBeGreaterThan(20);
    const counted = totals.match + totals.raced + totals.nondeterministic + totals.inconclusive;
    expect(totals.compared).toBe(counted);
    expect(totals.compared + totals.shed).toBe(totals.sampled);
  },
);
