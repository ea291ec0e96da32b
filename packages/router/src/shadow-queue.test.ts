import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '../../../test/kit/manual-clock.ts';
import { CallsInFlight } from './calls-in-flight.ts';
import { ShadowQueue } from './shadow-queue.ts';

interface Seen {
  readonly queue: ShadowQueue;
  readonly calls: CallsInFlight;
  readonly clock: ManualClock;
  readonly begun: string[];
  submit(name: string): void;
}

function open(): Seen {
  const clock = new ManualClock();
  const calls = new CallsInFlight();
  const queue = new ShadowQueue(clock, {}, calls);
  const begun: string[] = [];
  const submit = (name: string): void => {
    queue.submit({
      deadlineMs: 1_000,
      run: async () => { begun.push(name); },
      shed: (reason) => { begun.push(`${name} shed: ${reason}`); },
    });
  };
  return { queue, calls, clock, begun, submit };
}

describe('comparison work', () => {
  test('begins in the next turn where no caller waits', async () => {
    const { submit, begun } = open();
    submit('a');
    expect(begun).toEqual([]);
    await nextTurn();
    expect(begun).toEqual(['a']);
  });

  test('waits for a moment in which no caller does', async () => {
    const { calls, submit, begun } = open();
    calls.begin();
    calls.begin();
    submit('a');
    await nextTurn();
    calls.end();
    await nextTurn();
    expect(begun).toEqual([]);
    calls.end();
    // The next call comes before the event loop's next turn, as it does where a caller makes one after the other.
    calls.begin();
    await nextTurn();
    expect(begun).toEqual([]);
    calls.end();
    await nextTurn();
    expect(begun).toEqual(['a']);
  });

  test('waits 20 ms for that at most, each piece from when it came', async () => {
    const { calls, clock, submit, begun } = open();
    calls.begin();
    submit('a');
    await nextTurn();
    await clock.advance(12);
    submit('b');
    await nextTurn();
    await clock.advance(7);
    await nextTurn();
    expect(begun).toEqual([]);
    await clock.advance(1);
    await nextTurn();
    expect(begun).toEqual(['a']);
    await clock.advance(12);
    await nextTurn();
    expect(begun).toEqual(['a', 'b']);
  });

  test('that still waits at closing is shed', async () => {
    const { calls, clock, queue, submit, begun } = open();
    calls.begin();
    submit('a');
    await nextTurn();
    queue.close();
    await clock.advance(100);
    await nextTurn();
    expect(begun).toEqual(['a shed: closing']);
    expect(queue.load).toEqual({ running: 0, waiting: 0, abandoned: 0 });
  });
});
