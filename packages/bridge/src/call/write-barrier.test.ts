import { describe, expect, test } from '@jest/globals';
import type { LegName } from '@changeover/core';
import { WriteBarrier } from './write-barrier.ts';

/** Enters and notes when it was admitted. */
function enter(
  barrier: WriteBarrier,
  log: string[],
  name: string,
  leg: LegName,
  exclusive = false,
  nested = false,
): void {
  const admitted = barrier.enter(leg, exclusive, nested);
  if (admitted === undefined) log.push(name);
  else void admitted.then(() => log.push(name));
}

const settled = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

describe('WriteBarrier', () => {
  test('admits writes of one leg together, in the same tick', () => {
    const barrier = new WriteBarrier();
    const log: string[] = [];
    enter(barrier, log, 'a', 'legacy');
    enter(barrier, log, 'b', 'legacy');
    expect(log).toEqual(['a', 'b']);
  });

  test('holds a write for the other leg until all in flight have ended, and later ones behind it', async () => {
    const barrier = new WriteBarrier();
    const log: string[] = [];
    enter(barrier, log, 'legacy 1', 'legacy');
    enter(barrier, log, 'legacy 2', 'legacy');
    enter(barrier, log, 'pooled 1', 'pooled');
    enter(barrier, log, 'legacy 3', 'legacy');
    barrier.leave();
    await settled();
    expect(log).toEqual(['legacy 1', 'legacy 2']);
    barrier.leave();
    await settled();
    expect(log).toEqual(['legacy 1', 'legacy 2', 'pooled 1']);
    barrier.leave();
    await settled();
    expect(log).toEqual(['legacy 1', 'legacy 2', 'pooled 1', 'legacy 3']);
    barrier.leave();
    expect(barrier.idle).toBe(true);
  });

  test('runs an exclusive write alone', async () => {
    const barrier = new WriteBarrier();
    const log: string[] = [];
    enter(barrier, log, 'a', 'legacy', true);
    enter(barrier, log, 'b', 'legacy');
    enter(barrier, log, 'c', 'legacy', true);
    await settled();
    expect(log).toEqual(['a']);
    barrier.leave();
    await settled();
    expect(log).toEqual(['a', 'b']);
    barrier.leave();
    await settled();
    expect(log).toEqual(['a', 'b', 'c']);
  });

  test("lets a transaction's own writes pass those that wait for the transaction", () => {
    const barrier = new WriteBarrier();
    const log: string[] = [];
    enter(barrier, log, 'transaction', 'pooled');
    enter(barrier, log, 'after a change of stage', 'legacy');
    enter(barrier, log, 'inside', 'pooled', false, true);
    expect(log).toEqual(['transaction', 'inside']);
  });

  test('its epoch moves when a write begins and when it ends', () => {
    const barrier = new WriteBarrier();
    const before = barrier.epoch;
    void barrier.enter('legacy', false);
    const during = barrier.epoch;
    barrier.leave();
    expect([during > before, barrier.epoch > during, barrier.quiet]).toEqual([true, true, true]);
  });

  test('a write that is ordered elsewhere is seen and waits for nothing', () => {
    const barrier = new WriteBarrier();
    const log: string[] = [];
    const { epoch } = barrier;
    barrier.pass();
    expect([barrier.quiet, barrier.idle, barrier.epoch === epoch]).toEqual([false, false, false]);
    enter(barrier, log, 'a', 'legacy', true);
    expect(log).toEqual(['a']);
    barrier.leave();
    barrier.passed();
    expect([barrier.quiet, barrier.idle]).toEqual([true, true]);
  });
});
