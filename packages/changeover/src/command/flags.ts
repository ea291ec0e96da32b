import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { engines } from '@changeover/core';
import { checkFlags, type FlagProblem, openFileStageSource, silentLogger } from '@changeover/router';
import { textTable } from '../report/text-table.ts';
import { CommandError, exitCodes } from './command-error.ts';
import { anyOperation, type Migration } from './migration.ts';
import type { Terminal } from './terminal.ts';

/** Checks a flags file: `changeover flags validate`. Gives the exit code. */
export function validateFlags(path: string, terminal: Terminal): number {
  const problems = problemsOf(path);
  const valid = problems.length === 0;
  terminal.answer(valid ? [`${path} is valid.`]
    : [`${path} is refused:`, ...problems.map(({ message }) => `  ${terminal.paint('red', message)}`)], { file: path, valid, problems });
  return valid ? exitCodes.done : exitCodes.error;
}

/** Which datasets would change stage with another flags file: `changeover flags plan`. Changes nothing. */
export async function planFlags(migration: Migration, path: string, terminal: Terminal): Promise<void> {
  const [problem] = problemsOf(path);
  if (problem !== undefined) {
    throw new CommandError(`${path} would be refused: ${problem.message}. See: changeover flags validate ${path}`);
  }
  const planned = openFileStageSource({ path, logger: silentLogger });
  try {
    const all = engines.flatMap((engine) => migration.datasets(engine).map((dataset) => {
      const context = { backend: engine, dataset, operation: anyOperation };
      const [now, then] = [migration.flags.decide(context), planned.decide(context)];
      const { line } = migration.standing(engine, dataset);
      return { engine, dataset, from: now.stage, to: then.stage, reason: then.reason, held: line?.held === true ? line.to : null };
    }));
    const moves = all.filter(({ from, to }) => from !== to);
    const table = textTable([{ title: 'engine' }, { title: 'dataset' }, { title: 'from' }, { title: 'to' }, { title: 'why' }], moves
      .map(({ engine, dataset, from, to, reason, held }) =>
        [engine, dataset, from, to, held === null ? reason : `stays at ${held} all the same: it is held`]));
    const unchanged = all.length - moves.length;
    const rest = `${String(unchanged)} of ${String(all.length)} known datasets stay where they are.`;
    terminal.answer([...moves.length === 0 ? [] : [...table, ''], rest, 'Nothing was changed.'], { file: path, moves, unchanged });
  } finally {
    await planned.close();
  }
}

function problemsOf(path: string): readonly FlagProblem[] {
  let text;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new CommandError(`${resolve(path)} can't be read: ${(error as Error).message}`);
  }
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    return [{ flag: undefined, path: '', message: `it is no JSON: ${(error as Error).message}` }];
  }
  return checkFlags(document, 'file').problems;
}
