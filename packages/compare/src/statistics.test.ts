import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { incompleteBeta, inverseIncompleteBeta, studentQuantile } from './distributions.ts';
import {
  neededForBound,
  PairedDifference,
  type PairedDifferenceJson,
  shareDifference,
  shareOf,
} from './statistics.ts';

/** P(X <= k) of a binomial variable, term by term. */
function binomialCumulative(k: number, n: number, p: number): number {
  // By logarithms, since (1 - p)^n can be too small for a double.
  let term = n * Math.log1p(-p);
  let sum = Math.exp(term);
  for (let i = 1; i <= k; i += 1) {
    term += Math.log((n - i + 1) / i) + Math.log(p) - Math.log1p(-p);
    sum += Math.exp(term);
  }
  return sum;
}

describe('distributions', () => {
  test('the incomplete beta function is the binomial one that it is equal to', () => {
    for (const [k, n, p] of [
      [0, 10, 0.1],
      [3, 10, 0.5],
      [9, 10, 0.7],
      [2, 500, 0.01],
      [40, 100, 0.4],
    ] as const) {
      expect(incompleteBeta(1 - p, n - k, k + 1)).toBeCloseTo(binomialCumulative(k, n, p), 12);
    }
  });

  test('and its inverse undo each other', () => {
    const shape = fc.double({ min: 0.5, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(
        fc.double({ min: 0.001, max: 0.999, noNaN: true }),
        shape,
        shape,
        (probability, a, b) => {
          expect(incompleteBeta(inverseIncompleteBeta(probability, a, b), a, b)).toBeCloseTo(
            probability,
            6,
          );
        },
      ),
      { seed: 1, numRuns: 100 },
    );
  });

  test.each([
    [0.975, 1, 12.706205],
    [0.975, 10, 2.228139],
    [0.95, 29, 1.699127],
    [0.99, 5, 3.36493],
    [0.975, 1e9, 1.959964],
    [0.95, 1e9, 1.644854],
  ])("Student's quantile of %d at %d degrees is %d", (probability, degrees, expected) => {
    expect(studentQuantile(probability, degrees)).toBeCloseTo(expected, 5);
  });
});

describe('shareOf', () => {
  test('of nothing seen in n has the bound of the rule of three, not zero', () => {
    const found = shareOf(0, 3_000);
    expect(found).toMatchObject({ kind: 'estimate', value: 0, lower: 0, n: 3_000 });
    expect(found.kind === 'estimate' && found.upper).toBeCloseTo(1 - 0.05 ** (1 / 3_000), 12);
  });

  test('of nothing observed is no figure', () => {
    expect(shareOf(0, 0)).toMatchObject({ kind: 'inconclusive', n: 0 });
  });

  test('has bounds at which the observation is as unlikely as the confidence says', () => {
    const counts = fc
      .integer({ min: 1, max: 300 })
      .chain((n) => fc.tuple(fc.integer({ min: 0, max: n }), fc.constant(n)));
    fc.assert(
      fc.property(counts, ([k, n]) => {
        const found = shareOf(k, n, 0.95);
        if (found.kind !== 'estimate') throw new Error('an estimate was expected');
        if (k < n) expect(binomialCumulative(k, n, found.upper)).toBeCloseTo(0.05, 6);
        else expect(found.upper).toBe(1);
        if (k > 0) expect(1 - binomialCumulative(k - 1, n, found.lower)).toBeCloseTo(0.05, 6);
        else expect(found.lower).toBe(0);
      }),
      { seed: 2, numRuns: 200 },
    );
  });

  test.each([
    [-1, 5],
    [6, 5],
    [0.5, 5],
    [0, -1],
    [NaN, 5],
    [1, Infinity],
  ])('refuses %p of %p', (count, n) => {
    expect(() => shareOf(count, n)).toThrow(RangeError);
  });

  test.each([0, 0.5, 1, 95, NaN])('refuses the confidence %p', (confidence) => {
    expect(() => shareOf(1, 5, confidence)).toThrow(RangeError);
  });

  test('says how many are needed for a bound', () => {
    const n = neededForBound(0.001);
    const upper = (count: number): number => {
      const found = shareOf(0, count);
      return found.kind === 'estimate' ? found.upper : 1;
    };
    expect(n).toBe(2_995);
    expect(upper(n)).toBeLessThanOrEqual(0.001);
    expect(upper(n - 1)).toBeGreaterThan(0.001);
    expect(() => neededForBound(0)).toThrow(RangeError);
  });
});

describe('shareDifference', () => {
  test('gives the published intervals of Newcombe (1998), two-sided 95 %', () => {
    const cases = [
      [56, 70, 48, 80, -0.3339, -0.0524],
      [9, 10, 3, 10, -0.809, -0.1705],
      [10, 10, 0, 10, -1, -0.6075],
    ] as const;
    for (const [a, n, b, m, lower, upper] of cases) {
      const found = shareDifference({ count: a, n }, { count: b, n: m }, 0.975);
      if (found.kind !== 'estimate') throw new Error('an estimate was expected');
      expect(found.value).toBeCloseTo(b / m - a / n, 12);
      expect(found.lower).toBeCloseTo(lower, 3);
      expect(found.upper).toBeCloseTo(upper, 3);
    }
  });

  test('is no figure where one side saw nothing', () => {
    expect(shareDifference({ count: 0, n: 0 }, { count: 0, n: 5 }).kind).toBe('inconclusive');
  });
});

describe('PairedDifference', () => {
  const pairs = fc.array(
    fc.tuple(
      fc.double({ min: 0, max: 1e3, noNaN: true }),
      fc.double({ min: 0, max: 1e3, noNaN: true }),
    ),
    { minLength: 30, maxLength: 60 },
  );
  const gather = (list: readonly (readonly [number, number])[]): PairedDifference => {
    const difference = new PairedDifference();
    for (const [legacy, pooled] of list) difference.add(legacy, pooled);
    return difference;
  };

  test('gives the mean and the bounds of the textbook', () => {
    fc.assert(
      fc.property(pairs, (list) => {
        const differences = list.map(([legacy, pooled]) => pooled - legacy);
        const mean = differences.reduce((sum, d) => sum + d, 0) / list.length;
        const deviation = Math.sqrt(
          differences.reduce((sum, d) => sum + (d - mean) ** 2, 0) / (list.length - 1),
        );
        const found = gather(list).estimate();
        if (found.kind !== 'estimate') throw new Error('an estimate was expected');
        expect(found.value).toBeCloseTo(mean, 8);
        expect(found.upper - found.value).toBeCloseTo(
          (studentQuantile(0.95, list.length - 1) * deviation) / Math.sqrt(list.length),
          8,
        );
        expect(found.value - found.lower).toBeCloseTo(found.upper - found.value, 8);
      }),
      { seed: 3, numRuns: 100 },
    );
  });

  test('of parts merged, by way of JSON, is that of the whole', () => {
    fc.assert(
      fc.property(pairs, fc.nat(), (list, at) => {
        const cut = at % (list.length + 1);
        const merged = new PairedDifference();
        merged.merge(gather(list.slice(0, cut)));
        const json = JSON.parse(JSON.stringify(gather(list.slice(cut)))) as PairedDifferenceJson;
        merged.merge(PairedDifference.fromJSON(json));
        const [a, b] = [merged.toJSON(), gather(list).toJSON()];
        expect(a.n).toBe(b.n);
        expect(a.mean).toBeCloseTo(b.mean, 8);
        expect(a.squares).toBeCloseTo(b.squares, 3);
      }),
      { seed: 4, numRuns: 100 },
    );
  });

  test('of too few pairs is no figure, and what is not finite is no pair', () => {
    const few = gather(Array.from({ length: 29 }, () => [1, 2] as const));
    few.add(NaN, 1);
    few.add(1, Infinity);
    expect(few.estimate()).toMatchObject({ kind: 'inconclusive', n: 29 });
    few.add(1, 2);
    expect(few.estimate()).toMatchObject({ kind: 'estimate', value: 1, lower: 1, upper: 1, n: 30 });
  });

  test.each([
    null,
    {},
    { n: -1, mean: 0, squares: 0 },
    { n: 1, mean: null, squares: 0 },
    { n: 1, mean: 0, squares: -1 },
  ])('refuses %j', (json) => {
    expect(() => PairedDifference.fromJSON(json as never)).toThrow(TypeError);
  });
});
