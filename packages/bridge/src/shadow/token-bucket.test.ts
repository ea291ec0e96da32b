import { expect, test } from '@jest/globals';
import { ManualClock } from '../../../../test/kit/manual-clock.ts';
import { TokenBucket } from './token-bucket.ts';

test('a bucket begins full, gives what it holds, and fills at its rate up to its capacity', async () => {
  const clock = new ManualClock();
  const bucket = new TokenBucket(clock, { capacity: 2, perSecond: 1 });
  expect([bucket.take(), bucket.take(), bucket.take()]).toEqual([true, true, false]);
  await clock.advance(999);
  expect(bucket.take()).toBe(false);
  await clock.advance(1);
  expect(bucket.take()).toBe(true);
  await clock.advance(60_000);
  expect(bucket.level).toBe(2);
});

test('what is spent beyond what is there is paid back before anything is given', async () => {
  const clock = new ManualClock();
  const bucket = new TokenBucket(clock, { capacity: 100, perSecond: 50, initial: 10 });
  bucket.spend(30);
  expect(bucket.level).toBe(-20);
  expect(bucket.msUntil(0)).toBe(400);
  expect(bucket.msUntil(5)).toBe(500);
  await clock.advance(400);
  expect(bucket.msUntil(0)).toBe(0);
  expect(bucket.take()).toBe(false);
});

test('what was taken and not used can be put back, up to the capacity', () => {
  const bucket = new TokenBucket(new ManualClock(), { capacity: 1, perSecond: 1 });
  expect(bucket.take()).toBe(true);
  bucket.giveBack();
  bucket.giveBack();
  expect(bucket.level).toBe(1);
});
