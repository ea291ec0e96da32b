import { expect, test } from '@jest/globals';
import { ManualClock } from '../../../../test/kit/manual-clock.ts';
import type { WindowFigures } from './fleet-message.ts';
import { SharedWindows } from './shared-windows.ts';

const clock = new ManualClock();
const good: WindowFigures = { c: 10, f: 0, k: 100, g: 0, m: 0, o: { list: [10, 2, 100, 200] } };

test('a key in good order is said, and nobody asks for the others’ windows of it', () => {
  const windows = new SharedWindows({ clock, windowMs: 60_000 });
  windows.publish('notes', 'one', good);
  expect(windows.said()).toEqual({ v: [['notes', 'one', good]] });
  expect(windows.said()).toEqual({});
});

test.each([
  ['a call failed', { ...good, f: 1 }],
  ['a mismatch was confirmed', { ...good, m: 1 }],
  ['an operation is slow', { ...good, o: { list: [10, 9, 100, 200] } as const }],
])('the others’ windows are asked for where %s', (_why, figures) => {
  const windows = new SharedWindows({ clock, windowMs: 60_000 });
  windows.publish('notes', 'one', figures);
  expect(windows.said().a).toEqual([['notes', 'one', 60]]);
  windows.heard([['notes', 'one', [good, good]]]);
  expect(windows.others('notes', 'one')).toEqual([good, good]);
  windows.publish('notes', 'one', good);
  expect(windows.others('notes', 'one')).toEqual([]);
});

test('what a thousand processes would have the store read is bounded, and each key has its turn', async () => {
  const windows = new SharedWindows({ clock, windowMs: 60_000 });
  const asked = new Map<string, number>();
  for (let second = 0; second < 600; second += 1) {
    if (second % 5 === 0)
      for (const key of ['one', 'two', 'three']) windows.publish('notes', key, { ...good, f: 1 });
    const { a = [] } = windows.said();
    for (const [, key] of a) asked.set(key, (asked.get(key) ?? 0) + 1);
    windows.heard(a.map(([backend, key]) => [backend, key, [{ ...good, n: 999 }]]));
    await clock.advance(1_000);
  }
  // A thousand windows each: at 50 a second that is 30 in ten minutes, and one for a start.
  expect([...asked.values()].reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(34);
  expect(Math.min(...['one', 'two', 'three'].map((key) => asked.get(key) ?? 0))).toBeGreaterThan(8);
});
