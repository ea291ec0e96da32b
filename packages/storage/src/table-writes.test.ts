import { expect, test } from '@jest/globals';
import { TableWrites } from './table-writes.ts';

const people = { table: 'people' } as const;
const other = { table: 'other' } as const;

test('what ended before a mark is not told, what ended or began later is', () => {
  const writes = new TableWrites();
  writes.begin('a', people)(true);
  const mark = writes.mark('a');
  expect(writes.since('a', mark)).toEqual([]);
  writes.begin('a', other)(true);
  writes.begin('a', people);
  expect(writes.since('a', mark)).toEqual([other, people]);
});

test('a write that was under way at the mark counts, and so does one that failed', () => {
  const writes = new TableWrites();
  writes.begin('a', people)(false);
  const ended = writes.begin('a', other);
  const mark = writes.mark('a');
  ended(true);
  expect(writes.since('a', mark)).toEqual([people, other]);
});

test("another dataset's writes are its own", () => {
  const writes = new TableWrites();
  const mark = writes.mark('a');
  writes.begin('b', people)(true);
  expect(writes.since('a', mark)).toEqual([]);
  expect(writes.since('c', mark)).toBeUndefined();
});

test('a mark from before writes that were forgotten tells nothing, and one after them does', () => {
  const writes = new TableWrites();
  const early = writes.mark('a');
  for (let at = 0; at < 1_001; at += 1) writes.begin('a', other)(true);
  const late = writes.mark('a');
  expect(writes.since('a', early)).toBeUndefined();
  expect(writes.since('a', late)).toEqual([]);
});

test('a write that goes on is not forgotten', () => {
  const writes = new TableWrites();
  writes.begin('a', people);
  for (let at = 0; at < 2_000; at += 1) writes.begin('a', other)(true);
  expect(writes.since('a', writes.mark('a'))).toEqual([people]);
});

test('of a very long text it is remembered that it wrote', () => {
  const writes = new TableWrites();
  const mark = writes.mark('a');
  writes.begin('a', { sql: `DELETE FROM people WHERE id IN (${'1, '.repeat(4_000)}1)` })(true);
  expect(writes.since('a', mark)).toEqual(['anything']);
});
