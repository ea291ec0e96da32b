import { describe, expect, test } from '@jest/globals';
import { digestResult } from '@changeover/compare';
import { decide, mostRounds, type Round, type Evidence, turnRounds } from './confirmation.ts';
import type { Outcome } from './shadow-caller.ts';

const rows = (...values: readonly unknown[]): Outcome => ({
  kind: 'result',
  digest: digestResult(
    values.map((a) => ({ a })),
    'rows',
  ),
});
const failed = (code: string, unavailable = false): Outcome => ({
  kind: 'error',
  code,
  unavailable,
});
const round = (legacy: Outcome, pooled: Outcome, excuse?: Round['excuse']): Round => ({
  legacy,
  pooled,
  excuse,
});
const times = (count: number, one: Round): Round[] => Array.from({ length: count }, () => one);
const quiet: Evidence = {
  ordered: false,
  shared: false,
  quiet: true,
  oneState: true,
  each: false,
  snapshot: false,
  undetermined: undefined,
};
const [one, other, third] = [rows(1, 2), rows(1, 3), rows(1, 4)];
const apart = round(one, other);
const together = round(one, one);

describe('a difference that was seen once', () => {
  test.each<[string, Round, readonly Round[], Partial<Evidence>, string]>([
    ['stays', apart, times(2, apart), {}, 'mismatch'],
    [
      'stays, as an error',
      round(one, failed('X')),
      times(2, round(one, failed('X'))),
      {},
      'mismatch',
    ],
    [
      'is in the order, which was promised',
      round(rows(1, 2), rows(2, 1)),
      times(2, round(rows(1, 2), rows(2, 1))),
      { ordered: true },
      'mismatch',
    ],
    [
      'the legacy leg differs from itself',
      apart,
      [apart, round(third, other)],
      {},
      'nondeterministic',
    ],
    [
      'the legacy leg differs from itself, and somebody wrote',
      apart,
      [apart, round(third, other)],
      { oneState: false },
      'again',
    ],
    [
      'the legacy leg keeps differing from itself, and somebody keeps writing',
      apart,
      [apart, round(third, other), ...times(mostRounds - 2, apart)],
      { oneState: false },
      'raced',
    ],
    [
      'the pooled leg alone differs from itself',
      apart,
      Array.from({ length: mostRounds }, (_unused, at) =>
        at % 2 === 0 ? apart : round(one, third),
      ),
      {},
      'mismatch',
    ],
    [
      'the pooled leg alone differs from itself, and somebody keeps writing',
      apart,
      Array.from({ length: mostRounds }, (_unused, at) =>
        at % 2 === 0 ? apart : round(one, third),
      ),
      { oneState: false },
      'raced',
    ],
    [
      'the legacy leg differs from itself, and nobody can tell of writes',
      apart,
      [apart, round(third, other)],
      { oneState: undefined },
      'nondeterministic',
    ],
    ['stays, and somebody wrote', apart, times(2, apart), { oneState: false }, 'again'],
    [
      'stays, and somebody may have written',
      apart,
      times(turnRounds - 1, apart),
      { oneState: undefined },
      'again',
    ],
    [
      'stays many times, though somebody wrote',
      apart,
      times(turnRounds, apart),
      { oneState: false },
      'mismatch',
    ],
    [
      'stays, and nobody wrote while both legs were asked',
      apart,
      times(2, apart),
      { oneState: false, each: true },
      'mismatch',
    ],
    [
      'stays, as an error, and somebody wrote',
      round(one, failed('X')),
      times(2, round(one, failed('X'))),
      { oneState: false },
      'again',
    ],
    [
      'the pooled leg alone differs from itself, and nobody can tell of writes',
      apart,
      Array.from({ length: mostRounds }, (_unused, at) =>
        at % 2 === 0 ? apart : round(one, third),
      ),
      { oneState: undefined },
      'inconclusive',
    ],
    [
      'a leg is not to be had',
      apart,
      [apart, round(one, failed('GONE', true))],
      {},
      'inconclusive',
    ],
    ['went, and a write came between', apart, times(2, together), { quiet: false }, 'raced'],
    ['went, and legacy says something new', apart, times(2, round(other, other)), {}, 'raced'],
    ['went, with no write', apart, times(2, together), {}, 'again'],
    ['went for good, with no write', apart, times(mostRounds, together), {}, 'mismatch'],
    [
      'went for good, and others may have written',
      apart,
      times(mostRounds, together),
      { quiet: undefined },
      'inconclusive',
    ],
    [
      'went, somebody wrote, and the pooled leg had lacked what nobody wrote since',
      apart,
      times(mostRounds, together),
      { quiet: false, kept: true },
      'mismatch',
    ],
    [
      'went, somebody wrote, and the pooled leg had rows that may have been removed since',
      round(one, rows(1, 2, 3)),
      times(mostRounds, together),
      { quiet: false, kept: true },
      'raced',
    ],
    [
      'went, somebody wrote, and there were other columns',
      round(one, { kind: 'result', digest: digestResult([{ b: 1 }], 'rows') }),
      times(mostRounds, together),
      { quiet: false, kept: true },
      'raced',
    ],
    [
      'went, it depends on the time, and the pooled leg had lacked what nobody wrote since',
      apart,
      times(mostRounds, together),
      { quiet: false, kept: true, timed: true },
      'raced',
    ],
    ['comes and goes', apart, [together, apart], {}, 'again'],
    [
      'comes and goes many times',
      apart,
      [...times(mostRounds - 1, together), apart],
      {},
      'mismatch',
    ],
    ['is in what all datasets share', apart, times(2, apart), { shared: true }, 'again'],
    [
      'stays in what all datasets share',
      apart,
      times(mostRounds, apart),
      { shared: true },
      'mismatch',
    ],
    ['is let pass by a rule', apart, times(2, round(one, other, 'rule')), {}, 'match'],
    ['is let pass by a rule once', apart, [round(one, other, 'rule'), apart], {}, 'mismatch'],
    [
      'is in the last digits of a sum',
      apart,
      times(2, round(one, other, 'rounding')),
      {},
      'nondeterministic',
    ],
  ])('%s', (_name, first, rounds, around, verdict) => {
    expect(decide(first, rounds, { ...quiet, ...around }).verdict).toBe(verdict);
  });
});

describe('a difference in more than the last digits of rounded numbers', () => {
  const steady: Round = { ...together, differs: true, digits: 'steady' };
  const wavering: Round = { ...together, differs: true, digits: 'wavering' };

  test.each<[string, readonly Round[], string]>([
    ['needs many rounds', times(turnRounds - 1, steady), 'again'],
    ['is one where each leg says the same each time', times(turnRounds, steady), 'mismatch'],
    ['is none where a leg differs from itself as much', [steady, wavering], 'nondeterministic'],
    ['is none where it comes and goes', [together, steady], 'nondeterministic'],
  ])('%s', (_name, rounds, verdict) => {
    expect(decide(together, rounds, quiet).verdict).toBe(verdict);
  });
});

describe('a call whose result is not determined', () => {
  const choice = { kind: 'choice', reason: 'LIMIT' } as const;
  const volatile = { kind: 'volatile', reason: 'random()' } as const;
  const rounding = { kind: 'rounding', reason: 'sums' } as const;

  test.each<[string, Round, readonly Round[], Evidence['undetermined'], string]>([
    ['may take other rows', apart, times(2, apart), choice, 'nondeterministic'],
    ['may take other rows now and then', apart, [together, apart], choice, 'nondeterministic'],
    [
      'may not take fewer rows',
      round(one, rows(1)),
      times(2, round(one, rows(1))),
      choice,
      'mismatch',
    ],
    [
      'may not fail',
      round(one, failed('X')),
      times(2, round(one, failed('X'))),
      choice,
      'mismatch',
    ],
    [
      'may not fail, whatever it says else',
      round(one, failed('X')),
      [round(other, failed('X')), round(third, failed('X'))],
      volatile,
      'mismatch',
    ],
    [
      'may say anything',
      round(one, rows(1)),
      times(2, round(one, rows(1))),
      volatile,
      'nondeterministic',
    ],
    ['may not differ in more than the last digits', apart, times(2, apart), rounding, 'mismatch'],
    [
      'may have been rounded otherwise once',
      apart,
      times(mostRounds, together),
      rounding,
      'nondeterministic',
    ],
  ])('%s', (_name, first, rounds, undetermined, verdict) => {
    expect(decide(first, rounds, { ...quiet, undetermined })).toMatchObject({ verdict });
  });

  test('says of a mismatch what it was read in', () => {
    expect(decide(apart, times(2, apart), quiet)).toEqual({
      verdict: 'mismatch',
      reason: 'both legs were read in one state of the data',
    });
    for (const oneState of [false, undefined]) {
      expect(decide(apart, times(turnRounds, apart), { ...quiet, oneState })).toEqual({
        verdict: 'mismatch',
        reason: 'read in turn 8 times, each leg said the same again',
      });
    }
  });

  test('says why', () => {
    expect(decide(apart, times(2, apart), { ...quiet, undetermined: choice })).toEqual({
      verdict: 'nondeterministic',
      reason: 'LIMIT',
    });
  });
});
