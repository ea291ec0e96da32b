import { describe, expect, test } from '@jest/globals';
import { defaultGates } from './default-gates.ts';
import type { Report } from '@changeover/operate/report';
import type { RelianceEvidence } from '../../recorder/reliance-book.ts';
import type { ShapeEvidence } from '../../recorder/shape-evidence.ts';
import type { DataCheck } from './judged-data.ts';
import {
  type CellCounts,
  latencies,
  reportData,
  sampleReport,
} from '../../../../operate/src/report/test-kit/sample-report.ts';
import type { GateOutcome } from './gate-outcome.ts';
import { decideVerdict, type ReportVerdict } from './verdict.ts';

const fast = { legacyMs: latencies(40, 4), pooledMs: latencies(40, 1) };
const clean: CellCounts = { stage: 'shadow', match: 500, ...fast };
const onLegacy: CellCounts = { stage: 'legacy', calls: 500 };

function verdictOf(
  cells: readonly CellCounts[],
  others: Partial<Report> = {},
  reliance: readonly RelianceEvidence[] = [],
): ReportVerdict {
  return decideVerdict({ data: reportData(cells, { reliance }), ...others });
}

function relied(
  guarantee: RelianceEvidence['guarantee'],
  others: Partial<RelianceEvidence> = {},
): RelianceEvidence {
  return {
    backend: 'sqlite',
    key: 'titanic',
    guarantee,
    count: 3,
    sites: [{ site: 'src/orders.ts:12', what: 'query: SELECT last_insert_rowid ( )', count: 2 }],
    kept: true,
    firstSeen: 1,
    lastSeen: 2,
    ...others,
  };
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
      /^All gates hold: the keys may step forward to reverse\.$/,
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
      [onLegacy, clean, { stage: 'pooled', calls: 500 }],
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
      '39 comparisons were made of a key, and many of its cohort',
      [
        { ...clean, match: 39 },
        { ...clean, dataset: 'iris' },
      ],
      'INCONCLUSIVE',
      /^On sqlite titanic at shadow, it needs 1 more comparison of `readTable`, about 3 min.*: too little to decide by\. 1 key may step forward\.$/,
    ],
    [
      'one mismatch was confirmed where legacy answers',
      [{ ...clean, mismatch: 1 }],
      'HOLD',
      /^On sqlite titanic at shadow, 1 comparison of 501 is a confirmed mismatch, of `readTable`: stay at this stage\.$/,
    ],
    [
      'one mismatch was confirmed where the pooled leg answers',
      [
        { ...clean, stage: 'reverse', mismatch: 1 },
        { stage: 'legacy', calls: 500 },
      ],
      'ROLL BACK',
      /^On sqlite titanic at reverse, 1 comparison of 501 is a confirmed mismatch, of `readTable`: back to legacy\.$/,
    ],
    [
      'a mismatch at shadow, and too little at reverse',
      [
        { ...clean, mismatch: 2 },
        { stage: 'reverse', match: 5 },
      ],
      'HOLD',
      /2 comparisons of 507/,
    ],
    [
      'more than one in a hundred of a cohort came to no explanation',
      [{ ...clean, inconclusive: 6 }],
      'HOLD',
      /^On sqlite at shadow, 6 comparisons of 506 came to no explanation/,
    ],
    [
      'many of a key came to no explanation',
      [{ ...clean, inconclusive: 50 }],
      'HOLD',
      /^On sqlite titanic at shadow, 50 comparisons of 550 came to no explanation/,
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
      [{ ...clean, stage: 'reverse', pooledMs: latencies(40, 4.8) }, onLegacy],
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
    [
      'the medians differ by microseconds',
      [
        {
          ...clean,
          stage: 'reverse',
          legacyMs: latencies(40, 0.001),
          pooledMs: latencies(40, 0.003),
        },
        onLegacy,
      ],
      'PROMOTE',
      /^All/,
    ],
    [
      "a caller's own call failed where the legacy leg answers",
      [{ ...clean, failed: 1 }],
      'PROMOTE',
      /^All/,
    ],
    [
      'nothing but nondeterministic comparisons were made',
      [{ ...clean, match: 0, nondeterministic: 500 }],
      'INCONCLUSIVE',
      /the 500 comparisons so far came to no match and no mismatch/,
    ],
    [
      'calls fail more often on the pooled leg',
      [clean, { stage: 'pooled', calls: 500, failed: 20 }],
      'ROLL BACK',
      /`readTable` fails more often on the pooled leg than on the legacy leg: 20 of 500 calls, and 0 of 500 calls: back to legacy/,
    ],
    [
      'calls fail as often on the legacy leg',
      [
        { ...clean, failed: 20 },
        { stage: 'pooled', calls: 500, failed: 20 },
      ],
      'PROMOTE',
      /^All/,
    ],
    [
      'an operation was never compared',
      [clean, { stage: 'shadow', operation: 'execute', shed: { budget: 3 } }],
      'INCONCLUSIVE',
      /^On sqlite titanic at shadow, it needs 40 more comparisons of `execute`/,
    ],
  ])('%s', (_name, cells, decision, reason) => {
    const verdict = verdictOf(cells);
    expect(verdict.reason).toMatch(reason);
    expect(verdict.decision).toBe(decision);
  });

  test('a table that is not as expected rolls back whatever else holds', () => {
    expect(verdictOf([clean], { dataChecks: [check(true), check(false)] })).toMatchObject({
      decision: 'ROLL BACK',
      reason: 'On sqlite titanic at shadow, 1 table of 2 is not as expected: back to legacy.',
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

describe('a key', () => {
  const iris: CellCounts = { ...clean, dataset: 'iris' };
  const keyOf = ({ keys }: ReportVerdict, key: string) => keys.find((one) => one.key === key);

  test("is not held back by another key's mismatch, and not let through by another's comparisons", () => {
    const verdict = verdictOf([
      clean,
      { ...iris, mismatch: 400 },
      { dataset: 'rare', stage: 'shadow', calls: 3, eligible: 3 },
    ]);
    expect(keyOf(verdict, 'titanic')).toMatchObject({ decision: 'PROMOTE', stage: 'shadow' });
    expect(keyOf(verdict, 'iris')).toMatchObject({ decision: 'HOLD' });
    expect(keyOf(verdict, 'rare')).toMatchObject({
      decision: 'INCONCLUSIVE',
      reason: expect.stringContaining('it needs 40 more comparisons of `readTable`'),
    });
  });

  test('needs comparisons of each shape, and is told of which, how many, and how long that takes', () => {
    const evidence = (shape: string, match: number): ShapeEvidence => ({
      backend: 'sqlite',
      key: 'titanic',
      operation: 'query',
      shape,
      stage: 'shadow',
      calls: match,
      failed: 0,
      eligible: match,
      compared: match,
      match,
      mismatch: 0,
      raced: 0,
      nondeterministic: 0,
      inconclusive: 0,
      firstSeen: 0,
      lastSeen: 60_000,
    });
    const cells = [{ ...clean, operation: 'query', match: 410 }];
    const verdict = verdictOf(cells, {
      shapes: [evidence('SELECT ?', 400), evidence('SELECT * FROM t WHERE id = ?', 10)],
    });
    expect(keyOf(verdict, 'titanic')).toMatchObject({
      decision: 'INCONCLUSIVE',
      reason:
        'On sqlite titanic at shadow, it needs 30 more comparisons of `query: SELECT * FROM t WHERE id = ?`, about 3 min: too little to decide by.',
    });
  });

  test('of which a call is not compared passes by accepting it, which excuses no mismatch', () => {
    const add: CellCounts = { operation: 'add', calls: 9, eligible: 0 };
    const plain = verdictOf([clean, add]);
    expect(keyOf(plain, 'titanic')).toMatchObject({
      decision: 'INCONCLUSIVE',
      reason: expect.stringContaining('`add` is not compared: it needs to be accepted'),
      next: ['changeover promote sqlite titanic --accept add --reason "..."'],
    });
    const position = () => ({ stage: 'shadow', accepted: ['add', 'readTable'] }) as const;
    expect(keyOf(verdictOf([clean, add], { position }), 'titanic')?.decision).toBe('PROMOTE');
    expect(
      keyOf(verdictOf([{ ...clean, mismatch: 1 }, add], { position }), 'titanic')?.decision,
    ).toBe('HOLD');
    expect(keyOf(verdictOf([{ ...clean, match: 3 }], { position }), 'titanic')?.decision).toBe(
      'INCONCLUSIVE',
    );
  });

  test('of few calls takes what its cohort proved further on, and needs three of its own', () => {
    const further: CellCounts[] = [
      iris,
      { ...iris, stage: 'reverse' },
      { dataset: 'iris', stage: 'legacy', calls: 9 },
    ];
    const few = (match: number): unknown =>
      keyOf(verdictOf([...further, { ...clean, match }]), 'titanic')?.decision;
    expect(few(3)).toBe('PROMOTE');
    expect(few(2)).toBe('INCONCLUSIVE');
    expect(keyOf(verdictOf([iris, { ...clean, match: 3 }]), 'titanic')?.decision).toBe(
      'INCONCLUSIVE',
    );
  });

  test('that was called on legacy alone is not judged, and one that is held stays', () => {
    expect(verdictOf([onLegacy, iris]).keys.map(({ key }) => key)).toEqual(['iris']);
    const position = () => ({ stage: 'shadow', held: 'is held at shadow by ada: drill' }) as const;
    expect(keyOf(verdictOf([clean], { position }), 'titanic')).toMatchObject({
      decision: 'HOLD',
      reason: 'sqlite titanic is held at shadow by ada: drill.',
    });
  });

  test('at reverse needs comparisons there of what was called there, and none of writes', () => {
    const writes: CellCounts = { operation: 'execute', stage: 'shadow', match: 50 };
    const before: CellCounts[] = [clean, { ...onLegacy, calls: 9 }, writes];
    const at = (cells: readonly CellCounts[]) =>
      keyOf(verdictOf([...before, ...cells]), 'titanic')?.decision;
    const reverse: CellCounts = { ...clean, stage: 'reverse' };
    expect(at([reverse])).toBe('PROMOTE');
    expect(at([reverse, { operation: 'execute', stage: 'reverse', calls: 50, eligible: 0 }])).toBe(
      'PROMOTE',
    );
    expect(at([reverse, { operation: 'readData', stage: 'reverse', match: 5 }])).toBe(
      'INCONCLUSIVE',
    );
  });
});

describe('gates', () => {
  const bound = {
    gates: [
      { expression: 'mismatch.upper <= 3%', scope: 'shadow', ifMissed: 'hold', title: 'own' },
    ] as const,
  };

  test('the mismatch rate of 0 of n is shown with its upper bound', () => {
    const gate = gateOf(verdictOf([{ ...clean, match: 100 }], bound), 'mismatch.upper <= 3%');
    expect(gate).toMatchObject({ outcome: 'pass', estimate: 0, n: 100, threshold: 0.03 });
    expect(gate.upper).toBeCloseTo(1 - 0.05 ** (1 / 100), 12);
    expect(gate.value).toBe(gate.upper);
  });

  test('the upper bound of few comparisons is inconclusive', () => {
    expect(
      gateOf(verdictOf([{ ...clean, match: 20 }], bound), 'mismatch.upper <= 3%').outcome,
    ).toBe('inconclusive');
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

  test("a file's own gates take the place of the default ones, but a shape's always hold", () => {
    const own = {
      expression: 'comparisons >= 10',
      scope: 'comparing-stage',
      ifMissed: 'inconclusive',
      title: 'A few',
    } as const;
    expect(verdictOf([{ match: 10, mismatch: 5 }], { gates: [own] }).decision).toBe('HOLD');
    const shape = { ...own, scope: 'shape' } as const;
    expect(verdictOf([{ match: 10, mismatch: 5 }], { gates: [own, shape] })).toMatchObject({
      decision: 'PROMOTE',
      gates: [{ outcome: 'pass', value: 15 }],
    });
    const lax = { ...shape, expression: 'mismatch == 0' } as const;
    expect(verdictOf([{ calls: 10, eligible: 10 }], { gates: [lax] }).decision).toBe(
      'INCONCLUSIVE',
    );
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
    'the default gate $expression of a $scope can fail or be inconclusive',
    ({ expression, scope }) => {
      const slow = { legacyMs: latencies(40, 1), pooledMs: latencies(40, 9) };
      const hopeless = verdictOf(
        [
          { stage: 'legacy', dataset: 'other', calls: 50 },
          { stage: 'reverse', dataset: 'other', inconclusive: 2, calls: 20, ...slow },
          { stage: 'legacy', calls: 50 },
          { stage: 'reverse', inconclusive: 20, mismatch: 1, calls: 30, failed: 20, ...slow },
        ],
        {
          dataChecks: [check(false)],
          position: () => ({ guarantees: { order: 'caller', exclusion: 'none', session: 'pin' } }),
        },
        [relied('exclusion')],
      );
      const cohort = verdictOf([
        { ...onLegacy, calls: 50 },
        ...[1, 2, 3, 4, 5, 6].map((at): CellCounts => ({
          stage: 'pooled',
          dataset: `d${String(at)}`,
          calls: 5,
          failed: 1,
        })),
      ]);
      const asked = scope === 'backend' ? cohort : hopeless;
      const own = scope === 'shape' || scope === 'key';
      const found = asked.gates.filter(
        (gate) => gate.expression === expression && (gate.key !== undefined) === own,
      );
      expect(found.map(({ outcome }) => outcome)).toContainEqual(
        expect.stringMatching(/fail|inconclusive/),
      );
    },
  );
});

describe('what callers rely on', () => {
  const kept = { order: 'caller', exclusion: 'process', session: 'pin' } as const;
  const session = relied('session', { use: 'lastWrite' });

  test('is no obstacle where the pooled leg keeps it', () => {
    const verdict = verdictOf([clean], { position: () => ({ guarantees: kept }) }, [
      session,
      relied('order'),
    ]);
    expect(verdict.decision).toBe('PROMOTE');
  });

  test.each([
    ['session', { ...kept, session: 'refuse' }],
    ['session', { ...kept, session: 'none' }],
    ['order', { ...kept, order: 'none' }],
    ['exclusion', { ...kept, exclusion: 'none' }],
  ] as const)('holds the key by name where its flag lets %s go: %j', (guarantee, guarantees) => {
    const verdict = verdictOf([clean], { position: () => ({ guarantees }) }, [relied(guarantee)]);
    expect(verdict.decision).toBe('HOLD');
    const gate = gateOf(verdict, 'unkept == 0');
    expect(gate.reason).toContain(`the pooled leg does not keep that (${guarantee})`);
    expect(gate.reason).toContain('src/orders.ts:12 (query: SELECT last_insert_rowid ( ))');
    expect(gate.next).toContain(`--accept guarantee:${guarantee}`);
  });

  test('holds the key where the leg itself said that it keeps none', () => {
    const verdict = verdictOf([clean], {}, [{ ...session, kept: false }]);
    expect(verdict.decision).toBe('HOLD');
  });

  test('says nothing of other keys', () => {
    const other = { ...session, key: 'iris', kept: false };
    expect(verdictOf([clean], {}, [other]).decision).toBe('PROMOTE');
  });

  test('is accepted by its own name and by no operation', () => {
    const decided = (accepted: readonly string[]): string =>
      verdictOf([clean], { position: () => ({ accepted }) }, [{ ...session, kept: false }])
        .decision;
    expect(decided(['session'])).toBe('HOLD');
    expect(decided(['guarantee:order'])).toBe('HOLD');
    expect(decided(['guarantee:session'])).toBe('PROMOTE');
  });

  test('is asked of whatever a gates file has', () => {
    const gates = [{ expression: 'calls >= 1', scope: 'key', ifMissed: 'hold', title: 'own' }];
    const verdict = verdictOf([clean], { gates: gates as Report['gates'] }, [
      { ...session, kept: false },
    ]);
    expect(verdict.decision).toBe('HOLD');
  });

  test('calls made after their transaction are shown and hold nobody', () => {
    expect(verdictOf([clean], {}, [relied('lateWork', { kept: false })]).decision).toBe('PROMOTE');
  });
});

test('a sample report is promoted without mismatches and held with some', () => {
  expect(decideVerdict(sampleReport({ mismatches: 0 })).decision).toBe('PROMOTE');
  expect(decideVerdict(sampleReport({ mismatches: 10 })).decision).toBe('HOLD');
});
