import { expect, test } from '@jest/globals';
import type { Clock } from '@changeover/core';
import { silentLogger } from '../../log.ts';
import { openRecorder } from '../../recorder/open-recorder.ts';
import type { GateOutcome } from './gate-outcome.ts';
import { GateJudge } from './verdict.ts';

const hourMs = 3_600_000;
const minuteMs = 60_000;
const gates = [
  {
    expression: 'latency-p50-ratio.lower <= 1.5',
    scope: 'key',
    ifMissed: 'hold',
    title: 'No operation is much slower on the pooled leg',
  },
] as const;

/** Calls of one operation, and what their legs took, in ms. */
interface Measured {
  readonly calls: number;
  readonly legacyMs: readonly number[];
  readonly pooledMs: readonly number[];
}

const quick = { calls: 5_000, legacyMs: [4], pooledMs: [4] };
const slow = { calls: 300, legacyMs: [4], pooledMs: [12] };

/** What is said of a key's latency, given what was measured and how long ago that was. */
function judged(
  ...parts: readonly (readonly [agoMs: number, Measured])[]
): GateOutcome | undefined {
  const at = Date.parse('2026-01-02T03:40:00Z');
  let now = at;
  const clock: Clock = {
    monotonicMs: () => now,
    wallMs: () => now,
    after: () => ({ cancel: () => undefined }),
  };
  const recorder = openRecorder({ path: ':memory:', run: 'test', logger: silentLogger, clock });
  const cell = recorder.cell('notes', 'inbox', 'list', 'reverse');
  for (const [agoMs, { calls, legacyMs, pooledMs }] of parts) {
    now = at - agoMs;
    recorder.flush();
    cell.calls += calls;
    for (let call = 0; call < calls; call += 1) {
      cell.legacyLatency.record(legacyMs[call % legacyMs.length] ?? 0);
      cell.pooledLatency.record(pooledMs[call % pooledMs.length] ?? 0);
    }
    recorder.flush();
  }
  now = at;
  const verdict = new GateJudge({
    data: recorder.summary(),
    gates,
    standing: () => ({ stage: 'reverse' }),
  }).key('notes', 'inbox');
  recorder.close();
  return verdict.gates.find(({ figure }) => figure === 'latency-p50-ratio');
}

test('a leg that is slow since this hour holds its key, whatever came before', () => {
  const outcome = judged([20 * hourMs, quick], [20 * minuteMs, slow]);
  expect(outcome?.decision).toBe('HOLD');
  expect(outcome?.reason).toMatch(
    /since 2026-01-02 03:00:00 UTC the pooled median of `list` is [23]\.\d\d times the legacy one/,
  );
});

test('a leg that was slow hours ago and is quick again is judged by all that was measured', () => {
  expect(judged([20 * hourMs, slow], [20 * minuteMs, quick])?.decision).toBe('PROMOTE');
});

test('an hour of few calls is taken with the one before, however slow these are', () => {
  const few = { ...slow, calls: 60 };
  expect(judged([80 * minuteMs, quick], [20 * minuteMs, few])?.decision).toBe('PROMOTE');
  expect(judged([80 * minuteMs, slow], [20 * minuteMs, few])?.reason).toContain(
    'since 2026-01-02 02:00:00 UTC',
  );
});

test('an hour whose median may lie anywhere holds nobody', () => {
  // Every other call is served from a cache: which of the two halves the median is of depends on one call.
  const torn = { calls: 51, legacyMs: [4, 40], pooledMs: [40, 4] };
  expect(judged([20 * hourMs, quick], [20 * minuteMs, torn])?.decision).toBe('PROMOTE');
});

test('too few calls for a median say nothing', () => {
  expect(judged([20 * hourMs, quick], [20 * minuteMs, { ...slow, calls: 20 }])?.decision).toBe(
    'PROMOTE',
  );
});

test('medians that differ by no more than half a millisecond are equal', () => {
  const close = { calls: 300, legacyMs: [0.1], pooledMs: [0.5] };
  const before = { calls: 5_000, legacyMs: [0.1], pooledMs: [0.1] };
  expect(judged([20 * hourMs, before], [20 * minuteMs, close])?.decision).toBe('PROMOTE');
});
