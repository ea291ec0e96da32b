import { describe, expect, test } from '@jest/globals';
import { maxRecentCalls, RecentCalls } from './recent-calls.ts';

const call = (...args: unknown[]) => ({ operation: 'list', key: 'inbox', shape: '', args });

describe('the calls of the last mismatches', () => {
  test('are so many, the latest of each id; the oldest is forgotten', () => {
    const calls = new RecentCalls();
    for (let at = 0; at <= maxRecentCalls; at += 1) calls.keep(`id${String(at)}`, call(at));
    calls.keep('id1', call('again'));
    expect(calls.ids()).toHaveLength(maxRecentCalls);
    expect(calls.ids()[0]).toBe('id1');
    expect(calls.get('id0')).toBeUndefined();
    expect(calls.get('id1')).toEqual(call('again'));
  });

  test('are forgotten for no difference that could not be explained', () => {
    const calls = new RecentCalls();
    calls.keep('id', call('a mismatch'));
    for (let at = 0; at <= maxRecentCalls; at += 1) calls.keep(`no ${String(at)}`, call(at), false);
    expect(calls.get('id')).toEqual(call('a mismatch'));
    expect(calls.get('no 0')).toBeUndefined();
    expect(calls.get('no 100')).toEqual(call(100));
  });

  test.each([
    ['a long text', 'x'.repeat(40_000)],
    ['many bytes', Buffer.alloc(70_000)],
    ['a long list', Array.from({ length: 10_000 }, () => 1)],
    ['many rows', Array.from({ length: 2_000 }, (_, id) => ({ id, note: 'a note' }))],
  ])('are not kept where one is large: %s', (_title, value) => {
    const calls = new RecentCalls();
    calls.keep('id', call('earlier'));
    calls.keep('id', call(value));
    expect(calls.ids()).toEqual([]);
  });

  test('of a connection or another object of a class only the reference is kept', () => {
    class Connection {
      readonly buffer = Buffer.alloc(1_000_000);
    }
    const calls = new RecentCalls();
    calls.keep('id', call(new Connection(), 'x'.repeat(1_000)));
    expect(calls.ids()).toEqual(['id']);
  });
});
