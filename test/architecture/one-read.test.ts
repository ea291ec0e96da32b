import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import type { OneRead } from './one-read.ts';

/**
 * Reads at `shadow` that match, of a bridge over two objects that answer with promises, after what is decided once: by V8's own
 * counts of which functions ran. A file counts where one of its functions ran:
 *
 * - on the caller's way, from the call until the caller has the answer,
 * - in the background, until the comparison has its verdict,
 * - in the page: what runs more often where the page is drawn of one operation more.
 *
 * A crossing is a call of a function of one package by a function of another, each time that it is made, with what the platform puts
 * between them left out. Readings of the clock are left out: it is handed in, and nobody who reads the code follows it.
 */
function walk(): OneRead {
  const program = join(import.meta.dirname, 'one-read.ts');
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ['--conditions=@changeover/source', program],
    { encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '' } },
  );
  if (status !== 0) throw new Error(`the walk ended with ${String(status)}: ${stderr}`);
  return JSON.parse(stdout) as OneRead;
}

const read = walk();

/** What was reached: 40 for the three together, as was wanted. These numbers go down, never up. */
const most = { call: 22, comparison: 28, page: 40 };

test('one shadowed read passes through no more files than it did, from the call to its row in the page', () => {
  const { call, background, drawn } = read;
  const compared = new Set([...call, ...background]);
  expect(call.length).toBeLessThanOrEqual(most.call);
  expect(compared.size).toBeLessThanOrEqual(most.comparison);
  expect(new Set([...compared, ...drawn]).size).toBeLessThanOrEqual(most.page);
  // Or nothing was seen.
  expect(call).toContain('bridge/src/call/read-calls.ts');
  expect(background).toContain('compare/src/digest.ts');
  expect(drawn).toContain('operate/src/report/html/key-detail.ts');
});

test('its comparison crosses packages at most six times', () => {
  expect(read.crossings).toContain('bridge/src/shadow/shadow-caller.ts -> compare/src/digest.ts');
  expect(read.crossings.length).toBeLessThanOrEqual(6);
});
