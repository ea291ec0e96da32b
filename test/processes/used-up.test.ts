import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { readRecordings } from 'changeover';
import { root } from '../architecture/source-files.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-used-up-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Runs the program under a limit of the shell's, and gives what it said line by line. */
function run(limit: string, usedUp: string): string[] {
  const program = join(root, 'test/processes/used-up-program.ts');
  const options = JSON.stringify({ store: join(folder, 'store.sqlite'), usedUp });
  const { stdout, stderr, status } = spawnSync(
    '/bin/sh',
    [
      '-c',
      `${limit} && exec "$0" --conditions=@changeover/source --disable-warning=ExperimentalWarning "$1" "$2"`,
      process.execPath,
      program,
      options,
    ],
    { encoding: 'utf8' },
  );
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout.trim().split('\n');
}

test('without a file descriptor left it is told once, nothing fails, and all is stored once there are some', () => {
  const said = run('ulimit -n 64', 'descriptors');
  expect(said.filter((line) => line.includes("can't be written"))).toEqual([
    expect.stringMatching(/no file descriptor left.*ulimit -n/),
  ]);
  expect(said).toContain('the comparison store can be written again');
  expect(said.at(-1)).toBe('counted 400');
  expect(readRecordings(join(folder, 'store.sqlite')).totals.calls).toBe(400);
});

test('where the store may not grow it is told once with what to do, and the counts are there all the same', () => {
  const said = run('ulimit -f 100', 'size');
  expect(said.filter((line) => line.includes("can't be written"))).toEqual([
    expect.stringMatching(/SQLITE_(IOERR|FULL)\).*(ulimit -f|make room)/),
  ]);
  expect(said).toContain('counted 400');
});
