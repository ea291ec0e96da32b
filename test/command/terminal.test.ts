import { describe, expect, test } from '@jest/globals';
import { openTerminal } from '../../packages/changeover/src/command/terminal.ts';

const escape = '\u001b[';

function painted(isTTY: boolean, env: Record<string, string>): string {
  const stream = { write: () => true, isTTY };
  return openTerminal({ stdout: stream, stderr: stream, env }, 'text').paint('red', 'text');
}

describe('colour', () => {
  test.each([
    ['on a terminal', true, {}, true],
    ['not in a pipe', false, {}, false],
    ['not where NO_COLOR is set', true, { NO_COLOR: '1' }, false],
    ['where NO_COLOR is empty', true, { NO_COLOR: '' }, true],
    ['not on a dumb terminal', true, { TERM: 'dumb' }, false],
  ] as const)('%s', (_name, isTTY, env, colour) => {
    expect(painted(isTTY, env).includes(escape)).toBe(colour);
  });
});
