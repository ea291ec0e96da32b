import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '../../../../test/kit/manual-clock.ts';
import { CallsInFlight } from './process-load.ts';
import type { ShadowQueueOptions } from './queue-limits.ts';
import { ShadowQueue } from './shadow-queue.ts';
import type { ShadowTask } from './shadow-task.ts';

interface Seen {
  readonly queue: ShadowQueue;
  readonly calls: CallsInFlight;
  readonly clock: ManualClock;
  readonly begun: string[];
  /** How busy the event loop is. */
  readonly load: { share: number; readonly cpuShare: number };
  submit(name: string, rows?: number, more?: Partial<ShadowTask>): void;
  end(name: string): void;
}

function open(options: ShadowQueueOptions = {}, share = 1): Seen {
  const load = { share, cpuShare: 1 };
  const clock = new ManualClock();
  const calls = new CallsInFlight();
  const queue = new ShadowQueue(clock, options, calls, load);
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const submit = (name: string, rows?: number, more: Partial<ShadowTask> = {}): void => {
    queue.submit({
      rows,
      deadlineMs: 5_000,
      ...more,
      run: () => {
        begun.push(name);
        return new Promise((resolve) => {
          ends.set(name, resolve);
        });
      },
      shed: (reason) => {
        begun.push(`${name} shed: ${reason}`);
      },
    });
  };
  return { queue, calls, clock, begun, load, submit, end: (name) => ends.get(name)?.() };
}

/** Work for as long as may run at once where the event loop is busy. */
async function useUp({ clock, submit, end, begun }: Seen): Promise<void> {
  // What follows the first takes no time, so that what is usual is little.
  for (const ms of [1_000, ...Array<number>(60).fill(0)]) {
    submit('work');
    await nextTurn();
    await clock.advance(ms);
    end('work');
    await nextTurn();
  }
  begun.splice(0);
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

  test('waits 20 ms for that, is begun a piece at a time then, and rests', async () => {
    const seen = open({ busyShare: 0.25 });
    const { calls, clock, submit, begun, end } = seen;
    await useUp(seen);
    calls.begin();
    submit('a');
    submit('b');
    await nextTurn();
    await clock.advance(19);
    await nextTurn();
    expect(begun).toEqual([]);
    await clock.advance(1);
    await nextTurn();
    expect(begun).toEqual(['a']);
    await clock.advance(10);
    end('a');
    await nextTurn();
    // It took 10 ms, a quarter of 40, of which it had waited 20 before.
    await clock.advance(9);
    await nextTurn();
    expect(begun).toEqual(['a']);
    await clock.advance(1);
    await nextTurn();
    expect(begun).toEqual(['a', 'b']);
  });

  test('waits 20 ms for that, and no longer where the event loop has time to spare', async () => {
    const { calls, clock, submit, begun } = open({}, 0.2);
    calls.begin();
    submit('a');
    submit('b');
    await nextTurn();
    expect(begun).toEqual([]);
    await clock.advance(20);
    await nextTurn();
    expect(begun).toEqual(['a', 'b']);
  });

  test('that finds no moment is shed, and no more is taken meanwhile', async () => {
    const seen = open();
    const { calls, clock, queue, submit, begun, end } = seen;
    await useUp(seen);
    calls.begin();
    submit('a');
    submit('b');
    submit('c');
    await nextTurn();
    await clock.advance(21);
    await nextTurn();
    expect(queue.refusal).toBe('busy');
    await clock.advance(30);
    end('a');
    await nextTurn();
    await nextTurn();
    expect(begun).toEqual(['a', 'b shed: busy', 'c shed: busy']);
    // It took 31 ms, a tenth of 310, of which 51 had passed; the last 50 are no longer than work may wait.
    await clock.advance(208);
    expect(queue.refusal).toBe('busy');
    await clock.advance(1);
    expect(queue.refusal).toBeUndefined();
  });

  test('rests where the event loop is busy, between calls too', async () => {
    const seen = open({ busyShare: 0.25 }, 0.3);
    const { clock, submit, begun, end } = seen;
    await useUp(seen);
    submit('a');
    await nextTurn();
    await clock.advance(2);
    end('a');
    submit('b');
    await nextTurn();
    await nextTurn();
    // It took 2 ms, a quarter of 8.
    await clock.advance(5);
    await nextTurn();
    expect(begun).toEqual(['a']);
    await clock.advance(1);
    await nextTurn();
    expect(begun).toEqual(['a', 'b']);
  });

  test('waits for nobody where it may run all the time', async () => {
    const { calls, submit, begun } = open({ busyShare: 1 });
    calls.begin();
    submit('a');
    submit('b');
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

  test('that runs at closing is given up, and waited for by nobody', async () => {
    const { queue, submit, begun, end } = open();
    submit('a');
    await nextTurn();
    queue.close();
    await queue.idle();
    expect(begun).toEqual(['a', 'a shed: closing']);
    expect(queue.load).toEqual({ running: 0, waiting: 0, abandoned: 1 });
    end('a');
    await nextTurn();
    expect(queue.load.abandoned).toBe(0);
  });

  test('that holds rows is shed where there would be too many, but never the only one', async () => {
    const { submit, begun, end, queue } = open({ maxHeldRows: 100 }, 0);
    submit('a', 500);
    submit('b', 1);
    expect(queue.refusalOf(1)).toBe('queue-full');
    submit('c');
    await nextTurn();
    expect(begun).toEqual(['b shed: queue-full', 'a', 'c']);
    end('a');
    end('c');
    await nextTurn();
    submit('d', 60);
    submit('e', 40);
    submit('f', 1);
    await nextTurn();
    expect(begun.slice(3)).toEqual(['f shed: queue-full', 'd', 'e']);
    queue.close();
    await nextTurn();
    expect(queue.load).toMatchObject({ running: 0, waiting: 0 });
  });
});

describe('work that is of its shape’s quota', () => {
  const quota = { quota: true } as const;

  test('is begun where there is no time left for what all share, and goes first', async () => {
    const seen = open();
    const { calls, clock, queue, submit, begun, end } = seen;
    await useUp(seen);
    submit('hot');
    await nextTurn();
    await clock.advance(60);
    end('hot');
    await nextTurn();
    calls.begin();
    expect(queue.refusal).toBe('busy');
    expect(queue.refusalOf(0, true)).toBeUndefined();
    submit('rare', 0, quota);
    await nextTurn();
    await clock.advance(20);
    await nextTurn();
    expect(begun).toEqual(['hot', 'rare']);
  });

  test('has a share of the time of its own; where that is used up, one at a time goes on after a second', async () => {
    const { calls, clock, submit, begun, end } = open();
    calls.begin();
    const long = { ...quota, deadlineMs: 60_000 };
    submit('dear', 0, long);
    await nextTurn();
    await clock.advance(20);
    await nextTurn();
    await clock.advance(30_000);
    end('dear');
    await nextTurn();
    submit('a', 0, long);
    submit('b', 0, { ...long, compared: 1 });
    await nextTurn();
    await clock.advance(999);
    await nextTurn();
    expect(begun).toEqual(['dear']);
    await clock.advance(1);
    await nextTurn();
    expect(begun).toEqual(['dear', 'a']);
    await clock.advance(9_001);
    await nextTurn();
    expect(begun).toEqual(['dear', 'a', 'b shed: busy']);
  });

  test('goes on within a second once the event loop is less busy, however much of its share was used', async () => {
    const { clock, submit, begun, end, load } = open();
    const long = { ...quota, deadlineMs: 60_000 };
    submit('dear', 0, long);
    await nextTurn();
    await clock.advance(30_000);
    end('dear');
    await nextTurn();
    submit('a', 0, long);
    await nextTurn();
    await clock.advance(1_000);
    await nextTurn();
    submit('b', 0, long);
    await nextTurn();
    expect(begun).toEqual(['dear', 'a']);
    load.share = 0;
    await clock.advance(1_000);
    await nextTurn();
    expect(begun).toEqual(['dear', 'a', 'b']);
  });

  test('costs what a caller’s call does, where its own time is mostly spent waiting', async () => {
    const { calls, clock, submit, begun, end } = open();
    calls.begin();
    for (const name of ['a', 'b', 'c']) {
      submit(name, 0, { ...quota, costMs: 2 });
      await nextTurn();
      await clock.advance(20);
      await nextTurn();
      await clock.advance(2_000);
      end(name);
      await nextTurn();
    }
    expect(begun).toEqual(['a', 'b', 'c']);
  });

  test('is begun in the order of what was compared least', async () => {
    const { submit, begun, end } = open({ maxQuotaConcurrent: 1 }, 0);
    submit('seven', 0, { ...quota, compared: 7 });
    submit('three', 0, { ...quota, compared: 3 });
    submit('none', 0, quota);
    submit('none, too', 0, quota);
    for (const name of ['none', 'none, too', 'three', 'seven']) {
      await nextTurn();
      end(name);
      await nextTurn();
    }
    expect(begun).toEqual(['none', 'none, too', 'three', 'seven']);
  });

  test('waits in a bounded number', async () => {
    const { calls, queue, submit, begun } = open({ maxQueued: 2 });
    calls.begin();
    for (const name of ['a', 'b', 'c']) submit(name, 0, quota);
    expect(queue.refusalOf(0, true)).toBe('queue-full');
    expect(begun).toEqual(['c shed: queue-full']);
    queue.close();
    await nextTurn();
    expect(begun.slice(1)).toEqual(['a shed: closing', 'b shed: closing']);
  });
});

test('what was compared less takes the place of what was compared more where too much waits', async () => {
  const { calls, submit, begun } = open({ maxQueued: 2 }, 0);
  calls.begin();
  submit('hot', 0, { compared: 900 });
  submit('warm', 0, { compared: 50 });
  submit('rare', 0, { compared: 2 });
  submit('hot again', 0, { compared: 901 });
  await nextTurn();
  expect(begun).toEqual(['hot shed: queue-full', 'hot again shed: queue-full']);
});
