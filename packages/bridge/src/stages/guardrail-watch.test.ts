import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { LatencyHistogram } from '@changeover/compare';
import { allKeys, keyTarget, type Stage } from '@changeover/core';
import { ManualClock } from '../../../../test/kit/manual-clock.ts';
import { createStaticStageSource } from './flags/static-stage-source.ts';
import { type Breach, Guardrail } from './guardrail.ts';
import { type GuardrailOptions, parseGuardrailOptions } from './guardrail-options.ts';
import { GuardrailWatch, type GuardrailWatchOptions } from './guardrail-watch.ts';
import { silentLogger } from '../log.ts';
import type { Cell } from '../recorder/cell.ts';
import { openRecorder } from '../recorder/open-recorder.ts';
import type { Recorder } from '../recorder/recorder.ts';

const windowMs = 60_000;
const tickMs = windowMs / 12;

let clock: ManualClock;
let recorder: Recorder;
let closing: (() => void)[];

beforeEach(() => {
  clock = new ManualClock();
  recorder = openRecorder({ path: ':memory:', run: 'test', logger: silentLogger, clock });
  closing = [
    () => {
      recorder.close();
    },
  ];
});

afterEach(() => {
  for (const close of closing) close();
});

interface Watched {
  readonly guardrail: Guardrail;
  readonly watch: GuardrailWatch;
  readonly breaches: Breach[];
  /** Counts calls as a router does, and a tick passes. */
  count(stage: Stage, calls: Counted): Promise<void>;
  stage(dataset?: string): Stage;
}

interface Counted {
  readonly calls?: number;
  readonly failed?: number;
  readonly fallbacks?: number;
  readonly pooledMs?: number;
  readonly legacyMs?: number;
  readonly operation?: string;
}

function watched(
  options: GuardrailOptions = {},
  more: Partial<GuardrailWatchOptions> = {},
): Watched {
  const guardrail = new Guardrail(
    createStaticStageSource(() => 'pooled'),
    clock,
    silentLogger,
    options,
  );
  const watch = new GuardrailWatch({
    guardrail,
    clock,
    logger: silentLogger,
    memoryShare: () => 0.1,
    ...more,
  });
  const watchedRecorder = watch.over(recorder);
  closing.unshift(() => {
    watch.close();
  });
  const breaches: Breach[] = [];
  guardrail.onBreach((breach) => {
    breaches.push(breach);
  });
  return {
    guardrail,
    watch,
    breaches,
    async count(
      stage,
      { calls = 0, failed = 0, fallbacks = 0, pooledMs, legacyMs, operation = 'readTable' },
    ) {
      const cell: Cell = watchedRecorder.cell('sqlite', 'titanic', operation, stage);
      cell.calls += calls;
      cell.failed += failed;
      cell.fallbacks += fallbacks;
      for (let call = 0; call < calls; call += 1) {
        if (pooledMs !== undefined) cell.pooledLatency.record(pooledMs);
        if (legacyMs !== undefined) cell.legacyLatency.record(legacyMs);
      }
      await clock.advance(tickMs);
    },
    stage: (dataset = 'titanic') =>
      guardrail.decide({ backend: 'sqlite', dataset, operation: 'query' }).stage,
  };
}

describe('failed calls', () => {
  test("beyond the legacy leg's share put the dataset back, and no other", async () => {
    const { count, stage, breaches } = watched();
    await count('legacy', { calls: 200, failed: 2 });
    await count('pooled', { calls: 100, failed: 7 });
    expect(stage()).toBe('legacy');
    expect(stage('iris')).toBe('pooled');
    expect(breaches).toEqual([
      {
        kind: 'errors',
        backend: 'sqlite',
        target: keyTarget('titanic'),
        acted: true,
        reason:
          '7.0 % of 100 calls failed on the pooled leg within 60 s, and 1.0 % on the legacy leg',
      },
    ]);
  });

  test.each([
    ['as often as on the legacy leg', { calls: 200, failed: 20 }, { calls: 100, failed: 14 }],
    ['too few to tell', { calls: 200 }, { calls: 99, failed: 99 }],
    ['at the limit', { calls: 200 }, { calls: 100, failed: 5 }],
  ])('%s leave it where it is', async (_name, legacy, pooled) => {
    const { count, stage } = watched();
    await count('shadow', legacy);
    await count('pooled', pooled);
    expect(stage()).toBe('pooled');
  });

  test('add up over the window, and are forgotten after it', async () => {
    const { count, stage } = watched();
    for (let tick = 0; tick < 3; tick += 1) await count('pooled', { calls: 30, failed: 3 });
    expect(stage()).toBe('pooled');
    await clock.advance(windowMs);
    await count('pooled', { calls: 99, failed: 9 });
    expect(stage()).toBe('pooled');
    await count('pooled', { calls: 1, failed: 1 });
    expect(stage()).toBe('legacy');
  });

  test('count reads that legacy had to answer', async () => {
    const { count, stage } = watched();
    await count('reverse', { calls: 100, fallbacks: 6 });
    expect(stage()).toBe('legacy');
  });

  test('that were as many on the legacy leg before this process are no breach', async () => {
    const { count, stage } = watched(
      {},
      { baseline: () => ({ calls: 1_000, failed: 100, p90Ms: undefined }) },
    );
    await count('pooled', { calls: 100, failed: 12 });
    expect(stage()).toBe('pooled');
  });

  test('counted before a person resumed it do not count again', async () => {
    const { count, stage, guardrail } = watched();
    await count('pooled', { calls: 100, failed: 50 });
    expect(guardrail.resume('sqlite', keyTarget('titanic'))).toBe(true);
    await count('pooled', { calls: 90, failed: 90 });
    expect(stage()).toBe('pooled');
  });
});

describe('latency', () => {
  test("many times the legacy leg's puts the dataset back", async () => {
    const { count, stage, breaches } = watched();
    await count('legacy', { calls: 200, legacyMs: 10 });
    for (let tick = 0; tick < 6; tick += 1) await count('pooled', { calls: 20, pooledMs: 100 });
    expect(stage()).toBe('legacy');
    expect(breaches).toMatchObject([
      {
        kind: 'latency',
        reason: expect.stringMatching(/^readTable takes .* ms on the pooled leg \(120 calls/),
      },
    ]);
  });

  test.each([
    ['in less than half of the window', 5, 100, 10],
    ['by less than the floor', 6, 49, 1],
    ['by less than the ratio', 6, 400, 100],
  ])('slower %s leaves it where it is', async (_name, ticks, pooledMs, legacyMs) => {
    const { count, stage } = watched();
    await count('legacy', { calls: 200, legacyMs });
    for (let tick = 0; tick < ticks; tick += 1) await count('pooled', { calls: 100, pooledMs });
    expect(stage()).toBe('pooled');
  });

  test('slower by more than a ratio, and by less than the floor, leaves it where it is', async () => {
    const { count, stage } = watched({ maxLatencyRatio: 2 });
    await count('legacy', { calls: 200, legacyMs: 25 });
    for (let tick = 0; tick < 6; tick += 1) await count('pooled', { calls: 100, pooledMs: 70 });
    expect(stage()).toBe('pooled');
  });

  test('is told from what a histogram that began anew has, too', async () => {
    const { count, stage } = watched();
    await count('legacy', { calls: 200, legacyMs: 1 });
    for (let tick = 0; tick < 3; tick += 1) await count('pooled', { calls: 50, pooledMs: 100 });
    expect(stage()).toBe('pooled');
    recorder.cell('sqlite', 'titanic', 'readTable', 'pooled').pooledLatency =
      new LatencyHistogram();
    for (let tick = 0; tick < 3; tick += 1) await count('pooled', { calls: 40, pooledMs: 100 });
    expect(stage()).toBe('legacy');
  });

  test('is judged operation by operation, not by which ones are called', async () => {
    const { count, stage } = watched();
    await count('legacy', { calls: 200, legacyMs: 1 });
    await count('legacy', { calls: 200, legacyMs: 200, operation: 'query' });
    for (let tick = 0; tick < 6; tick += 1)
      await count('pooled', { calls: 100, pooledMs: 200, operation: 'query' });
    expect(stage()).toBe('pooled');
  });

  test('of one slow moment says nothing', async () => {
    const { count, stage } = watched();
    await count('legacy', { calls: 200, legacyMs: 1 });
    for (let tick = 0; tick < 12; tick += 1)
      await count('pooled', { calls: 100, pooledMs: tick === 6 ? 5_000 : 1 });
    expect(stage()).toBe('pooled');
  });

  test('is compared with what was stored where this process saw no legacy call', async () => {
    let asked = 0;
    const baseline = (): { calls: number; failed: number; p90Ms: number } => {
      asked += 1;
      return { calls: 500, failed: 0, p90Ms: 10 };
    };
    const { count, stage } = watched({}, { baseline });
    for (let tick = 0; tick < 6; tick += 1) await count('pooled', { calls: 100, pooledMs: 1 });
    expect([stage(), asked]).toEqual(['pooled', 0]);
    for (let tick = 0; tick < 12; tick += 1) await count('pooled', { calls: 100, pooledMs: 100 });
    expect(stage()).toBe('legacy');
  });

  test('of a shadow says nothing, for nobody waits for it', async () => {
    const { count, stage } = watched();
    for (let tick = 0; tick < 12; tick += 1)
      await count('shadow', { calls: 100, legacyMs: 1, pooledMs: 900 });
    expect(stage()).toBe('pooled');
  });
});

describe('breakers and memory', () => {
  test('a breaker that stays open puts its dataset back; one that closes in time does not', async () => {
    const { watch, stage, breaches } = watched();
    watch.breakerChanged('sqlite', 'titanic', 'open');
    watch.breakerChanged('sqlite', 'iris', 'open');
    await clock.advance(tickMs);
    watch.breakerChanged('sqlite', 'titanic', 'half-open');
    watch.breakerChanged('sqlite', 'iris', 'closed');
    await clock.advance(tickMs);
    expect([stage(), stage('iris')]).toEqual(['legacy', 'pooled']);
    expect(breaches).toMatchObject([{ kind: 'breaker', target: keyTarget('titanic') }]);
  });

  test('memory that stays full puts every engine back that uses the pooled leg', async () => {
    let share = 0.95;
    const { count, stage, breaches } = watched({}, { memoryShare: () => share });
    await count('pooled', { calls: 1 });
    await count('pooled', { calls: 1 });
    share = 0.5;
    await count('pooled', { calls: 1 });
    share = 0.95;
    await count('pooled', { calls: 1 });
    await count('pooled', { calls: 1 });
    expect(stage()).toBe('pooled');
    await count('pooled', { calls: 1 });
    expect([stage(), stage('iris')]).toEqual(['legacy', 'legacy']);
    expect(breaches).toMatchObject([
      { kind: 'memory', backend: 'sqlite', target: allKeys, acted: true },
    ]);
  });

  test("memory is not the pooled leg's doing where it does nothing", async () => {
    const { count, breaches } = watched({}, { memoryShare: () => 1 });
    for (let tick = 0; tick < 5; tick += 1) await count('legacy', { calls: 10 });
    expect(breaches).toEqual([]);
  });
});

describe('modes and options', () => {
  test('report tells once of a breach that goes on, moves nothing, and tells again after it had ended', async () => {
    const { count, stage, breaches } = watched({ mode: 'report' });
    for (let tick = 0; tick < 3; tick += 1) await count('pooled', { calls: 100, failed: 50 });
    expect([stage(), breaches.length]).toEqual(['pooled', 1]);
    expect(breaches[0]).toMatchObject({ kind: 'errors', acted: false });
    await clock.advance(windowMs);
    await count('pooled', { calls: 100 });
    await clock.advance(windowMs);
    await count('pooled', { calls: 100, failed: 50 });
    expect(breaches).toHaveLength(2);
  });

  test.each([
    ['maxErrorIncrease', { maxErrorIncrease: 0 }],
    ['maxLatencyRatio', { maxLatencyRatio: 0, maxErrorIncrease: 0 }],
  ])('%s 0 turns its limit off', async (_name, options) => {
    const { count, stage } = watched(options);
    await count('legacy', { calls: 200, legacyMs: 1 });
    for (let tick = 0; tick < 12; tick += 1) {
      await count('pooled', {
        calls: 100,
        ...('maxLatencyRatio' in options ? { pooledMs: 500 } : {}),
        failed: 90,
      });
    }
    expect(stage()).toBe('pooled');
  });

  test.each([
    [{ mode: 'ask' }, /mode is 'ask': write act or report/],
    [{ maxErrorIncrease: 2 }, /maxErrorIncrease is 2: write a number from 0 to 1/],
    [{ minSamples: 0 }, /minSamples is 0/],
    [{ windowMs: NaN }, /windowMs is NaN/],
    [
      { maxMismatch: 1 },
      /no option "maxMismatch"; did you mean "maxMismatches"\? known are mode, maxMismatches/,
    ],
  ])('%j is refused', (options, message) => {
    expect(() => parseGuardrailOptions(options as never)).toThrow(message);
  });
});
