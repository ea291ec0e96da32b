import { describe, expect, test } from '@jest/globals';
import { findDifference } from './difference.ts';
import { type ComparisonRule, parseRules, RuleBook } from './rules.ts';

const difference = (book: RuleBook, legacy: unknown, pooled: unknown): string | undefined =>
  findDifference(legacy, pooled, false, book.for('readTable', 'titanic'))?.class;

describe('a rule', () => {
  const table: readonly [string, ComparisonRule, unknown, unknown, boolean][] = [
    ['ignores a column', { kind: 'ignore-column', column: 'v' }, 1, 'x', true],
    ['ignores no other column', { kind: 'ignore-column', column: 'w' }, 1, 2, false],
    [
      'lets floats be near',
      { kind: 'tolerance', column: 'v', relative: 1e-9 },
      1e6,
      1e6 + 1e-4,
      true,
    ],
    [
      'lets floats be no further',
      { kind: 'tolerance', column: 'v', relative: 1e-9 },
      1e6,
      1e6 + 1e-2,
      false,
    ],
    [
      'lets numbers be near by an amount',
      { kind: 'tolerance', column: 'v', absolute: 0.5 },
      1,
      1.5,
      true,
    ],
    [
      'lets zero and minus zero be near',
      { kind: 'tolerance', column: 'v', absolute: 0 },
      0,
      -0,
      true,
    ],
    [
      'holds NULL to be near to nothing',
      { kind: 'tolerance', column: 'v', absolute: 5 },
      0,
      null,
      false,
    ],
    [
      'holds NaN to be near to nothing else',
      { kind: 'tolerance', column: 'v', absolute: 5 },
      0,
      NaN,
      false,
    ],
    [
      'holds infinities to be apart',
      { kind: 'tolerance', column: 'v', relative: 1 },
      Infinity,
      -Infinity,
      false,
    ],
    [
      'holds texts to be near to nothing',
      { kind: 'tolerance', column: 'v', absolute: 5 },
      '1',
      '1.0',
      false,
    ],
    [
      'lets times be near',
      { kind: 'time-tolerance', column: 'v', withinMs: 1 },
      '2026-01-31 23:59:59.9995',
      '2026-02-01 00:00:00',
      true,
    ],
    [
      'lets times be no further',
      { kind: 'time-tolerance', column: 'v', withinMs: 0.001 },
      '2026-01-31 12:00:00.000001',
      '2026-01-31 12:00:00.000003',
      false,
    ],
    [
      'reads time zones',
      { kind: 'time-tolerance', column: 'v', withinMs: 0 },
      '2026-01-31T12:00:00+02',
      '2026-01-31 10:00:00Z',
      true,
    ],
    [
      'reads half-hour zones',
      { kind: 'time-tolerance', column: 'v', withinMs: 0 },
      '2026-01-31T12:00:00-03:30',
      '2026-01-31 15:30:00Z',
      true,
    ],
    [
      'holds a time with a zone apart from one without',
      { kind: 'time-tolerance', column: 'v', withinMs: 9e9 },
      '2026-01-31 12:00:00',
      '2026-01-31 12:00:00Z',
      false,
    ],
    [
      'holds what is no time apart',
      { kind: 'time-tolerance', column: 'v', withinMs: 9e9 },
      'today',
      '2026-01-31',
      false,
    ],
    [
      'reads years before 100',
      { kind: 'time-tolerance', column: 'v', withinMs: 1 },
      '0050-01-01',
      '1950-01-01',
      false,
    ],
    [
      'compares JSON by value',
      { kind: 'json', column: 'v' },
      '{"a":1,"b":[1.0,2]}',
      '{ "b": [1, 20e-1], "a": 1 }',
      true,
    ],
    [
      'compares JSON to the last digit',
      { kind: 'json', column: 'v' },
      '10000000000000000000001',
      '10000000000000000000002',
      false,
    ],
    ['compares JSON lists in order', { kind: 'json', column: 'v' }, '[1,2]', '[2,1]', false],
    [
      'takes no data for a number that it keeps apart',
      { kind: 'json', column: 'v' },
      '{"#number":"1e0"}',
      '1',
      false,
    ],
    ['tells a JSON number from its text', { kind: 'json', column: 'v' }, '"1"', '1', false],
    ['holds what is no JSON apart', { kind: 'json', column: 'v' }, '{', '{ ', false],
    [
      'asks the user',
      {
        kind: 'comparator',
        column: 'v',
        same: (a, b) => String(a).toLowerCase() === String(b).toLowerCase(),
      },
      'A',
      'a',
      true,
    ],
    ['holds elsewhere', { kind: 'ignore-column', column: 'v', dataset: 'other' }, 1, 2, false],
    [
      'holds for another operation',
      { kind: 'ignore-column', column: 'v', operation: 'query' },
      1,
      2,
      false,
    ],
    [
      'holds here',
      { kind: 'ignore-column', column: 'v', operation: 'readTable', dataset: 'titanic' },
      1,
      2,
      true,
    ],
  ];
  test.each(table)('%s', (_name, rule, legacy, pooled, passes) => {
    const book = new RuleBook([rule]);
    const rows = (value: unknown): unknown => [
      { id: 1, v: 'same' },
      { id: 2, v: value },
      { id: 3, v: 'same' },
    ];
    expect(difference(book, rows(legacy), rows(pooled)) === undefined).toBe(passes);
    expect(book.uses()[0]?.dead).toBe(!passes);
  });

  test('that lets values pass hides no other difference', () => {
    const book = new RuleBook([
      { kind: 'tolerance', column: 'v', absolute: 1 },
      { kind: 'ignore-column', column: 'at' },
    ]);
    const rows = [
      { id: 1, v: 1, at: 1 },
      { id: 2, v: 2, at: 2 },
    ];
    expect(
      difference(book, rows, [
        { id: 1, v: 1.5, at: 5 },
        { id: 3, v: 2, at: 6 },
      ]),
    ).toBe('value');
    expect(difference(book, rows, [{ id: 1, v: 1.5, at: 5 }])).toBe('missing-row');
    expect(
      difference(book, rows, [
        { id: 1, v: 1.5, at: 5, more: 1 },
        { id: 2, v: 2, at: 1, more: 1 },
      ]),
    ).toBe('columns');
    expect(
      difference(book, rows, [
        { id: 1, v: 1.5, at: 5 },
        { id: 2, v: 2, at: 1, more: 1 },
      ]),
    ).toBe('columns');
    expect(
      difference(book, rows, [
        { id: 2, v: 1, at: 5 },
        { id: 1, v: 2, at: 5 },
      ]),
    ).toBeUndefined();
    expect(
      difference(book, rows, [
        { id: 1, v: 1.5 },
        { id: 2, v: 2 },
      ]),
    ).toBeUndefined();
  });

  test('is counted once a comparison, and only where it mattered', () => {
    const book = new RuleBook([
      { kind: 'tolerance', column: 'v', absolute: 1 },
      { kind: 'order-free', dataset: 'titanic' },
    ]);
    const rows = [
      { id: 1, v: 1 },
      { id: 2, v: 2 },
    ];
    expect(difference(book, rows, structuredClone(rows))).toBeUndefined();
    expect(book.uses().map(({ uses, dead }) => [uses, dead])).toEqual([
      [0, true],
      [0, true],
    ]);
    expect(
      difference(
        book,
        rows,
        rows.map((row) => ({ ...row, v: row.v + 0.5 })),
      ),
    ).toBeUndefined();
    const rules = book.for('query', 'titanic');
    expect([rules.orderFree, book.for('query', 'other').orderFree]).toEqual([true, false]);
    rules.usedOrderFree();
    rules.usedOrderFree();
    expect(book.uses().map(({ uses }) => uses)).toEqual([1, 1]);
  });

  test('whose comparator throws lets nothing pass and is reported', () => {
    const book = new RuleBook([
      {
        kind: 'comparator',
        column: 'v',
        same: () => {
          throw new Error('no');
        },
      },
    ]);
    expect(difference(book, [{ id: 1, v: 1 }], [{ id: 1, v: 2 }])).toBe('value');
    expect(book.uses()[0]).toMatchObject({ uses: 0, failures: 1, dead: true });
  });
});

describe('parseRules', () => {
  test('takes what is right, frozen', () => {
    const orderFree = '{"kind":"order-free","operation":"query","reason":"no ORDER BY"}';
    const rules = parseRules(
      JSON.parse(`[${orderFree},{"kind":"tolerance","column":"a","relative":1e-9}]`),
    );
    expect(rules).toHaveLength(2);
    expect(Object.isFrozen(rules) && rules.every((rule) => Object.isFrozen(rule))).toBe(true);
  });

  test.each([
    [{}, 'must be a list'],
    [[5], 'must be an object'],
    [[{ kind: 'ignore' }], 'kind must be one of'],
    [[{ kind: 'ignore-column' }], 'column must be text'],
    [[{ kind: 'order-free', column: 'a' }], 'unknown key "column"'],
    [[{ kind: 'tolerance', column: 'a' }], 'give absolute, relative or both'],
    [[{ kind: 'tolerance', column: 'a', relative: -1 }], '0 or more'],
    [[{ kind: 'tolerance', column: 'a', relative: '1' }], 'must be a number'],
    [[{ kind: 'time-tolerance', column: 'a' }], 'withinMs is missing'],
    [[{ kind: 'comparator', column: 'a', same: () => true }], 'kind must be one of'],
    [[{ kind: 'order-free', dataset: 5 }], 'dataset must be text'],
    [Array.from({ length: 1_001 }, () => ({ kind: 'order-free' })), 'too many'],
  ])('refuses %j', (json, message) => {
    expect(() => parseRules(json)).toThrow(message);
  });
});
