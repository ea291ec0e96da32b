import { resolve } from 'node:path';
import { checkFlags, type FlagProblem, readFlagsText, typedWord } from '@changeover/bridge';
import { CommandError, exitCodes } from './command-error.ts';
import type { Terminal } from './terminal.ts';

/** The text of a flags file that is valid.
 *
 * @throws {CommandError} for one that isn't. */
export function readFlags(path: string): string {
  const [problem] = problemsOf(path);
  if (problem === undefined) return readFlagsText(path);
  throw new CommandError(
    `${path} would be refused: ${problem.message}. See: changeover flags validate ${path}`,
  );
}

/** Checks a flags file: `changeover flags validate`. Gives the exit code.
 *
 * @param inUse the file that programs read: there is nothing to put in use where it is this one. */
export function validateFlags(path: string, inUse: string, terminal: Terminal): number {
  const problems = problemsOf(path);
  const valid = problems.length === 0;
  const next = commandsAfter(path, valid, resolve(path) === resolve(inUse));
  terminal.answer(
    valid
      ? [`${path} is valid.`, ...next.slice(0, 1).map((plan) => `What it would change: ${plan}`)]
      : [
          `${path} is refused:`,
          ...problems.map(({ message }) => `  ${terminal.paint('red', message)}`),
        ],
    { file: path, valid, problems, next },
  );
  return valid ? exitCodes.done : exitCodes.error;
}

function commandsAfter(path: string, valid: boolean, isInUse: boolean): readonly string[] {
  const file = typedWord(path);
  if (!valid) return [`changeover flags validate ${file}`];
  return isInUse
    ? []
    : [`changeover flags plan ${file}`, `changeover flags apply ${file} --reason "..."`];
}

function problemsOf(path: string): readonly FlagProblem[] {
  let text;
  try {
    text = readFlagsText(resolve(path));
  } catch (error) {
    throw new CommandError(`The flags can't be read: ${(error as Error).message}`);
  }
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    return [{ flag: undefined, path: '', message: `it is no JSON: ${(error as Error).message}` }];
  }
  return checkFlags(document, 'file').problems;
}
