import { expect, jest, test } from '@jest/globals';
import { systemClock } from './clock.ts';

test("a program's fake timers do not put the machine's clock forward", () => {
  jest.useFakeTimers();
  try {
    let ran = 0;
    const timer = systemClock.after(60_000, () => {
      ran += 1;
    });
    const beforeMs = systemClock.monotonicMs();
    jest.advanceTimersByTime(120_000);
    expect(ran).toBe(0);
    expect(systemClock.monotonicMs() - beforeMs).toBeLessThan(120_000);
    timer.cancel();
  } finally {
    jest.useRealTimers();
  }
});
