import { describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { defaultGates, figureNames, gateLimits } from './default-gates.ts';
import { GateFileError, gateScopes, gatesIn, parseGates } from './gate-file.ts';
import { sampleReport } from '../../../../operate/src/report/test-kit/sample-report.ts';
import { decideVerdict } from './verdict.ts';

const docs = readFileSync(new URL('../../../../../docs/gates.md', import.meta.url), 'utf8');

function file(gates: unknown): string {
  return JSON.stringify({ gates }, undefined, 2);
}

function expressionOf(scope: string, figure: string): string {
  const found = defaultGates.find(
    (gate) => gate.scope === scope && gate.expression.startsWith(figure),
  );
  return found?.expression ?? 'none';
}

function ratioOf(scope: string): string {
  return /[\d.]+$/.exec(expressionOf(scope, 'latency-p50-ratio'))?.[0] ?? 'none';
}

describe('docs/gates.md', () => {
  test('shows the default gates as a file', () => {
    const [, shown = ''] = /^```json\n(\{\n {2}"gates".*?)^```$/ms.exec(docs) ?? [];
    expect([...parseGates(shown, 'docs/gates.md')]).toEqual(
      defaultGates.map((gate) => ({ ...gate })),
    );
  });

  test('has the figures of the defaults in its text', () => {
    const text = docs.slice(0, docs.indexOf('## What is not compared')).replaceAll('\n', ' ');
    const { ownComparisons, ownWhereCohortProved, cohortProof, smallestMedian, latencyFloorMs } =
      gateLimits;
    for (const phrase of [
      `comparisons of its own: ${String(ownComparisons)} at the key's stage`,
      `It needs ${String(ownComparisons)} calls`,
      `needs ${String(ownWhereCohortProved)} comparisons of the key's own`,
      `needs ${String(ownWhereCohortProved)} calls`,
      `compared in ${String(cohortProof)} times`,
      `differ by no more than ${String(latencyFloorMs)} ms`,
      `${String(smallestMedian)} calls on each leg`,
      ...['key', 'answering-stage'].map((scope) => `${ratioOf(scope)} times the legacy one`),
      `needs ${/\d+/.exec(expressionOf('comparing-stage', 'comparisons'))?.[0] ?? ''} comparisons, of which`,
    ])
      expect(text).toContain(phrase);
  });

  test('has each figure in its table, and no other', () => {
    const table = docs.slice(docs.indexOf('| figure |'));
    expect([...table.matchAll(/^\| `([a-z0-9-]+)` \|/gm)].map(([, name]) => name)).toEqual([
      ...figureNames,
    ]);
  });

  test('has each place in its table, and no other', () => {
    const table = docs.slice(docs.indexOf('| asked at |'), docs.indexOf('| `ifMissed` |'));
    const named = [...table.matchAll(/^\| (`[^|]*`) \|/gm)].flatMap(
      ([, names = '']) => names.match(/[a-z-]+/g) ?? [],
    );
    expect(named).toEqual([...gateScopes]);
  });
});

test('an expression alone is a gate that holds datasets back where it is missed', () => {
  expect(parseGates(file({ shadow: ['mismatch.upper < 0.1%'] }), 'gates.json')).toEqual([
    {
      expression: 'mismatch.upper < 0.1%',
      scope: 'shadow',
      title: 'mismatch.upper < 0.1%',
      ifMissed: 'hold',
    },
  ]);
});

test('a gate of one stage is asked there alone', () => {
  const gates = parseGates(
    file({ reverse: ['comparisons >= 1'], shadow: ['mismatch == 0'] }),
    'gates.json',
  );
  const asked = decideVerdict({ ...sampleReport({ mismatches: 0 }), gates }).gates;
  expect(new Set(asked.map(({ stage, expression }) => `${stage ?? ''} ${expression}`))).toEqual(
    new Set(['reverse comparisons >= 1', 'shadow mismatch == 0']),
  );
});

test.each([
  ['{"gates": {', /^g\.json: this is no JSON: /],
  ['[]', /an object with "gates" is expected/],
  ['{"gates": []}', /line 1: "gates" must be an object of lists .*comparing-stage.*pooled/],
  ['{"gate": {}}', /line 1: there is no "gate"; allowed: \$schema, gates/],
  ['{"gates": {}}', /there is no gate in it/],
  [
    file({ shade: [] }),
    /line 3: gates can't be asked at "shade"; allowed: shape, key, comparing-stage, .*reverse/,
  ],
  [file({ shadow: 'mismatch == 0' }), /line 3: "shadow" must be a list/],
  [file({ shadow: [7] }), /a gate of "shadow" must be an expression or an object with one, not 7/],
  [file({ shadow: [{ title: 'x' }] }), /has no "expression"/],
  [
    file({ shadow: ['comparisons >= 1', 'mismatches < 1%'] }),
    /line 5: there is no figure "mismatches"; known: comparisons, .*data-checks/,
  ],
  [
    file({ shadow: ['mismatch is small'] }),
    /line 4: "mismatch is small" is no gate: write FIGURE OPERATOR NUMBER/,
  ],
  [
    file({ shadow: [{ expression: 'mismatch == 0', ifMissed: 'panic' }] }),
    /line 5: .*"panic"; allowed: inconclusive, hold, roll-back, by-stage/,
  ],
  [
    file({ shadow: [{ expression: 'mismatch == 0', scope: 'x' }] }),
    /line 5: there is no "scope"; allowed: expression, title, ifMissed/,
  ],
])('refuses %s with its line and what is allowed', (text, message) => {
  expect(() => parseGates(text, 'g.json')).toThrow(message);
  expect(() => parseGates(text, 'g.json')).toThrow(GateFileError);
});

test('without a file the default gates hold, and a named one that is missing is an error', () => {
  expect(gatesIn(undefined)).toBe(defaultGates);
  expect(() => gatesIn('/no/such/gates.json')).toThrow(
    /The gates file \/no\/such\/gates\.json can't be read: ENOENT/,
  );
});
