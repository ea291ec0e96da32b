import { expect, test } from '@jest/globals';
import { ManualClock } from '../../../../test/kit/manual-clock.ts';
import { ForeignWriters } from './foreign-writers.ts';

test('a version that changed while nobody here wrote tells of another writer for a minute', async () => {
  const clock = new ManualClock();
  const writers = new ForeignWriters(clock, true);
  const [one, other] = [{}, {}];
  writers.saw(one, '1', '1');
  expect(writers.areAt(one)).toBe(false);
  writers.saw(one, '1', '2');
  expect([writers.areAt(one), writers.areAt(other)]).toEqual([true, false]);
  await clock.advance(60_000);
  expect(writers.areAt(one)).toBe(false);
});

test('where a leg that can tell versions tells none, a writer may have been missed', () => {
  const key = {};
  const writers = new ForeignWriters(new ManualClock(), true);
  writers.saw(key, undefined, undefined);
  expect(writers.areAt(key)).toBe(true);
  const without = new ForeignWriters(new ManualClock(), false);
  without.saw(key, undefined, undefined);
  expect(without.areAt(key)).toBe(false);
});
