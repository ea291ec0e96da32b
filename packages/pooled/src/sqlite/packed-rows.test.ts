import { describe, expect, test } from '@jest/globals';
import type { Value } from '@changeover/core';
import fc from 'fast-check';
import { packRows, unpackColumns } from './packed-rows.ts';

/** What the receiving thread has of some rows, the first one of all left out. */
function sent(rows: readonly (readonly Value[])[], from = 0): Value[][] {
  const piece = packRows(rows, from, rows.length);
  const columns = unpackColumns(structuredClone(piece));
  return Array.from({ length: piece.count }, (_, row) =>
    columns.map((values) => values[row] as Value),
  );
}

const texts = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom('', '\0', '\ud800', '\udc00', 'é', '漢'),
  fc.string({ minLength: 4_000, maxLength: 4_200 }),
);
const numbers = fc.oneof(
  fc.integer(),
  fc.double({ noNaN: true }),
  fc.constantFrom(0, -0, 2 ** 31 - 1, 2 ** 31, -(2 ** 31), -(2 ** 31) - 1, Infinity),
);
const whole = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const bytes = fc.uint8Array({ maxLength: 9 }).map((each) => Buffer.from(each));
const nullable = (values: fc.Arbitrary<Value>): fc.Arbitrary<Value> =>
  fc.option(values, { freq: 4 });
const columns: fc.Arbitrary<Value>[] = [
  ...[whole, numbers, texts, fc.bigInt(), bytes, fc.constant(null)],
  ...[whole, numbers, texts, bytes].map(nullable),
  nullable(fc.oneof(numbers, texts, fc.bigInt(), bytes)),
];

describe('rows packed for another thread', () => {
  test('are the same values of the same types there, whatever is in a column', () => {
    const tables = fc
      .array(fc.constantFrom(...columns), { minLength: 1, maxLength: 4 })
      .chain((kinds) => fc.array(fc.tuple(...kinds), { minLength: 1, maxLength: 40 }));
    fc.assert(
      fc.property(tables, (rows) => {
        const arrived = sent(rows);
        expect(arrived).toStrictEqual(rows);
        const areBuffers = (cells: Value[][]): boolean[][] =>
          cells.map((values) => values.map((value) => Buffer.isBuffer(value)));
        expect(areBuffers(arrived)).toEqual(areBuffers(rows));
      }),
      { seed: 11, numRuns: 300 },
    );
  });

  test('are those that were asked for', () => {
    expect(sent([[1], [2], [3]], 1)).toStrictEqual([[2], [3]]);
  });

  test('keep a text in memory with few others alone', () => {
    const rows = Array.from({ length: 1_000 }, (_, at) => [`a text of some length ${at}`]);
    const [column] = packRows(rows, 0, rows.length).columns;
    const segments = column?.kind === 'texts' ? column.segments : [];
    expect(segments.length).toBeGreaterThan(1);
    expect(Math.max(...segments.map(({ length }) => length))).toBeLessThanOrEqual(4_096);
  });
});
