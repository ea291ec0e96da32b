import { describe, expect, test } from '@jest/globals';
import { openTerminal } from '../../packages/operate/src/command/terminal.ts';

const escape = '\u001b[';

function painted(isTTY: boolean, env: Record<string, string>): string {
  const stream = { write: () => true, isTTY };
  return openTerminal({ stdout: stream, stderr: stream, env }, 'text').paint('red', 'text');
}

test('text from data can not steer the terminal, colours stay', () => {
  const [written, stream] = [
    [] as string[],
    { write: (text: string) => written.push(text), isTTY: true },
  ];
  const terminal = openTerminal({ stdout: stream, stderr: stream, env: {} }, 'text');
  const evil = `${escape}2J\u001b]0;title\u0007\rline\nline \u202etxt.exe`;
  terminal.say([terminal.paint('red', `held by ${evil}`)]);
  terminal.answer([evil], { next: [] });
  const made = '⟨U+001B⟩[2J⟨U+001B⟩]0;title⟨U+0007⟩⟨U+000D⟩line⟨U+000A⟩line ⟨U+202E⟩txt.exe';
  expect(written).toEqual([`${escape}31mheld by ${made}${escape}39m\n`, `${made}\n`]);
});

test('what is too long for a terminal is broken between words, below what its label begins, and a command never', () => {
  const written: string[] = [];
  const stream = { write: (text: string) => written.push(text), isTTY: true, columns: 24 };
  const terminal = openTerminal({ stdout: stream, stderr: stream, env: {} }, 'text');
  const command = '  changeover rollback notes inbox --reason "slow"';
  terminal.answer([`because  ${terminal.paint('red', 'held')} by ada for the month end`, command], {
    next: [],
  });
  expect(written.join('').replaceAll(/\u001b\[\d+m/g, '')).toBe(
    `because  held by ada for\n         the month end\n${command}\n`,
  );
});

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
