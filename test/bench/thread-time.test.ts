import { expect, test } from '@jest/globals';
import { threadWorkedMs } from '../../scripts/bench/thread-time.ts';

/** A good part of a millisecond's work. */
function work(): number {
  let sum = 0;
  for (let at = 0; at < 500_000; at += 1) sum = (sum * 31 + at) | 0;
  return sum;
}

test('what a thread worked is told of each piece of work, however small beside the ticks of the kernel', () => {
  const worked: number[] = [];
  for (let at = 0; at < 40; at += 1) {
    const before = threadWorkedMs();
    work();
    worked.push(threadWorkedMs() - before);
  }
  expect(worked.filter((ms) => ms <= 0)).toEqual([]);
});
