import { describe, expect, test } from '@jest/globals';
import {
  counted,
  durationText,
  visibleText,
  isoTime,
  latencyText,
  leftOutText,
  shareText,
  shortCountText,
  tablesHeldText,
  timeText,
  valueText,
} from './plain-text.ts';

describe('text from data', () => {
  test.each([
    ['a line\nand more', 'a line⟨U+000A⟩and more'],
    ['\u001b[31mred', '⟨U+001B⟩[31mred'],
    ['\u009b31m', '⟨U+009B⟩31m'],
    ['a\u202egnp.exe', 'a⟨U+202E⟩gnp.exe'],
    ['zero\u200bwidth', 'zero⟨U+200B⟩width'],
    ['nul\0', 'nul⟨U+0000⟩'],
    ['lone \ud800', 'lone \ufffd'],
    ['Żółć 東京 🎬', 'Żółć 東京 🎬'],
  ])('%j is shown as %j', (text, shown) => {
    expect(visibleText(text)).toBe(shown);
  });

  test('is cut where it is too long', () => {
    expect(visibleText('a'.repeat(3_000), 10)).toBe(`${'a'.repeat(10)}…`);
  });
});

test.each([
  [0, '0.00 µs'],
  [0.0421, '42.1 µs'],
  [0.5, '500 µs'],
  [1, '1.00 ms'],
  [12.34, '12.3 ms'],
  [999, '999 ms'],
  [1_500, '1.50 s'],
  [undefined, '–'],
  [null, '–'],
  [NaN, '–'],
  [Infinity, '–'],
])('a latency of %p ms is %s', (ms, text) => {
  expect(latencyText(ms)).toBe(text);
});

test.each([
  [0, '0 %'],
  [1, '100.0 %'],
  [0.5, '50.0 %'],
  [0.0123, '1.23 %'],
  [0.00042, '0.042 %'],
  [1e-9, '<0.001 %'],
  [0.99999, '>99.9 %'],
  [-0.02, '−2.00 %'],
  [NaN, '–'],
])('a share of %p is %s: what is not nothing is not written as nothing', (share, text) => {
  expect(shareText(share)).toBe(text);
});

test('counts are short where there is little room', () => {
  expect([999, 9_999, 12_345, 3_400_000].map(shortCountText)).toEqual([
    '999',
    '9,999',
    '12.3K',
    '3.4M',
  ]);
});

test('times are in UTC, and what is no time says so', () => {
  expect(timeText(Date.UTC(2026, 2, 14, 1, 2, 3, 999))).toBe('2026-03-14 01:02:03 UTC');
  expect([NaN, 9e15].map(timeText)).toEqual(['unknown time', 'unknown time']);
  expect(isoTime(NaN)).toBeUndefined();
});

test.each([
  [12, '12 ms'],
  [NaN, '0 ms'],
  [1_000, '1 s'],
  [90_000, '1 min 30 s'],
  [3_600_000, '1 h'],
  [90_061_000, '1 d 1 h'],
])('%p ms is %s', (ms, text) => {
  expect(durationText(ms)).toBe(text);
});

describe('a value of a sample', () => {
  test.each<[unknown, string]>([
    [{ type: 'text', length: 7, digest: 'abc123' }, 'text of 7 #abc123'],
    [{ type: 'hidden', digest: '' }, 'hidden'],
    [{ type: 'double', digest: '0f' }, 'double #0f'],
    [{ type: 'text', digest: '0f', value: 'more' }, '{"type":"text","digest":"0f","value":"more"}'],
    [undefined, '–'],
    [null, 'null'],
    ['raw', '"raw"'],
    [[1, 'a\u0007'], '[1,"a\\u0007"]'],
    [10n, 'not JSON-able'],
    [() => 1, 'not JSON-able'],
  ])('%p is %s', (value, text) => {
    expect(valueText(value)).toBe(text);
  });
});

test('one is one and two are several', () => {
  expect([1, 2, 1_234].map((count) => counted(count, 'mismatch', 'mismatches'))).toEqual([
    '1 mismatch',
    '2 mismatches',
    '1,234 mismatches',
  ]);
  expect([1, 2].map((count) => leftOutText(count, 'class', 'classes'))).toEqual([
    '1 more class is in the JSON report.',
    '2 more classes are in the JSON report.',
  ]);
  expect([tablesHeldText(1, 1), tablesHeldText(1, 24)]).toEqual([
    '1 of 1 table is as expected',
    '1 of 24 tables are as expected',
  ]);
});
