import { describe, expect, test } from '@jest/globals';
import { ManualClock, settle } from '../../../../test/kit/manual-clock.ts';
import { KeepAlive } from '../keep-alive.ts';
import { OpenCalls } from './open-calls.ts';

function openCalls() {
  const clock = new ManualClock();
  const keepAlive = new KeepAlive();
  const seen = { none: 0 };
  const calls = new OpenCalls({
    clock,
    keepAlive,
    onNone: () => {
      seen.none += 1;
    },
  });
  return { clock, keepAlive, seen, calls };
}

describe('the open calls of a dataset', () => {
  test('hold the process until the last of them is answered, which is told once', () => {
    const { calls, keepAlive, seen } = openCalls();
    calls.enter();
    calls.enter();
    calls.leave();
    expect([keepAlive.held, calls.none, seen.none]).toEqual([true, false, 0]);
    calls.leave();
    expect([keepAlive.held, calls.none, seen.none]).toEqual([false, true, 1]);
    keepAlive.close();
  });

  test('are counted down by a call that fails too', async () => {
    const { calls, keepAlive } = openCalls();
    const failed = calls.during(() => Promise.reject(new Error('refused')));
    expect(calls.none).toBe(false);
    await expect(failed).rejects.toThrow('refused');
    expect(calls.none).toBe(true);
    keepAlive.close();
  });

  test('are waited for until they are answered, and no timer stays', async () => {
    const { calls, clock, keepAlive } = openCalls();
    calls.enter();
    let answered = false;
    const waiting = calls.answered(100).then(() => {
      answered = true;
    });
    await settle();
    expect(answered).toBe(false);
    calls.leave();
    await waiting;
    expect(clock.pending).toBe(0);
    keepAlive.close();
  });

  test('are waited for no longer than the deadline', async () => {
    const { calls, clock, keepAlive } = openCalls();
    calls.enter();
    const waiting = calls.answered(100);
    await clock.advance(100);
    await waiting;
    expect(calls.none).toBe(false);
    calls.leave();
    keepAlive.close();
  });

  test('are not waited for where there are none', async () => {
    const { calls, clock } = openCalls();
    await calls.answered(100);
    expect(clock.pending).toBe(0);
  });
});
