import { readFileSync } from 'node:fs';
import { StorageError } from '@changeover/core';
import { Command, CommanderError } from 'commander';
import { CommandContext, groups } from './command-context.ts';
import { CommandError, exitCodes } from './command-error.ts';
import { examples, synopsis } from './help-texts.ts';
import { subcommands } from './subcommands.ts';
import { harmless, type Streams } from './terminal.ts';

/**
 * The command `changeover`.
 *
 * @param args what was typed after its name.
 * @returns the exit code: 0 done, 1 error, 2 wrong usage, 3 inconclusive, 99 a gate failed. Never rejects.
 */
export async function runCommand(args: readonly string[], streams: Streams): Promise<number> {
  const context = new CommandContext(streams);
  try {
    await makeProgram(context).parseAsync([...args], { from: 'user' });
    return context.exitCode;
  } catch (error) {
    // What is wrong was written by commander itself; help that was asked for ends here too, with 0.
    if (error instanceof CommanderError)
      return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
    const known = error instanceof CommandError || error instanceof StorageError;
    const message = known ? error.message : messageOf(error);
    streams.stderr.write(`changeover: ${message.split('\n').map(harmless).join('\n')}\n`);
    return error instanceof CommandError ? error.exitCode : exitCodes.error;
  }
}

function makeProgram(context: CommandContext): Command {
  const { stdout, stderr } = context.streams;
  const program = new Command('changeover')
    .description(synopsis)
    .version(version(), '-V, --version', 'the version')
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
  for (const add of subcommands) add(program, context);
  return program;
}

function version(): string {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}

function messageOf(error: unknown): string {
  return String((error as { message?: unknown } | null)?.message ?? error);
}
