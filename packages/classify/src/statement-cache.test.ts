import { expect, test } from '@jest/globals';
import { unknownStatement } from './findings.ts';
import { StatementCache } from './statement-cache.ts';

const statement = unknownStatement('a test', '');

test('it holds no more texts than it may, and drops what was not used first', () => {
  const cache = new StatementCache({ maxStatements: 100, maxCharacters: 1_000_000 });
  for (let i = 0; i < 1_000; i += 1) {
    cache.set(`select ${i}`, statement);
    expect(cache.get('select 0')).toBe(statement);
  }
  expect(cache.size).toBeLessThanOrEqual(100);
  expect(cache.get('select 900')).toBeUndefined();
  expect(cache.get('select 999')).toBe(statement);
});

test('it holds no more characters than it may', () => {
  const cache = new StatementCache({ maxStatements: 1_000, maxCharacters: 1_000 });
  for (let i = 0; i < 100; i += 1) cache.set(`${i}`.padEnd(100), statement);
  expect(cache.size).toBeLessThanOrEqual(10);
});
