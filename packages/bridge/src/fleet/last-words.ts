import { type OwnProgram, ownProgram } from '@changeover/core';
import type { LastWords } from './say-the-last.ts';

const mostMs = 2_000;

/**
 * Says to the shared store what a process still holds whose event loop has ended. Holds the process up until it is said, for two seconds
 * at the most.
 *
 * @returns false where it could not be said.
 */
export function sayInOtherProcess(words: LastWords): boolean {
  const program = sayTheLast();
  if (program === undefined) return false;
  const { spawnSync } = process.getBuiltinModule('node:child_process');
  const { status } = spawnSync(process.execPath, [...program.execArgv, program.path], {
    input: JSON.stringify(words),
    env: { ...process.env, NODE_OPTIONS: '', CHANGEOVER_LAST_WORDS: '1' },
    stdio: ['pipe', 'ignore', 'ignore'],
    timeout: mostMs,
    killSignal: 'SIGKILL',
    windowsHide: true,
  });
  return status === 0;
}

function sayTheLast(): OwnProgram | undefined {
  try {
    return ownProgram('@changeover/bridge/say-the-last', import.meta.url);
  } catch {
    return undefined;
  }
}
