import { describe, expect, test } from '@jest/globals';
import type { Digest, Row } from '@changeover/core';
import fc from 'fast-check';
import { CanonicalWriter, encodeCanonical } from './canonical.ts';
import {
  addOrderFree,
  compareDigests,
  digestInSteps,
  digestResult,
  digestRows,
  digestValue,
  RowsDigester,
  subtractOrderFree,
} from './digest.ts';
import { WordHash } from './word-hash.ts';

/** The same hash by its definition, in 64-bit integers, over the bytes of the encoding. */
function hashByDefinition(bytes: Uint8Array): string {
  const word32 = (n: bigint): bigint => BigInt.asUintN(32, n);
  const rotate = (n: bigint, by: bigint): bigint => word32((n << by) | (n >> (32n - by)));
  const spread = (n: bigint): bigint => {
    let mixed = n ^ (n >> 16n);
    mixed = word32(mixed * 0x85ebca6bn);
    mixed ^= mixed >> 13n;
    mixed = word32(mixed * 0xc2b2ae35n);
    return mixed ^ (mixed >> 16n);
  };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = BigInt(bytes.length / 4);
  let a = 0x2d519c3bn;
  let b = 0x7a6f0e85n;
  for (let at = 0; at < bytes.length; at += 4) {
    let word = word32(BigInt(view.getUint32(at, true)) * 0xcc9e2d51n);
    word ^= word >> 15n;
    a = rotate(word32((a ^ word) * 0x9e3779b1n), 13n);
    b = rotate(word32((b + word) * 0x85ebca77n), 19n);
  }
  const both = word32((a ^ count) + (b ^ count));
  const left = spread(both);
  const right = spread(word32((b ^ count) + both));
  const low = word32(left + right);
  return ((word32(right + low) << 32n) | low).toString(16).padStart(16, '0');
}

const rows: Row[] = [
  { id: 1, name: 'Ada', born: '1815-12-10', note: null },
  { id: 2, name: 'Grace', born: '1906-12-09', note: '' },
  { id: 3n, name: 'Edsger', born: '1930-05-11', note: 'null' },
];
const columns = ['id', 'name', 'born', 'note'];

describe('a digest', () => {
  test('is the documented hash of the canonical encoding and of nothing else', () => {
    fc.assert(
      fc.property(fc.anything({ maxDepth: 2 }), (value) => {
        expect(digestValue(value).ordered).toBe(hashByDefinition(encodeCanonical(value)));
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  test("of rows is the sum of the rows' hashes, and in order the hash of these, low half first", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ a: fc.integer(), b: fc.string() }), { maxLength: 5 }),
        (list) => {
          const hashes = list.map((row) => {
            const writer = new CanonicalWriter();
            writer.rowValues([row.a, row.b]);
            return BigInt(`0x${hashByDefinition(writer.toBytes())}`);
          });
          const bytes = new DataView(new ArrayBuffer(list.length * 8));
          for (const [at, hash] of hashes.entries()) bytes.setBigUint64(at * 8, hash, true);
          const sum = BigInt.asUintN(
            64,
            hashes.reduce((total, hash) => total + hash, 0n),
          );
          const digest = digestRows(list, ['a', 'b']);
          expect(digest.ordered).toBe(hashByDefinition(new Uint8Array(bytes.buffer)));
          expect(digest.orderFree).toBe(sum.toString(16).padStart(16, '0'));
        },
      ),
      { seed: 5, numRuns: 200 },
    );
  });

  test('of rows is the same from objects, from lists, in any order of keys and from `{columns, rows}`', () => {
    const lists = new RowsDigester(columns);
    for (const row of rows) lists.addValues(Object.values(row));
    const turned = rows.map((row) => Object.fromEntries(Object.entries(row).reverse()));
    const all = [
      digestRows(rows),
      digestRows(rows, columns),
      lists.finish(),
      digestRows(turned, columns),
      digestResult(rows, 'rows'),
      digestResult({ columns, rows }, 'rows'),
      digestResult({ columns, rows: turned }, 'rows'),
    ];
    for (const digest of all) expect(digest).toEqual(all[0]);
    expect(all[0]).toMatchObject({ kind: 'rows', count: 3 });
  });

  test('of rows with other keys equals no digest of rows that fit', () => {
    const given: readonly (readonly Row[])[] = [
      [{ a: 1, b: null }],
      [{ a: 1 }],
      [{ a: 1, b: undefined as never }],
      [{ a: 1, b: null, c: null }],
      [{ a: 1, b: null, d: null }],
      [{ b: null }],
      [{ a: 1, c: null }],
      [{}],
      [{ a: 1, b: { c: null } }],
    ];
    const digests = given.map((list) => digestRows(list, ['a', 'b']).ordered);
    expect(new Set(digests).size).toBe(given.length);
  });

  test('of rows with unequal keys does not depend on which row comes first', () => {
    const a = digestRows([{ a: 1 }, { b: 2 }]);
    const b = digestRows([{ b: 2 }, { a: 1 }]);
    expect(compareDigests(a, b)).toBe('order');
    expect(compareDigests(a, digestRows([{ a: 1 }, { c: 2 }]))).toBe('different');
    expect(compareDigests(a, digestRows([{ a: 2 }, { b: 1 }]))).toBe('different');
    expect(compareDigests(a, digestRows([{ a: 1 }, { a: 2 }]))).toBe('different');
  });

  test.each([
    ['a number', 5],
    ['a list of lists', [[1], [2]]],
    ['a list with one null', [{ a: 1 }, null]],
    ['a list of dates', [new Date(0)]],
    ['a list of bytes', [new Uint8Array(1)]],
    ['more than columns and rows', { columns: ['a'], rows: [], more: 1 }],
    ['null', null],
    ['columns that are no names', { columns: [1], rows: [] }],
  ])('of %s is taken as a value though rows were promised', (_name, value) => {
    expect(digestResult(value, 'rows')).toEqual(digestValue(value));
  });

  test('counts rows of a kind that hides its fields as what it is', () => {
    expect(digestResult([new URL('http://a.example')], 'rows').ordered).not.toBe(
      digestResult([new URL('http://b.example')], 'rows').ordered,
    );
  });

  test('refuses a list of values that has not one for each column, and keeps what it has', () => {
    const digester = new RowsDigester(['a', 'b']);
    digester.addValues([1, 2]);
    const before = digester.finish();
    expect(() => {
      digester.addValues([1]);
    }).toThrow(RangeError);
    expect(() => {
      digester.addValues([1, 2, 3]);
    }).toThrow(RangeError);
    expect(() => {
      digester.addValues([1, Symbol('no data')]);
    }).toThrow(TypeError);
    expect(digester.finish()).toEqual(before);
  });
});

describe('a digest in steps', () => {
  const even = Array.from({ length: 10 }, (_, id) => ({ id }));
  test.each([
    { of: 'rows', result: even, steps: [3, 3] },
    {
      of: 'rows of which one has another key',
      result: [...even.slice(0, 5), { id: 5, more: 1 }, ...even.slice(5)],
      steps: [3, 4],
    },
    { of: 'columns and rows', result: { columns: ['id'], rows: even }, steps: [3, 3] },
    { of: 'one step to the row', result: even, steps: [1, 10] },
    { of: 'no rows', result: [], steps: [3, 0] },
    { of: 'what is no rows', result: { count: 3 }, steps: [3, 0] },
  ])(
    'of $of is the same as in one go, with a rest after so many rows',
    ({ result, steps: [rowsPerStep = 0, rests] }) => {
      const steps = digestInSteps(result, 'rows', rowsPerStep);
      let taken = 0;
      let step = steps.next();
      for (; step.done !== true; step = steps.next()) taken += 1;
      expect(step.value).toEqual(digestResult(result, 'rows'));
      expect(taken).toBe(rests);
    },
  );
});

describe('compareDigests', () => {
  const whole = digestRows(rows);
  const turned = digestRows([...rows].reverse());
  const table: readonly [string, Digest, Digest, boolean, string][] = [
    ['the same rows', whole, digestRows(structuredClone(rows)), true, 'equal'],
    ['another order where order is promised', whole, turned, true, 'order'],
    ['another order where none is promised', whole, turned, false, 'equal'],
    ['a row less', whole, digestRows(rows.slice(1)), false, 'different'],
    ['a row twice', whole, digestRows([rows[0], rows[0], rows[1]] as Row[]), false, 'different'],
    ['other names', digestRows([{ a: 1 }]), digestRows([{ b: 1 }]), false, 'different'],
    [
      'columns in another order',
      digestRows([{ a: 1, b: 1 }]),
      digestRows([{ b: 1, a: 1 }]),
      false,
      'different',
    ],
    [
      'no rows, columns seen by one side only',
      digestRows([]),
      digestRows([], ['a']),
      true,
      'equal',
    ],
    ['no rows, different columns', digestRows([], ['b']), digestRows([], ['a']), true, 'different'],
    ['no rows and a value', digestRows([]), digestValue([]), false, 'different'],
    ['one value and another', digestValue(1), digestValue('1'), false, 'different'],
  ];
  test.each(table)('%s', (_name, a, b, ordered, expected) => {
    expect(compareDigests(a, b, ordered)).toBe(expected);
    expect(compareDigests(b, a, ordered)).toBe(expected);
  });
});

describe('order-free sums', () => {
  test('of parts add up to that of the whole, and an append is after minus before', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ a: fc.integer(), b: fc.string() })),
        fc.nat(),
        (list, at) => {
          const cut = at % (list.length + 1);
          const whole = digestRows(list, ['a', 'b']);
          const before = digestRows(list.slice(0, cut), ['a', 'b']);
          const added = digestRows(list.slice(cut).reverse(), ['a', 'b']);
          expect(addOrderFree(before, added)).toEqual({
            count: whole.count,
            orderFree: whole.orderFree,
          });
          expect(subtractOrderFree(whole, before)).toEqual({
            count: added.count,
            orderFree: added.orderFree,
          });
        },
      ),
      { seed: 4, numRuns: 300 },
    );
  });
});

describe('the mixing', () => {
  const writer = new CanonicalWriter();
  const word = new Uint32Array(2);
  const hash = new WordHash();
  const hashOf = (first: number, second: number): [low: number, high: number] => {
    word[0] = first;
    word[1] = second;
    hash.start();
    hash.add(word, 2);
    hash.finish();
    return [hash.low, hash.high];
  };
  const ones = (n: number): number => n.toString(2).replaceAll('0', '').length;

  test('changes each of the 64 bits in about half of all cases when one bit changes', () => {
    const samples = 400;
    for (let bit = 0; bit < 64; bit += 1) {
      let changed = 0;
      for (let sample = 0; sample < samples; sample += 1) {
        const [first, second] = [Math.imul(sample, 0x9e3779b1), sample];
        const [low, high] = hashOf(first, second);
        const [otherLow, otherHigh] = hashOf(
          first ^ (bit < 32 ? 1 << bit : 0),
          second ^ (bit < 32 ? 0 : 1 << (bit - 32)),
        );
        changed += ones((low ^ otherLow) >>> 0) + ones((high ^ otherHigh) >>> 0);
      }
      expect([bit, Math.abs(changed / samples / 64 - 0.5) < 0.02]).toEqual([bit, true]);
    }
  });

  const patterns: readonly [string, number, (at: number) => readonly unknown[]][] = [
    ['sequential integers', 1_000_000, (at) => [at]],
    ['pairs of small integers', 250_000, (at) => [at % 500, Math.floor(at / 500)]],
    ['sums that are all equal', 250_000, (at) => [at, 250_000 - at]],
    ['doubles of one exponent', 250_000, (at) => [1 + at / 2 ** 20, 0]],
    [
      'single bits',
      250_000,
      (at) => [1 << (at % 27), 1 << (Math.floor(at / 27) % 27), Math.floor(at / 729)],
    ],
    ['short texts', 250_000, (at) => [`x${String(at)}`]],
  ];
  test.each(patterns)(
    'of %s has no collision in %i rows, and in halves as many as random ones',
    (_name, count, values) => {
      const byChance = count ** 2 / 2 ** 33;
      const lows = new Uint32Array(count);
      const highs = new Uint32Array(count);
      const whole = new Float64Array(count);
      for (let at = 0; at < count; at += 1) {
        writer.reset();
        writer.rowValues(values(at));
        hash.start();
        hash.add(writer.words, writer.length);
        hash.finish();
        const { low, high } = hash;
        lows[at] = low;
        highs[at] = high;
        // 53 of the 64 bits: enough that a million rows agree nowhere but once in 18,000 runs.
        whole[at] = low + (high & 0x1fffff) * 2 ** 32;
      }
      expect(duplicates(whole)).toBe(0);
      for (const half of [lows, highs]) {
        expect(Math.abs(duplicates(half) - byChance)).toBeLessThan(5 * Math.sqrt(byChance));
      }
    },
  );

  test('tells rows with their cells swapped, across rows too', () => {
    let taken = 0;
    for (let at = 0; at < 20_000; at += 1) {
      const [a, b, c, d] = [at, at + 1, at * 2 + 1, at ^ 5];
      const straight = digestRows([
        { x: a, y: b },
        { x: c, y: d },
      ]);
      if (
        b !== d &&
        digestRows([
          { x: a, y: d },
          { x: c, y: b },
        ]).orderFree === straight.orderFree
      )
        taken += 1;
      if (
        digestRows([
          { x: b, y: a },
          { x: c, y: d },
        ]).orderFree === straight.orderFree
      )
        taken += 1;
    }
    expect(taken).toBe(0);
  });

  test('of all orders of seven rows gives as many ordered digests, and one order-free', () => {
    const ordered = new Set<string>();
    const orderFree = new Set<string>();
    const visit = (chosen: Row[], left: readonly number[]): void => {
      if (left.length === 0) {
        const digest = digestRows(chosen);
        ordered.add(digest.ordered);
        orderFree.add(digest.orderFree);
      }
      for (const item of left)
        visit(
          [...chosen, { a: item }],
          left.filter((other) => other !== item),
        );
    };
    visit([], [0, 1, 2, 3, 4, 5, 6]);
    expect([ordered.size, orderFree.size]).toEqual([5_040, 1]);
  });
});

/** How many entries equal the one before them once sorted. */
function duplicates(hashes: Uint32Array | Float64Array): number {
  const sorted = hashes.slice().sort();
  let found = 0;
  for (let at = 1; at < sorted.length; at += 1) if (sorted[at] === sorted[at - 1]) found += 1;
  return found;
}
