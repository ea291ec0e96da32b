import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { callSites } from './call-site.ts';

/** A clock of which only the moment is asked. */
function clockAt(ms: () => number): never {
  return { monotonicMs: ms } as never;
}

describe('callSites', () => {
  test('names the file and line that makes the call, from the working directory', () => {
    expect(callSites()('order', 'k')).toMatch(
      /^packages\/bridge\/src\/guarantees\/call-site\.test\.ts:\d+$/,
    );
  });

  test('passes over the frames of files that are its own', () => {
    const sites = callSites({ isOwn: () => true });
    expect(sites('order', 'k')).toBeUndefined();
  });

  test('prefers the program to what is installed in node_modules', () => {
    // This file is called by the test runner, which is installed.
    const isOwn = (file: string): boolean => file.includes(join('src', 'guarantees'));
    expect(callSites({ isOwn })('order', 'k')).toMatch(/node_modules/);
  });

  test('takes few stacks of one key and kind in a second, and others go on', () => {
    let now = 0;
    const sites = callSites({ clock: clockAt(() => now) });
    const taken = (kind: string, tries: number): number =>
      Array.from({ length: tries }, () => sites(kind, 'k')).filter((site) => site !== undefined)
        .length;
    expect(taken('order', 50)).toBe(4);
    expect(taken('exclusion', 50)).toBe(4);
    now = 1_000;
    expect(taken('order', 50)).toBe(4);
  });

  test('takes no more than a hundred of one key and kind', () => {
    let now = 0;
    const sites = callSites({ clock: clockAt(() => now) });
    let taken = 0;
    for (; now < 200_000; now += 500) if (sites('order', 'k') !== undefined) taken += 1;
    expect(taken).toBe(100);
  });

  test("survives a program's own way of showing stacks", () => {
    const prepare = Error.prepareStackTrace;
    const sites = callSites();
    Error.prepareStackTrace = () => {
      throw new Error('mine');
    };
    try {
      expect(sites('order', 'k')).toBeUndefined();
    } finally {
      Error.prepareStackTrace = prepare;
    }
  });

  test('leaves the length of stacks as it was', () => {
    const before = Error.stackTraceLimit;
    callSites()('order', 'k');
    expect(Error.stackTraceLimit).toBe(before);
  });
});
