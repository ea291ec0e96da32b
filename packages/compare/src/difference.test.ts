import { describe, expect, test } from '@jest/globals';
import type { Row, Value } from '@changeover/core';
import fc from 'fast-check';
import { compareDigests, digestResult, digestRows } from './digest.ts';
import { noColumnRules, roundedIn, roundedNumbers } from './column-rules.ts';
import { type DifferenceClass, findDifference, fingerprintOf } from './difference.ts';

const people: readonly Row[] = [
  { id: 1, name: 'Ada', age: 36, city: 'London' },
  { id: 2, name: 'Grace', age: 85, city: 'New York' },
  { id: 3, name: 'Edsger', age: 72, city: 'Nuenen' },
  { id: 4, name: 'Barbara', age: 28, city: 'London' },
];

/** The people with one row changed. */
function withRow(at: number, change: Row): Row[] {
  return people.map((row, place) => (place === at ? { ...row, ...change } : { ...row }));
}

describe('findDifference', () => {
  const table: readonly [
    string,
    unknown,
    unknown,
    boolean,
    DifferenceClass | undefined,
    readonly string[],
  ][] = [
    ['nothing', people, structuredClone(people), true, undefined, []],
    ['another value', people, withRow(1, { age: 86 }), true, 'value', ['age']],
    ['NULL for a value', people, withRow(1, { age: null }), true, 'value', ['age']],
    [
      'NULL for the empty text',
      [{ id: 1, note: '' }],
      [{ id: 1, note: null }],
      true,
      'value',
      ['note'],
    ],
    ['a number as text', people, withRow(2, { age: '72' }), false, 'type', ['age']],
    ['0 for false', [{ id: 1, ok: false }], [{ id: 1, ok: 0 }], true, 'type', ['ok']],
    [
      'a double for a big integer',
      [{ id: 1, n: 2n ** 60n }],
      [{ id: 1, n: 2 ** 60 }],
      true,
      'type',
      ['n'],
    ],
    ['a small integer as bigint', [{ id: 1 }], [{ id: 1n }], true, undefined, []],
    [
      'a buffer for bytes',
      [{ a: Buffer.from('x') }],
      [{ a: new Uint8Array([120]) }],
      true,
      undefined,
      [],
    ],
    ['another key', people, withRow(1, { id: 7 }), true, 'value', ['id']],
    [
      'a value and a type',
      people,
      withRow(1, { age: '85', name: 'grace' }),
      true,
      'type',
      ['name', 'age'],
    ],
    ['the only cell', [{ n: 5 }], [{ n: 6 }], false, 'value', ['n']],
    ['a row less', people, people.slice(1), true, 'missing-row', []],
    [
      'a row more',
      people,
      [...people, { id: 9, name: 'x', age: 1, city: 'y' }],
      true,
      'extra-row',
      [],
    ],
    ['a row twice', people, [people[0], ...people], false, 'extra-row', []],
    [
      'one row for quite another',
      people,
      withRow(1, { id: 9, name: 'x', age: 1, city: 'y' }),
      true,
      'missing-row',
      [],
    ],
    [
      'the last row for another, and a changed one',
      people,
      [...withRow(0, { age: 37 }).slice(0, 3)],
      true,
      'missing-row',
      [],
    ],
    [
      'two columns swapped, the key among them',
      [
        { id: 1, note: 'x', part: 7 },
        { id: 7, note: 'x', part: 9 },
      ],
      [
        { id: 7, note: 'x', part: 1 },
        { id: 9, note: 'x', part: 7 },
      ],
      true,
      'value',
      ['id', 'part'],
    ],
    [
      'all columns swapped',
      [
        { a: 1, b: 'p' },
        { a: 2, b: 'q' },
      ],
      [
        { a: 'p', b: 1 },
        { a: 'q', b: 2 },
      ],
      false,
      'type',
      ['a', 'b'],
    ],
    ['another order', people, [...people].reverse(), true, 'order', []],
    ['another order where none was promised', people, [...people].reverse(), false, undefined, []],
    [
      'another order and a value',
      people,
      withRow(1, { age: 86 }).reverse(),
      true,
      'value',
      ['age'],
    ],
    ['another name', [{ a: 1 }], [{ b: 1 }], true, 'columns', ['a', 'b']],
    ['names in another order', [{ a: 1, b: 2 }], [{ b: 2, a: 1 }], true, 'columns', []],
    [
      'a column less',
      people,
      people.map(({ id, name, age }) => ({ id, name, age })),
      true,
      'columns',
      ['city'],
    ],
    [
      'a cell that is not there',
      people,
      people.map((row, at) => (at === 2 ? { id: 3, name: 'Edsger', age: 72 } : row)),
      true,
      'columns',
      ['city'],
    ],
    ['no rows', people, [], true, 'missing-row', []],
    ['no rows and no rows', [], { columns: ['a'], rows: [] }, true, undefined, []],
    [
      'columns of no rows',
      { columns: ['a'], rows: [] },
      { columns: ['b'], rows: [] },
      true,
      'columns',
      ['a', 'b'],
    ],
    ['zero and minus zero', [{ a: 0 }], [{ a: -0 }], true, 'value', ['a']],
    ['an element of a list', ['a', 'b'], ['a', 'c'], true, 'value', []],
    ['an element less', ['a', 'b', 'c'], ['a', 'c'], true, 'missing-row', []],
    ['the order of a list', ['a', 'b'], ['b', 'a'], true, 'order', []],
    ['a flag', true, false, true, 'value', []],
    ['a flag as a number', true, 1, true, 'type', []],
    [
      'a place inside',
      { count: 3, columns: [{ type: 'INTEGER' }] },
      { count: 3, columns: [{ type: 'BIGINT' }] },
      true,
      'value',
      ['columns[0].type'],
    ],
    ['a field inside', { a: { b: 1 } }, { a: { b: 1, c: 2 } }, true, 'columns', ['a.c']],
    ['rows and no rows', [{ a: 1 }], 5, true, 'type', []],
  ];
  test.each(table)('tells of %s', (_name, legacy, pooled, ordered, expected, columns) => {
    const found = findDifference(legacy, pooled, ordered);
    expect([found?.class, found?.columns ?? []]).toEqual([expected, columns]);
    expect(found === undefined || found.class === 'columns' || found.cells.length > 0).toBe(true);
  });

  test.each(['valueOf', 'toString', 'constructor', 'hasOwnProperty', '__proto__', 'length', ''])(
    'takes a column named %j for any other',
    (name) => {
      const rows = (value: unknown): Row[] =>
        [1, 2, 3].map((id) => {
          const row: Row = { id };
          Object.defineProperty(row, name, { value: id === 2 ? value : 'x', enumerable: true });
          return row;
        });
      expect(findDifference(rows('a'), rows('a'), true)).toBeUndefined();
      const found = findDifference(rows('a'), rows('b'), true);
      expect([found?.class, found?.columns]).toEqual(['value', [name]]);
      expect(digestRows(rows('a'))).not.toEqual(digestRows(rows('b')));
    },
  );

  test('tells zeros apart wherever they are, in rows that deep equality takes for the same', () => {
    const rows = (zero: number): Row[] => [
      { id: 1, v: 1 },
      { id: 2, v: [{ a: zero }] },
      { id: 3, v: 1 },
    ];
    expect(findDifference(rows(0), rows(0), true)).toBeUndefined();
    expect(findDifference(rows(0), rows(-0), true)?.columns).toEqual(['v']);
  });

  test('shows where, on both sides', () => {
    expect(findDifference(people, withRow(2, { age: 73, city: null }), true)?.cells).toEqual([
      { row: 2, column: 'age', legacy: 72, pooled: 73 },
      { row: 2, column: 'city', legacy: 'Nuenen', pooled: null },
    ]);
    expect(findDifference(people, people.slice(1), true)?.cells).toEqual([
      { row: 0, column: undefined, legacy: people[0], pooled: undefined },
    ]);
    expect(findDifference(['a', 'b'], ['a', 'c'], true)?.cells).toEqual([
      { row: 1, column: '[1]', legacy: 'b', pooled: 'c' },
    ]);
  });

  test('shows the first row that stands elsewhere', () => {
    const [first, ...others] = people;
    expect(findDifference(people, [first, ...others.reverse()], true)?.cells).toEqual([
      { row: 1, column: undefined, legacy: people[1], pooled: people[3] },
    ]);
  });

  test('shows no more than a few places, however many there are, and counts the rows', () => {
    const many = Array.from({ length: 30_000 }, (_, id): Row => ({ id, x: id * 2 }));
    const found = findDifference(
      many,
      many.map((row) => ({ ...row, x: 'no' })),
      false,
    );
    expect([found?.class, found?.cells.length, found?.rows]).toEqual([
      'type',
      5,
      { missing: 0, extra: 0, changed: 30_000 },
    ]);
  });
});

describe('a random fault in a random table', () => {
  type Fault = (
    rows: readonly Row[],
    at: number,
    column: string,
  ) => { rows: Row[]; expected: DifferenceClass; columns: readonly string[] };
  const replace = (rows: readonly Row[], at: number, column: string, value: Value): Row[] =>
    rows.map((row, place) => (place === at ? { ...row, [column]: value } : row));
  const cell = (rows: readonly Row[], at: number, column: string): Value =>
    rows[at]?.[column] ?? null;
  const bump = (value: Value): Value =>
    typeof value === 'number' ? value + 1 : `${JSON.stringify(value)} `;
  const faults: Readonly<Record<string, Fault>> = {
    'another value': (rows, at, column) => {
      const value = cell(rows, at, column);
      return {
        rows: replace(rows, at, column, value === null ? 1 : bump(value)),
        expected: 'value',
        columns: [column],
      };
    },
    'a lost value': (rows, at, column) => {
      const value = cell(rows, at, column);
      return {
        rows: replace(rows, at, column, value === null ? '' : null),
        expected: 'value',
        columns: [column],
      };
    },
    'another type': (rows, at, column) => {
      const value = cell(rows, at, column);
      if (value === null)
        return { rows: replace(rows, at, column, 0), expected: 'value', columns: [column] };
      const other = typeof value === 'string' ? [value] : JSON.stringify(value);
      return { rows: replace(rows, at, column, other), expected: 'type', columns: [column] };
    },
    'a row less': (rows, at) => ({
      rows: rows.filter((_, place) => place !== at),
      expected: 'missing-row',
      columns: [],
    }),
    'a row twice': (rows, at) => ({
      rows: [...rows, { ...rows[at] }] as Row[],
      expected: 'extra-row',
      columns: [],
    }),
    'two rows swapped': (rows, at) => {
      const other = (at + 1) % rows.length;
      const turned = rows.map(
        (row, place) => (place === at ? rows[other] : place === other ? rows[at] : row) ?? row,
      );
      return { rows: turned, expected: 'order', columns: [] };
    },
    'a column renamed': (rows, _at, column) => ({
      rows: rows.map((row) =>
        Object.fromEntries(
          Object.entries(row).map(([name, value]) => [name === column ? `${name}_` : name, value]),
        ),
      ),
      expected: 'columns',
      columns: [column, `${column}_`],
    }),
  };
  const rows = fc
    .integer({ min: 2, max: 40 })
    .chain((count) =>
      fc.array(
        fc.record({
          name: fc.string({ unit: 'binary', maxLength: 3 }),
          small: fc.integer({ min: 0, max: 3 }),
          price: fc.option(fc.integer().map((n) => n / 7 + 0.1)),
        }),
        { minLength: count, maxLength: count },
      ),
    )
    .map((list) => list.map((row, id): Row => ({ id, ...row })));

  test.each(Object.entries(faults))('%s is found, with its class and its column', (name, fault) => {
    fc.assert(
      fc.property(
        rows,
        fc.nat(),
        fc.constantFrom('id', 'name', 'small', 'price'),
        fc.boolean(),
        (list, place, column, shuffled) => {
          const at = place % list.length;
          const { rows: faulty, expected, columns } = fault(list, at, column);
          // Two rows may be one but for the key, and a key changed to another's value is a row twice.
          if (
            column === 'id' &&
            columns.length > 0 &&
            expected !== 'columns' &&
            at + 1 < list.length
          )
            return;
          const ordered = expected === 'order' || !shuffled;
          const given = ordered ? faulty : [...faulty].reverse();
          const found = findDifference(list, given, ordered);
          expect([name, found?.class, found?.columns]).toEqual([name, expected, columns]);
          expect(compareDigests(digestRows(list), digestResult(given, 'rows'), ordered)).not.toBe(
            'equal',
          );
        },
      ),
      { seed: 7, numRuns: 400 },
    );
  });

  const anyRows = fc.array(
    fc.record({ a: fc.integer({ min: 0, max: 2 }), b: fc.constantFrom(null, '', '0', 0, -0) }),
    { maxLength: 6 },
  );
  test('is found exactly when the digests differ, in tables without a key too', () => {
    fc.assert(
      fc.property(anyRows, anyRows, fc.boolean(), (a, b, ordered) => {
        const same = compareDigests(digestRows(a), digestRows(b), ordered) === 'equal';
        const found = findDifference(a, b, ordered);
        expect(found === undefined).toBe(same);
        const order = compareDigests(digestRows(a), digestRows(b), true) === 'order';
        expect(found?.class === 'order').toBe(order && ordered);
        if (found?.class === 'missing-row')
          expect(found.rows.missing - found.rows.extra).toBe(a.length - b.length);
      }),
      { seed: 8, numRuns: 2_000 },
    );
  });
});

describe('fingerprintOf', () => {
  const of = (pooled: unknown): string => {
    const found = findDifference(people, pooled, true);
    return found === undefined ? '' : fingerprintOf('readTable', found);
  };

  test('is one for one reason, whatever the values and the row', () => {
    expect(of(withRow(1, { age: 86 }))).toBe(of(withRow(2, { age: 0 })));
    expect(of(withRow(1, { age: 86 }))).toBe('readTable:value:"age":number/number');
  });

  test('differs by operation, class, column and types', () => {
    const all = [
      of(withRow(1, { age: 86 })),
      of(withRow(1, { age: null })),
      of(withRow(1, { age: '85' })),
      of(withRow(1, { name: '' })),
      of(people.slice(1)),
      of([...people].reverse()),
      of([...people, ...people.slice(1)]),
    ];
    expect(new Set(all).size).toBe(all.length);
  });

  test('holds no value and stays short', () => {
    const wide = Object.fromEntries(
      Array.from({ length: 200 }, (_, at) => [`column ${String(at)}`, 'secret'] as const),
    );
    const found = findDifference(
      [wide],
      [Object.fromEntries(Object.keys(wide).map((name) => [name, 'hidden']))],
      true,
    );
    const fingerprint = found === undefined ? '' : fingerprintOf('query', found);
    expect(fingerprint).toContain('and 192 more');
    expect(fingerprint).not.toMatch(/secret|hidden/);
  });

  test('leaves out which element of a nested list it was', () => {
    const at = (place: number): string => {
      const columns = Array.from({ length: 4 }, (_, column) => ({
        type: column === place ? 'TEXT' : 'INTEGER',
      }));
      const found = findDifference(
        { columns: columns.map(() => ({ type: 'INTEGER' })) },
        { columns },
        true,
      );
      return found === undefined ? '' : fingerprintOf('getTableInfo', found);
    };
    expect(at(1)).toBe(at(3));
    expect(at(1)).toBe('getTableInfo:value:"columns[].type":string/string');
  });
});

test('a row whose numbers all became texts is the same row with other types, though its key changed with them', () => {
  const legacy = Array.from({ length: 50 }, (_, id) => ({ id, amount: id * 1.5, name: `n${id}` }));
  const pooled = legacy.map((row) =>
    row.id === 7 ? { id: '7', amount: '10.5', name: 'n7' } : row,
  );
  const difference = findDifference(legacy, pooled, true);
  expect([difference?.class, difference?.columns, difference?.rows]).toEqual([
    'type',
    ['id', 'amount'],
    { missing: 0, extra: 0, changed: 1 },
  ]);
});

test('rows that only loose columns tell apart have their places all the same', () => {
  const rows = [
    { kind: 'a', sum: 1.5 },
    { kind: 'b', sum: 2.5 },
  ];
  const other = [...rows].reverse();
  expect(findDifference(rows, other, true, roundedNumbers)?.class).toBe('order');
  expect(findDifference(rows, other, false, roundedNumbers)).toBeUndefined();
  expect(
    findDifference(
      rows,
      rows.map(({ kind, sum }) => ({ kind, sum: sum + 1e-12 })),
      true,
      roundedNumbers,
    ),
  ).toBeUndefined();
});

describe('an answer that is no list of rows', () => {
  const statistics = { count: 200_000, min: 0, max: 23.98, mean: 13.775850833332878, std: null };
  const added = { ...statistics, mean: 13.775850833332925 };

  test('may differ in the last digits where a rule says so, and nowhere else', () => {
    expect(findDifference(statistics, added, false)?.columns).toEqual(['mean']);
    expect(findDifference(statistics, added, false, roundedNumbers)).toBeUndefined();
    expect(findDifference(statistics, added, false, roundedIn(['mean']))).toBeUndefined();
    expect(findDifference(statistics, added, false, roundedIn(['std']))?.columns).toEqual(['mean']);
    const more = { ...added, count: 200_001 };
    expect(findDifference(statistics, more, false, roundedIn(['mean']))?.columns).toEqual([
      'count',
    ]);
    const large = { ...statistics, max: 2 ** 53 };
    const next = { ...statistics, max: 2 ** 53 - 1 };
    expect(findDifference(large, next, false, roundedIn(['mean']))?.columns).toEqual(['max']);
  });

  test('may differ in what is left of numbers that cancel out, in proportion to those', () => {
    const [one, other] = [{ mean: 3.1e-11 }, { mean: -1.7e-10 }];
    expect(findDifference(one, other, false, roundedIn(['mean']))?.class).toBe('value');
    expect(findDifference(one, other, false, roundedIn(['mean'], -1e6))).toBeUndefined();
    expect(
      findDifference({ mean: 0.1 }, { mean: 0.2 }, false, roundedIn(['mean'], 1e6)),
    ).toBeDefined();
  });

  test('may have a field that a rule leaves out, on one side alone as well', () => {
    const rules = { ...noColumnRules, ignores: (name: string) => name === 'a.at' };
    expect(
      findDifference({ a: { at: 1, b: 2 } }, { a: { at: 2, b: 2 } }, false, rules),
    ).toBeUndefined();
    expect(findDifference({ a: { b: 2 } }, { a: { at: 2, b: 2 } }, false, rules)).toBeUndefined();
    expect(findDifference({ a: { b: 1 } }, { a: { at: 2, b: 2 } }, false, rules)?.columns).toEqual([
      'a.b',
    ]);
  });
});
