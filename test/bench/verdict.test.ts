import { describe, expect, test } from '@jest/globals';
import { countOf, figureOf, figureText } from '../../scripts/bench/figure.ts';
import { atLeast, atMost, intervalOf, verdictOf } from '../../scripts/bench/verdict.ts';

/** 1 to `count`, out of order, so that the order of the rounds counts. */
function rounds(count: number): number[] {
  return Array.from({ length: count }, (_, at) => ((at * 7) % count) + 1);
}

describe("a figure's interval", () => {
  test.each([
    [1, [1, 1]],
    [3, [1, 3]],
    [5, [1, 5]],
    [6, [1, 6]],
    [8, [1, 8]],
    [9, [2, 8]],
    [15, [4, 12]],
    [25, [8, 18]],
  ])('of %i rounds lies between the rounds that the sign test leaves', (count, interval) => {
    expect(intervalOf(rounds(count))).toEqual(interval);
  });

  test('covers the median of 95 in 100 samples at least, of a skewed distribution', () => {
    let seed = 1;
    // A linear congruential generator (Numerical Recipes): the same samples each time.
    const random = (): number => (seed = (seed * 1_664_525 + 1_013_904_223) % 2 ** 32) / 2 ** 32;
    const median = Math.log(2);
    const [first, last] = intervalOf(Array.from({ length: 21 }, (_, at) => at));
    let covered = 0;
    for (let sample = 0; sample < 2_000; sample += 1) {
      const sorted = Array.from({ length: 21 }, () => -Math.log(1 - random())).sort(
        (a, b) => a - b,
      );
      if ((sorted[first] ?? NaN) <= median && median <= (sorted[last] ?? NaN)) covered += 1;
    }
    expect(covered / 2_000).toBeGreaterThan(0.95);
    expect(covered / 2_000).toBeLessThan(0.99);
  });
});

describe('a verdict', () => {
  test.each([
    [[0.8, 0.9], atMost(0.9), 'held'],
    [[0.8, 0.91], atMost(0.9), "can't tell"],
    [[0.9, 0.91], atMost(0.9), "can't tell"],
    [[0.91, 0.95], atMost(0.9), 'missed'],
    [[2, 2.5], atLeast(2), 'held'],
    [[1.9, 2.5], atLeast(2), "can't tell"],
    [[1.9, 2], atLeast(2), "can't tell"],
    [[1.8, 1.9], atLeast(2), 'missed'],
    [[Number.NaN, Number.NaN], atMost(1), "can't tell"],
  ] as const)('of the interval %j against %j is %s', (interval, target, verdict) => {
    expect(verdictOf(3, interval, target)).toBe(verdict);
  });

  test('needs three rounds, however clear they are', () => {
    const of = (values: readonly number[]): string =>
      figureOf({ key: 'k', name: 'n', unit: '×', rounds: values, target: atMost(10) }).verdict;
    expect(of([1, 1])).toBe("can't tell");
    expect(of([1, 1, 1])).toBe('held');
  });

  test('of a count needs one', () => {
    const errors = { key: 'k', name: 'n', unit: 'errors', target: atMost(0) };
    expect(countOf({ ...errors, count: 0 }).verdict).toBe('held');
    expect(countOf({ ...errors, count: 1 }).verdict).toBe('missed');
    expect(figureText(countOf({ ...errors, count: 1 }))).toBe('1 errors');
  });

  test('is of the interval where the median alone would hold', () => {
    const figure = figureOf({
      key: 'k',
      name: 'n',
      unit: '×',
      rounds: [0.5, 0.8, 1.2],
      target: atMost(1),
    });
    expect(figure).toMatchObject({ figure: 0.8, interval: [0.5, 1.2], verdict: "can't tell" });
    expect(figureText(figure)).toBe('0.80 × (0.50 to 1.20)');
  });
});
