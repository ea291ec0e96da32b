import { describe, expect, test } from '@jest/globals';
import type { TimeSlice } from '@changeover/bridge';
import { slowSince } from './slow-since.ts';

const hourMs = 3_600_000;
const midnight = Date.parse('2026-03-14T00:00:00Z');

/** One slice an hour from midnight on, of the pooled leg; undefined where nothing was measured. */
function hours(medians: readonly (number | undefined)[], count = 100): TimeSlice[] {
  const none = { count: 0, p50Ms: undefined, p99Ms: undefined };
  return medians.map((p50Ms, hour) => ({
    backend: 'sqlite',
    dataset: '',
    from: midnight + hour * hourMs,
    to: midnight + (hour + 1) * hourMs,
    calls: count,
    failed: 0,
    compared: 0,
    mismatch: 0,
    legacy: none,
    pooled: p50Ms === undefined ? none : { count, p50Ms, p99Ms: p50Ms * 2 },
  }));
}

describe('a leg is slow', () => {
  test('since the first of the hours up to now in which its median is twice what it was', () => {
    expect(slowSince(hours([4, 5, 4, undefined, 30, 40, 35]), 'pooled')).toBe(
      'The pooled leg is slow since 2026-03-14 04:00:00 UTC: its median is 35.0 ms, and was 4.00 ms before.',
    );
  });

  test('the same where it was slow once before', () => {
    expect(slowSince(hours([4, 40, 4, 4, 30]), 'pooled')).toMatch(/since 2026-03-14 04:00/);
  });
});

test.each([
  ['it is as fast as ever', hours([4, 5, 6, 5])],
  ['it is no longer', hours([4, 4, 40, 40, 4])],
  ['it always was', hours([40, 40, 40])],
  ['there is nothing to hold it against', hours([40])],
  ['there were too few calls to tell', hours([4, 4, 40], 5)],
  ['it takes less than a millisecond', hours([0.1, 0.1, 0.9])],
  ['only the other leg was measured', hours([undefined, undefined])],
])('nothing is said where %s', (_why, slices) => {
  expect(slowSince(slices, 'pooled')).toBeUndefined();
  expect(slowSince(slices, 'legacy')).toBeUndefined();
});
