import { describe, expect, test } from '@jest/globals';
import { shareOf } from '@changeover/compare';
import { evaluateGate, type FigureSource, type GateResult, parseGate } from './gate-outcome.ts';

const figures: Readonly<Record<string, ReturnType<FigureSource>>> = {
  comparisons: 120,
  'latency.p99.ratio': { kind: 'estimate', value: 1.05, lower: 1, upper: 1.2, n: 400 },
  'latency.difference': { kind: 'inconclusive', n: 3, reason: '3 pairs are too few' },
  mismatch: shareOf(0, 5_000),
  'mismatch.few': shareOf(0, 10),
  'mismatch.bad': shareOf(50, 1_000),
  broken: NaN,
};
const source: FigureSource = (name) => figures[name];

describe('a gate', () => {
  const table: readonly [string, GateResult['outcome'], number | undefined, number][] = [
    ['comparisons >= 100', 'pass', 120, 120],
    ['comparisons >= 1e3', 'fail', 120, 120],
    ['comparisons == 120', 'pass', 120, 120],
    ['comparisons < 120', 'fail', 120, 120],
    ['comparisons <= 120', 'pass', 120, 120],
    ['comparisons > 120', 'fail', 120, 120],
    ['  mismatch.upper<0.001 ', 'pass', 1 - 0.05 ** (1 / 5_000), 5_000],
    ['mismatch.upper < 0.1%', 'pass', 1 - 0.05 ** (1 / 5_000), 5_000],
    ['mismatch.few.upper < 0.1%', 'inconclusive', 1 - 0.05 ** (1 / 10), 10],
    ['mismatch.few <= 0', 'pass', 0, 10],
    ['mismatch.bad.value < 1%', 'fail', 0.05, 1_000],
    ['latency.p99.ratio <= 1.1', 'pass', 1.05, 400],
    ['latency.p99.ratio.upper <= 1.1', 'inconclusive', 1.2, 400],
    ['latency.p99.ratio.upper <= 0.9', 'fail', 1.2, 400],
    ['latency.p99.ratio.lower > 1.1', 'inconclusive', 1, 400],
    ['latency.p99.ratio.lower > 1.3', 'fail', 1, 400],
    ['latency.difference.upper < 5', 'inconclusive', undefined, 3],
    ['nothing >= 0', 'inconclusive', undefined, 0],
    ['broken >= 0', 'inconclusive', undefined, 0],
  ];
  test.each(table)('%s: %s', (expression, outcome, value, n) => {
    const result = evaluateGate(parseGate(expression), source);
    expect([result.outcome, result.n]).toEqual([outcome, n]);
    if (value === undefined) expect(result.value).toBeUndefined();
    else expect(result.value).toBeCloseTo(value, 12);
    expect(result.reason !== undefined).toBe(outcome === 'inconclusive');
  });

  test('that a clear excess breaks fails, however its bound is asked', () => {
    expect(evaluateGate(parseGate('mismatch.bad.upper < 0.1%'), source).outcome).toBe('fail');
  });

  test.each([
    '',
    'a',
    'a <',
    '< 5',
    'a < b',
    'a = 5',
    'a < 5 and b < 6',
    'a < 5; drop',
    'a..b < 5',
    '.a < 5',
    'a < 5%%',
    'a < 0x5',
    'a < Infinity',
    `${'a'.repeat(300)} < 5`,
  ])('%j is none', (expression) => {
    expect(() => parseGate(expression)).toThrow(SyntaxError);
  });

  test('on a figure that nobody knows is refused, with those that are', () => {
    expect(() => parseGate('mismatches.upper < 1%', ['mismatch', 'comparisons'])).toThrow(
      'known: mismatch, comparisons',
    );
    expect(parseGate('mismatch.upper < 1%', ['mismatch'])).toEqual({
      expression: 'mismatch.upper < 1%',
      figure: 'mismatch',
      side: 'upper',
      operator: '<',
      threshold: 0.01,
    });
  });
});
