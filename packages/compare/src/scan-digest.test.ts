import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { bucketOf, ScanDigest } from './scan-digest.ts';

type Cells = readonly (readonly unknown[])[];

function scan(rows: Cells, segmentRows = 10, digest = new ScanDigest(2)): ScanDigest {
  rows.forEach((row, at) => {
    digest.add(row);
    if ((at + 1) % segmentRows === 0) digest.endSegment();
  });
  digest.endSegment();
  return digest;
}

const rows: Cells = Array.from({ length: 95 }, (_, at) => [at, `name ${String(at)}`]);

describe('ScanDigest', () => {
  test('two scans of the same rows are the same in all respects', () => {
    const [a, b] = [scan(rows), scan(rows)];
    expect([a.rows, a.segments.length, a.orderFree() === b.orderFree()]).toEqual([95, 10, true]);
    expect([a.differingBuckets(b).size, a.differingSegments(b)]).toEqual([0, []]);
  });

  test('a changed cell differs in one segment and in the buckets of both rows', () => {
    const other = rows.map((row, at) => (at === 42 ? [42, 'other'] : row));
    const [a, b] = [scan(rows), scan(other)];
    expect(a.differingSegments(b)).toEqual([4]);
    expect(a.differingBuckets(b)).toEqual(
      new Set([bucketOf(a.digestOf([42, 'name 42'])), bucketOf(a.digestOf([42, 'other']))]),
    );
  });

  test('another order differs in segments alone', () => {
    const other = [...rows.slice(1), [0, 'name 0']];
    const [a, b] = [scan(rows), scan(other)];
    expect([
      a.differingBuckets(b).size,
      a.orderFree() === b.orderFree(),
      a.differingSegments(b).length,
    ]).toEqual([0, true, 10]);
  });

  test('a row more differs, and so does a row twice in place of another', () => {
    const more = scan([...rows, [95, 'x']]);
    expect(scan(rows).differingSegments(more)).toEqual([9]);
    const twice = scan(rows.map((row, at) => (at === 3 ? (rows[4] ?? row) : row)));
    expect(scan(rows).differingBuckets(twice).size).toBe(2);
  });

  test('goes on from what was stored as if it had never stopped', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer(), fc.string()), { maxLength: 60 }),
        fc.nat(5),
        (list, cut) => {
          const at = cut * 10;
          const first = scan(list.slice(0, at));
          const stored = JSON.parse(JSON.stringify(first.store())) as ReturnType<
            ScanDigest['store']
          >;
          expect(scan(list.slice(at), 10, new ScanDigest(2, undefined, stored)).store()).toEqual(
            scan(list).store(),
          );
        },
      ),
    );
  });

  test('refuses a row of other columns and a digest that was cut', () => {
    expect(() => new ScanDigest(2).add([1])).toThrow(RangeError);
    expect(() => new ScanDigest(2, undefined, { rows: 0, segments: [], buckets: 'AAAA' })).toThrow(
      RangeError,
    );
  });
});
