import { expect, test } from '@jest/globals';
import type { WindowFigures } from './fleet-message.ts';
import { SharedWindows } from './shared-windows.ts';

const good: WindowFigures = { c: 10, f: 0, k: 100, g: 0, m: 0, o: { list: [10, 2, 100, 200] } };

test('a key in good order is said, and nobody asks for the others’ windows of it', () => {
  const windows = new SharedWindows(60_000);
  windows.publish('notes', 'one', good);
  expect(windows.said()).toEqual({ v: [['notes', 'one', good]], a: [] });
  expect(windows.said()).toEqual({});
});

test.each([
  ['a call failed', { ...good, f: 1 }],
  ['a mismatch was confirmed', { ...good, m: 1 }],
  ['an operation is slow', { ...good, o: { list: [10, 9, 100, 200] } as const }],
])('the others’ windows are asked for where %s', (_why, figures) => {
  const windows = new SharedWindows(60_000);
  windows.publish('notes', 'one', figures);
  expect(windows.said().a).toEqual([['notes', 'one', 60]]);
  windows.heard([['notes', 'one', [good, good]]]);
  expect(windows.others('notes', 'one')).toEqual([good, good]);
  windows.publish('notes', 'one', good);
  expect(windows.others('notes', 'one')).toEqual([]);
});
