import { expect, test } from '@jest/globals';
import { type Clock, systemClock } from '@changeover/core';
import { seededRandom } from '../../../../test/faults/random.ts';
import { silentLogger } from '../log.ts';
import { Fleet } from './fleet.ts';
import { retryPauseMs } from './retry-pause.ts';

test('a try is the rarer the more were in vain, and at least every five seconds', () => {
  const longest = [1, 2, 3, 4, 5_000].map((failures) => retryPauseMs(failures, 1_000, () => 1));
  expect(longest).toEqual([2_000, 4_000, 5_000, 5_000, 5_000]);
  const shortest = [1, 2, 3, 5_000].map((failures) => retryPauseMs(failures, 1_000, () => 0));
  expect(shortest).toEqual([1_000, 2_000, 2_500, 2_500]);
});

test.each([10, 60, 600])(
  'a thousand processes that lost the store at once come back over five seconds: away for %i s',
  (awaySeconds) => {
    const random = seededRandom(11);
    const back = Array.from({ length: 1_000 }, () => {
      let atMs = 0;
      for (let failures = 1; atMs < awaySeconds * 1_000; failures += 1)
        atMs += retryPauseMs(failures, 1_000, random);
      return atMs - awaySeconds * 1_000;
    });
    expect(Math.max(...back)).toBeLessThan(5_000);
    const inSlice = (slice: number): number =>
      back.filter((atMs) => Math.floor(atMs / 250) === slice).length;
    // Spread evenly it were 50 in each quarter of a second.
    const most = Math.max(...Array.from({ length: 20 }, (_, slice) => inSlice(slice)));
    expect(most).toBeLessThan(130);
  },
);

test('a fleet waits so long where its store can not be reached', async () => {
  const pauses: number[] = [];
  let reachedThree = (): void => undefined;
  const three = new Promise<void>((resolve) => {
    reachedThree = resolve;
  });
  const clock: Clock = {
    ...systemClock,
    // Other timers of the fleet than its next turn are only started when it closes.
    after: (delayMs, task) => {
      if (pauses.push(delayMs) > 3) reachedThree();
      return systemClock.after(0, task);
    },
  };
  const fleet = new Fleet({
    // Nothing listens there.
    url: 'postgres://127.0.0.1:1/none',
    logger: silentLogger,
    clock,
    random: () => 0.5,
  });
  await three;
  expect(pauses.slice(0, 4)).toEqual([0, 1_500, 3_000, 3_750]);
  await fleet.close();
});
