import { describe, expect, test } from '@jest/globals';
import type { TimeSlice } from '@changeover/bridge';
import { hoursThenMinutes, slowSince } from './slow-since.ts';

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

describe('where minutes are known', () => {
  const minutes = (medians: readonly number[], count = 100): TimeSlice[] =>
    hours(medians, count).map((slice, minute) => {
      const from = midnight + 3 * hourMs + minute * 60_000;
      return { ...slice, from, to: from + 60_000 };
    });
  const steady = (medians: number, count: number): number[] =>
    Array.from({ length: count }, () => medians);
  /** Three hours, and the minutes of a fourth that the hours have as well. */
  const since = (medians: readonly number[]): string | undefined =>
    slowSince(hoursThenMinutes(hours([4, 5, 4, 30]), minutes(medians)), 'pooled');

  test('it is slow since a minute', () => {
    expect(since([...steady(4, 10), ...steady(40, 12)])).toMatch(/slow since 2026-03-14 03:10:00/);
  });

  test('it is slow since an hour, where it was in all of the minutes', () => {
    const slices = hoursThenMinutes(hours([4, 5, 40, 40]), minutes(steady(40, 50)));
    expect(slowSince(slices, 'pooled')).toMatch(/slow since 2026-03-14 02:00:00/);
  });

  test('it no longer is once its minutes are as they were, whatever the hour says', () => {
    expect(since([...steady(40, 40), ...steady(4, 3)])).toBeUndefined();
  });

  test('one slow minute is none', () => {
    expect(since([...steady(4, 30), 40])).toBeUndefined();
    expect(since([...steady(4, 30), 40, 40])).toMatch(/slow since .* 03:30:00/);
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
