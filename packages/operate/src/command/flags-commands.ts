import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { checkFlags, type FlagProblem } from '@changeover/bridge';
import type { Command } from 'commander';
import { applyFlags, planFlags } from './apply-flags.ts';
import {
  changeOptions,
  type ChangingOptions,
  type CommandContext,
  type CommonOptions,
  groups,
  withFormat,
  withReason,
} from './command-context.ts';
import { CommandError, exitCodes } from './command-error.ts';
import { exampleFlags } from './example-flags.ts';
import { examples } from './help-texts.ts';
import { requireLedger } from './migration.ts';
import { pullFlags } from './pull-flags.ts';
import type { Terminal } from './terminal.ts';

/** `flags example`, `validate`, `plan`, `apply`, `pull`. */
export function addFlagsCommands(program: Command, context: CommandContext): void {
  const flags = program
    .command('flags')
    .helpGroup(groups.flags)
    .description('check flags, see what they would change, put them in use')
    .addHelpText('after', examples.flags);
  flags
    .command('example')
    .description('a flags file to begin with: everything on legacy')
    .argument('<backends...>', 'the names of your bridges')
    .addHelpText('after', examples.flagsExample)
    .action((backends: readonly string[]) => {
      context.streams.stdout.write(exampleFlags(backends));
    });
  withFormat(flags.command('validate'))
    .description('check a flags file')
    .argument('[file]', 'default: the flags file in use')
    .addHelpText('after', examples.flagsValidate)
    .action((file: string | undefined, options: CommonOptions) => {
      context.exitCode = validateFlags(
        file ?? context.place(options).flagsFile,
        context.terminal(options),
      );
    });
  withFormat(flags.command('plan'))
    .description('what would change with this file')
    .argument('<file>')
    .addHelpText('after', examples.flagsPlan)
    .action(async (file: string, options: CommonOptions) => {
      await context.withMigration(options, (migration, terminal) => {
        return planFlags(migration, readFlags(file), file, terminal);
      });
    });
  withReason(flags.command('apply'))
    .description('put this file in use: as the flags file, or on the flag server')
    .argument('<file>')
    .option('--force', 'let flags that decide alone move keys past stages and gates')
    .addHelpText('after', examples.flagsApply)
    .action(async (file: string, options: ChangingOptions & { readonly force?: boolean }) => {
      const given = { ...changeOptions(options), force: options.force };
      await context.withMigration(options, (migration, terminal) => {
        requireLedger(migration);
        return applyFlags(migration, readFlags(file), file, terminal, given);
      });
    });
  withReason(flags.command('pull'))
    .description("write the flag server's flags into the flags file, for when it is away")
    .option('--output <file>', 'default: the flags file in use')
    .addHelpText('after', examples.flagsPull)
    .action(async (options: ChangingOptions & { readonly output?: string }) => {
      const given = changeOptions(options);
      await context.withMigration(options, (migration, terminal) => {
        requireLedger(migration);
        return pullFlags(migration, options.output ?? migration.place.flagsFile, terminal, given);
      });
    });
}

/** The text of a flags file that is valid.
 *
 * @throws {CommandError} for one that isn't. */
function readFlags(path: string): string {
  const [problem] = problemsOf(path);
  if (problem === undefined) return readFileSync(path, 'utf8');
  throw new CommandError(
    `${path} would be refused: ${problem.message}. See: changeover flags validate ${path}`,
  );
}

/** Checks a flags file: `changeover flags validate`. Gives the exit code. */
export function validateFlags(path: string, terminal: Terminal): number {
  const problems = problemsOf(path);
  const valid = problems.length === 0;
  terminal.answer(
    valid
      ? [`${path} is valid.`]
      : [
          `${path} is refused:`,
          ...problems.map(({ message }) => `  ${terminal.paint('red', message)}`),
        ],
    { file: path, valid, problems },
  );
  return valid ? exitCodes.done : exitCodes.error;
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
