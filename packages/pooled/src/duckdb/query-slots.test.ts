import { expect, test } from '@jest/globals';
import { ManualClock, settle } from '../../../../test/kit/manual-clock.ts';
import { QuerySlots } from './query-slots.ts';

test('no more queries run than there are slots, the others in their order, and one that leaves is not counted', async () => {
  const clock = new ManualClock();
  const waits: number[] = [];
  const slots = new QuerySlots(1, clock, (durationMs) => {
    waits.push(durationMs);
  });
  const order: string[] = [];
  const leaves: (() => void)[] = [];
  const take = async (name: string): Promise<void> => {
    const taken = await slots.take((leave) => {
      leaves.push(leave);
    });
    order.push(taken ? name : `${name} left`);
  };
  void take('a');
  void take('b');
  void take('c');
  await settle();
  expect([slots.used, slots.waiting, order]).toEqual([1, 2, ['a']]);
  leaves[0]?.();
  await clock.advance(30);
  slots.giveBack();
  await settle();
  expect(order).toEqual(['a', 'b left', 'c']);
  leaves[1]?.();
  slots.giveBack();
  expect([slots.used, slots.waiting, waits]).toEqual([0, 0, [0, 30]]);
});
