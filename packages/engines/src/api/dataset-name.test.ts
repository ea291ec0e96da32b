import { describe, expect, test } from '@jest/globals';
import { maxDatasetNameLength, parseDatasetName } from './dataset-name.ts';
import { InvalidNameError } from './storage-errors.ts';

describe('parseDatasetName', () => {
  test.each([
    ['titanic', 'titanic'],
    ['Titanic', 'titanic'],
    ['us-10m_v1.2', 'us-10m_v1.2'],
    ['_x', '_x'],
    ['x'.repeat(maxDatasetNameLength), 'x'.repeat(maxDatasetNameLength)],
  ])('takes %j as %j', (given, expected) => {
    expect(parseDatasetName(given)).toBe(expected);
  });

  test.each([
    '',
    '.',
    '..',
    '../x',
    'a/b',
    'a\\b',
    '/etc',
    'a..b',
    'a.',
    '.a',
    '"; drop table',
    'a b',
    'é',
    'a\0b',
    'a\n',
    '-a',
    'x'.repeat(maxDatasetNameLength + 1),
    'x'.repeat(300),
  ])('refuses %j', (given) => {
    expect(() => parseDatasetName(given)).toThrow(InvalidNameError);
  });

  test.each([undefined, null, 5, {}, ['a']])('refuses %j, which is no string', (given) => {
    expect(() => parseDatasetName(given)).toThrow(InvalidNameError);
  });

  test('its message is short whatever the name, and says the rule', () => {
    expect(() => parseDatasetName('y'.repeat(100_000))).toThrow(/^.{1,300}$/);
    expect(() => parseDatasetName('a/b')).toThrow(/"a\/b": use 1 to 59 letters/);
  });
});
