import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { LatencyHistogram, type LatencyHistogramJson } from './latency-histogram.ts';

function histogramOf(latencies: readonly number[]): LatencyHistogram {
  const histogram = new LatencyHistogram();
  for (const ms of latencies) histogram.record(ms);
  return histogram;
}

const latency = fc.double({ min: 0.001, max: 1e6, noNaN: true });
const latencies = fc.array(latency, { minLength: 1, maxLength: 60 });

describe('LatencyHistogram', () => {
  test('gives each percentile within 1.1 % of the exact one', () => {
    fc.assert(
      fc.property(latencies, fc.constantFrom(0, 1, 50, 90, 95, 99, 100), (list, percent) => {
        const sorted = [...list].sort((a, b) => a - b);
        const exact = sorted[Math.max(1, Math.ceil((percent / 100) * list.length)) - 1] ?? NaN;
        const found = histogramOf(list).percentile(percent) ?? NaN;
        expect(Math.abs(found / exact - 1)).toBeLessThan(0.011);
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  test('of two parts merged is that of the whole, and survives JSON', () => {
    fc.assert(
      fc.property(latencies, latencies, (first, second) => {
        const whole = histogramOf([...first, ...second]);
        const merged = histogramOf(first);
        const json = JSON.parse(JSON.stringify(histogramOf(second))) as LatencyHistogramJson;
        merged.merge(LatencyHistogram.fromJSON(json));
        expect(merged.toJSON().buckets).toEqual(whole.toJSON().buckets);
        expect([merged.count, merged.maxMs]).toEqual([whole.count, whole.maxMs]);
        expect(merged.meanMs).toBeCloseTo(whole.meanMs ?? NaN, 5);
      }),
      { seed: 2, numRuns: 300 },
    );
  });

  test('that is empty has no figures, and takes and gives nothing in a merge', () => {
    const empty = new LatencyHistogram();
    expect([empty.count, empty.percentile(50), empty.meanMs]).toEqual([0, undefined, undefined]);
    expect(empty.toJSON()).toEqual({ buckets: [], sumMs: 0, maxMs: 0 });
    const one = histogramOf([5]);
    one.merge(empty);
    empty.merge(one);
    expect([one.count, empty.count]).toEqual([1, 1]);
    expect(
      LatencyHistogram.fromJSON(new LatencyHistogram().toJSON()).percentile(50),
    ).toBeUndefined();
  });

  test('counts what is no latency as zero, and what is endless as the longest', () => {
    const odd = histogramOf([NaN, -1, 0, -Infinity]);
    expect([odd.count, odd.maxMs, odd.meanMs, odd.percentile(100)]).toEqual([4, 0, 0, 0]);
    const endless = histogramOf([Infinity, Number.MAX_VALUE]);
    expect(endless.maxMs).toBeCloseTo(2 ** 30 / 1_000);
    expect(LatencyHistogram.fromJSON(endless.toJSON()).meanMs).toBeCloseTo(2 ** 30 / 1_000);
  });

  test.each([-1, 101, NaN])('refuses the percentile %p', (percent) => {
    expect(() => new LatencyHistogram().percentile(percent)).toThrow(RangeError);
  });

  test.each([
    null,
    5,
    {},
    { buckets: [], sumMs: null, maxMs: 0 },
    { buckets: [[0]], sumMs: 0, maxMs: 0 },
    { buckets: [[961, 1]], sumMs: 0, maxMs: 0 },
    { buckets: [[-1, 1]], sumMs: 0, maxMs: 0 },
    { buckets: [[0.5, 1]], sumMs: 0, maxMs: 0 },
    { buckets: [[0, -1]], sumMs: 0, maxMs: 0 },
    { buckets: [['__proto__', 1]], sumMs: 0, maxMs: 0 },
  ])('refuses %j for a histogram', (json) => {
    expect(() => LatencyHistogram.fromJSON(json as never)).toThrow(TypeError);
  });
});
