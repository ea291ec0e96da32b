import { describe, expect, test } from '@jest/globals';
import { defaultGates } from './default-gates.ts';
import type { Report } from '@changeover/operate';
import type { DataCheck } from './judged-data.ts';
import {
  type CellCounts,
  latencies,
  reportData,
  sampleReport,
} from '../../../../operate/src/report/test-kit/sample-report.ts';
import { decideVerdict, type GateOutcome, type ReportVerdict } from './verdict.ts';

const fast = { legacyMs: latencies(40, 4), pooledMs: latencies(40, 1) };
const clean: CellCounts = { stage: 'shadow', match: 500, ...fast };
const onLegacy: CellCounts = { stage: 'legacy', calls: 500 };

function verdictOf(cells: readonly CellCounts[], others: Partial<Report> = {}): ReportVerdict {
  return decideVerdict({ data: reportData(cells), ...others });
}

function gateOf({ gates }: ReportVerdict, expression: string, stage?: string): GateOutcome {
  const found = gates.find(
    (gate) => gate.expression === expression && (stage === undefined || gate.stage === stage),
  );
  if (found === undefined) throw new Error(`no gate ${expression}`);
  return found;
}

function check(ok: boolean): DataCheck {
  return {
    backend: 'sqlite',
    key: 'titanic',
    table: 'train',
    rows: 3,
    ok,
    expected: 'a',
    found: ok ? 'a' : 'b',
  };
}

describe('what is decided', () => {
  test.each<[string, readonly CellCounts[], string, RegExp]>([
    [
      'nothing was called',
      [],
      'INCONCLUSIVE',
      /^No gate was asked: there is nothing to decide by\.$/,
    ],
    [
      'every gate holds at shadow',
      [clean],
      'PROMOTE',
      /^All 6 gates hold: the keys may step forward to reverse\.$/,
    ],
    [
      'every gate holds at reverse',
      [
        { ...clean, stage: 'reverse' },
        { stage: 'legacy', calls: 500 },
      ],
      'PROMOTE',
      /forward to pooled\.$/,
    ],
    [
      'every gate holds at pooled',
      [clean, { stage: 'pooled', calls: 500 }],
      'PROMOTE',
      /the legacy leg may go\.$/,
    ],
    [
      'legacy alone was called',
      [{ stage: 'legacy', calls: 500 }],
      'INCONCLUSIVE',
      /^On sqlite at shadow, nothing was compared/,
    ],
    [
      '99 comparisons were made',
      [{ ...clean, match: 99 }],
      'INCONCLUSIVE',
      /^On sqlite at shadow, only 99 comparisons were made: too little to decide by\.$/,
    ],
    [
      'one mismatch was confirmed where legacy answers',
      [{ ...clean, mismatch: 1 }],
      'HOLD',
      /^On sqlite at shadow, 1 comparison of 501 is a confirmed mismatch: stay at this stage\.$/,
    ],
    [
      'one mismatch was confirmed where the pooled leg answers',
      [
        { ...clean, stage: 'reverse', mismatch: 1 },
        { stage: 'legacy', calls: 500 },
      ],
      'ROLL BACK',
      /^On sqlite at reverse, 1 comparison of 501 is a confirmed mismatch: back to legacy\.$/,
    ],
    [
      'a mismatch at shadow, and too little at reverse',
      [
        { ...clean, mismatch: 2 },
        { stage: 'reverse', match: 5 },
      ],
      'HOLD',
      /2 comparisons of 502/,
    ],
    [
      'more than one in a hundred came to no explanation',
      [{ ...clean, inconclusive: 6 }],
      'HOLD',
      /6 comparisons of 506 came to no explanation/,
    ],
    [
      'just one in a hundred came to no explanation',
      [{ ...clean, match: 495, inconclusive: 5 }],
      'PROMOTE',
      /^All/,
    ],
    [
      'raced and nondeterministic comparisons raise no alarm',
      [{ ...clean, raced: 50, nondeterministic: 20 }],
      'PROMOTE',
      /^All/,
    ],
    [
      'the pooled median is slower where it answers',
      [{ ...clean, stage: 'reverse', pooledMs: latencies(40, 4.4) }, onLegacy],
      'HOLD',
      /pooled median is 1\.\d\d times the legacy one/,
    ],
    [
      'the pooled median is slower in the background',
      [{ ...clean, pooledMs: latencies(40, 40) }],
      'PROMOTE',
      /^All/,
    ],
    [
      'the medians differ by less than can be told',
      [{ ...clean, stage: 'reverse', pooledMs: latencies(40, 4.04) }, onLegacy],
      'PROMOTE',
      /^All/,
    ],
    [
      'the pooled leg was hardly measured',
      [{ ...clean, stage: 'reverse', pooledMs: latencies(29, 1) }, onLegacy],
      'INCONCLUSIVE',
      /29 calls measured on both legs are too few/,
    ],
    ['a call failed', [{ ...clean, failed: 1 }], 'HOLD', /1 call of 500 failed/],
    [
      'calls fail more often on the pooled leg',
      [clean, { stage: 'pooled', calls: 500, failed: 20 }],
      'ROLL BACK',
      /calls fail more often on the pooled leg than on the legacy leg: back to legacy/,
    ],
    [
      'calls fail as often on the legacy leg',
      [
        { ...clean, failed: 20 },
        { stage: 'pooled', calls: 500, failed: 20 },
      ],
      'HOLD',
      /20 calls of 500 failed/,
    ],
    [
      'an operation was never compared',
      [clean, { stage: 'shadow', operation: 'execute', shed: { budget: 3 } }],
      'INCONCLUSIVE',
      /1 operation of 2 was never compared/,
    ],
  ])('%s', (_name, cells, decision, reason) => {
    const verdict = verdictOf(cells);
    expect(verdict.reason).toMatch(reason);
    expect(verdict.decision).toBe(decision);
  });

  test('a table that is not as expected rolls back whatever else holds', () => {
    expect(verdictOf([clean], { dataChecks: [check(true), check(false)] })).toMatchObject({
      decision: 'ROLL BACK',
      reason: 'On sqlite, 1 table of 2 is not as expected: back to legacy.',
    });
    expect(verdictOf([clean], { dataChecks: [check(true)] }).decision).toBe('PROMOTE');
  });

  test('checks that were asked for and not made let nobody pass', () => {
    expect(verdictOf([clean], { dataChecks: [] }).decision).toBe('INCONCLUSIVE');
  });

  test('a backend known by its data checks alone is not passed', () => {
    expect(verdictOf([], { dataChecks: [check(true)] }).decision).toBe('INCONCLUSIVE');
  });

  test('each backend is decided by its own gates, the whole by the worst', () => {
    const verdict = verdictOf([
      clean,
      { ...clean, backend: 'duckdb', mismatch: 3 },
      { ...clean, backend: 'postgresql', match: 20 },
    ]);
    expect(verdict.backends.map(({ backend, decision }) => [backend, decision])).toEqual([
      ['duckdb', 'HOLD'],
      ['postgresql', 'INCONCLUSIVE'],
      ['sqlite', 'PROMOTE'],
    ]);
    expect(verdict.decision).toBe('HOLD');
  });
});

describe('gates', () => {
  test('the mismatch rate of 0 of n is shown with its upper bound', () => {
    const gate = gateOf(verdictOf([{ ...clean, match: 100 }]), 'mismatch.upper <= 3%');
    expect(gate).toMatchObject({ outcome: 'pass', estimate: 0, n: 100, threshold: 0.03 });
    expect(gate.upper).toBeCloseTo(1 - 0.05 ** (1 / 100), 12);
    expect(gate.value).toBe(gate.upper);
  });

  test('the upper bound of few comparisons is inconclusive, of many mismatches a failure', () => {
    expect(gateOf(verdictOf([{ ...clean, match: 20 }]), 'mismatch.upper <= 3%').outcome).toBe(
      'inconclusive',
    );
    expect(
      gateOf(verdictOf([{ ...clean, match: 400, mismatch: 100 }]), 'mismatch.upper <= 3%').outcome,
    ).toBe('fail');
  });

  test('errors of the pooled leg are asked for only once it has answered callers', () => {
    expect(verdictOf([clean]).gates.map(({ figure }) => figure)).not.toContain('error-increase');
    expect(
      gateOf(verdictOf([clean, { stage: 'pooled', calls: 9 }]), 'error-increase.lower <= 0'),
    ).toMatchObject({ outcome: 'pass', n: 9 });
    expect(
      gateOf(verdictOf([{ stage: 'pooled', calls: 9 }]), 'error-increase.lower <= 0'),
    ).toMatchObject({ outcome: 'inconclusive' });
  });

  test('every stage that had calls is asked for failures, only those with both legs for comparisons', () => {
    const { gates } = verdictOf([
      { stage: 'legacy', calls: 5 },
      clean,
      { ...clean, stage: 'reverse' },
      { stage: 'pooled', calls: 5 },
    ]);
    const stagesOf = (figure: string): unknown[] =>
      gates.filter((gate) => gate.figure === figure).map(({ stage }) => stage);
    expect(stagesOf('failed')).toEqual(['legacy', 'shadow', 'reverse', 'pooled']);
    expect(stagesOf('comparisons')).toEqual(['shadow', 'reverse']);
  });

  test("a report's own gates take the place of the default ones", () => {
    const own = [
      {
        expression: 'comparisons >= 10',
        scope: 'comparing-stage',
        ifMissed: 'inconclusive',
        title: 'A few',
      },
    ] as const;
    expect(verdictOf([{ match: 10, mismatch: 5 }], { gates: own })).toMatchObject({
      decision: 'PROMOTE',
      gates: [{ outcome: 'pass', value: 15 }],
    });
  });

  test('no gate at all is no pass', () => {
    expect(verdictOf([clean], { gates: [] }).decision).toBe('INCONCLUSIVE');
  });

  test('a gate that is none and a figure that is unknown are refused', () => {
    const gates = (expression: string) => ({
      gates: [{ expression, scope: 'backend', ifMissed: 'hold', title: 'own' }] as const,
    });
    expect(() => verdictOf([clean], gates('mismatch is small'))).toThrow(/is no gate/);
    expect(() => verdictOf([clean], gates('mismatches < 1'))).toThrow(
      /no figure "mismatches"; known: comparisons/,
    );
  });

  test.each(defaultGates)(
    'the default gate $expression can fail or be inconclusive',
    ({ expression, scope }) => {
      const hopeless = verdictOf(
        [
          { stage: 'shadow', match: 0, mismatch: 50, inconclusive: 40, failed: 5 },
          { stage: 'reverse', match: 5, legacyMs: latencies(40, 1), pooledMs: latencies(40, 9) },
          { stage: 'shadow', operation: 'execute', shed: { budget: 3 } },
          { stage: 'pooled', calls: 50, failed: 40 },
        ],
        { dataChecks: [check(false)] },
      );
      expect(
        gateOf(
          hopeless,
          expression,
          scope === 'backend' ? undefined : scope === 'answering-stage' ? 'reverse' : 'shadow',
        ).outcome,
      ).not.toBe('pass');
    },
  );
});

test('a sample report is promoted without mismatches and held with some', () => {
  expect(decideVerdict(sampleReport({ mismatches: 0 })).decision).toBe('PROMOTE');
  expect(decideVerdict(sampleReport({ mismatches: 10 })).decision).toBe('HOLD');
});
