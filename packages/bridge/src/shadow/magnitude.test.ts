import { expect, test } from '@jest/globals';
import { magnitudeOf } from './magnitude.ts';

test.each<[unknown, unknown, string | undefined]>([
  [3, 4, 'off by 1'],
  [4n, 3, 'off by 1'],
  [10n ** 20n, 10n ** 20n + 2n, 'off by 2'],
  [10_000, 10_003, 'off by 3'],
  [10_000, 10_300, 'relative 3e-2'],
  [1, 1.0003, 'relative 3e-4'],
  [1, 500.5, 'relative 5e2'],
  [0, 12.5, 'one of them is 0'],
  [12.5, -12.5, 'of the other sign'],
  [NaN, 1, undefined],
  [null, 1, 'a value for NULL'],
  ['x', null, 'NULL for a value'],
  ['secret', 'secret ', 'in white space at the end'],
  ['Secret', 'secret', 'in upper and lower case'],
  ['\u00e9', 'e\u0301', 'in Unicode normalization'],
  ['secret', 'secrecy', '1 character longer'],
  ['secret', 'sec', '3 characters shorter'],
  ['abc', 'xyz', 'as long'],
  [new Date(0), new Date(3_600_000), '3600 s later'],
  [1, '1', undefined],
])('%p and %p are told apart as %p', (legacy, pooled, said) => {
  expect(magnitudeOf(legacy, pooled)).toBe(said);
});
