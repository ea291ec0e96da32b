import { ChangeoverError } from '@changeover/core';
import { Command, CommanderError } from 'commander';
import { type AddSubcommand, CommandContext, groups } from './command-context.ts';
import { CommandError, exitCodes } from './command-error.ts';
import { examples, synopsis } from './help-texts.ts';
import { subcommands } from './subcommands.ts';
import type { Streams } from './terminal.ts';

/** What a package that brings the command adds to it. */
export interface CommandOptions {
  /** For `--version`. */
  readonly version: string;
  /** Subcommands beside those that any bridge has. */
  readonly more?: readonly AddSubcommand[];
}

/**
 * The command `changeover`.
 *
 * @param args what was typed after its name.
 * @returns the exit code: 0 done, 1 error, 2 wrong usage, 3 inconclusive, 99 a gate failed. Never rejects.
 */
export async function runCommand(
  args: readonly string[],
  streams: Streams,
  { version, more = [] }: CommandOptions,
): Promise<number> {
  const context = new CommandContext(streams);
  try {
    await makeProgram(context, version, more).parseAsync([...args], { from: 'user' });
    return context.exitCode;
  } catch (error) {
    // What is wrong was written by commander itself; help that was asked for ends here too, with 0.
    if (error instanceof CommanderError)
      return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
    const known = error instanceof CommandError || error instanceof ChangeoverError;
    const message = known ? error.message : messageOf(error);
    const { harmless } = await import('./terminal.ts');
    streams.stderr.write(`changeover: ${message.split('\n').map(harmless).join('\n')}\n`);
    return error instanceof CommandError ? error.exitCode : exitCodes.error;
  }
}

function makeProgram(
  context: CommandContext,
  version: string,
  more: readonly AddSubcommand[],
): Command {
  const { stdout, stderr } = context.streams;
  const program = new Command('changeover')
    .description(synopsis)
    .version(version, '-V, --version', 'the version')
    .configureOutput({
      writeOut: (text) => {
        stdout.write(text);
      },
      writeErr: (text) => {
        stderr.write(text);
      },
    })
    .exitOverride()
    .showSuggestionAfterError()
    .showHelpAfterError(
      'Type changeover --help, or changeover <command> --help, for what there is.',
    )
    .addHelpCommand(
      new Command('help')
        .helpOption(false)
        .argument('[command]')
        .helpGroup(groups.other)
        .description('the help of a command'),
    )
    .addHelpText('after', examples.changeover);
  for (const add of [...subcommands, ...more]) add(program, context);
  return program;
}

function messageOf(error: unknown): string {
  return String((error as { message?: unknown } | null)?.message ?? error);
}
