import { describe } from '@changeover/core';
import { NoFileError, readSmallFile } from './read-small-file.ts';

/** Flags have no need of more, and reading is done on the main thread, so that nothing waits for the thread pool. */
const maxFileBytes = 4 * 1024 * 1024;

/** Where it isn't that the process may not read it. */
const readRemedies: Readonly<Record<string, string>> = {
  EMFILE:
    'the process has no file descriptor left: raise its limit (ulimit -n), or close what it leaks',
  ENFILE: 'the machine has no file descriptor left: close what leaks them',
  ELOOP: 'the link leads back to itself: let it lead to the file',
  ENOTDIR: 'a part of its path is a file, and no folder',
};

/**
 * The text of a flags file, whatever is at its place: a program, and the command, would wait for ever for a pipe's writer.
 *
 * @throws {Error} whose message names the file, says what is there, and what to do.
 */
export function readFlagsText(path: string): string {
  try {
    return readSmallFile(path, maxFileBytes);
  } catch (error) {
    throw new Error(problemText(describe(path), error), { cause: error });
  }
}

function problemText(file: string, error: unknown): string {
  if (error instanceof NoFileError) return `${file} ${error.message}`;
  const { code = '' } = error as { code?: string };
  if (code === 'ENOENT') return `there is no file ${file}; npx changeover init writes one`;
  return `${file} can't be read (${code}); ${readRemedies[code] ?? 'let this process read it'}`;
}
