import { ChangeoverError } from '@changeover/core';
import { type Argument, Command, CommanderError } from 'commander';
import { type AddSubcommand, CommandContext, groups } from './command-context.ts';
import { CommandError, exitCodes } from './command-error.ts';
import { examples, synopsis } from './help-texts.ts';
import { subcommands } from './subcommands.ts';
import type { Streams } from './terminal.ts';
import { helpWidth, wrappedHelp } from './wrapped-help.ts';

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
    const program = makeProgram(context, version, more);
    await program.parseAsync(asTyped(program, args), { from: 'user' });
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
        stdout.write(wrappedHelp(text, helpWidth(stdout)));
      },
      writeErr: (text) => {
        stderr.write(text);
      },
    })
    .exitOverride()
    .showSuggestionAfterError()
    // Without "[options]", which all of them have, a line leaves room for what it says.
    .configureHelp({ subcommandTerm: usageOf })
    .showHelpAfterError('For what there is: changeover --help')
    .addHelpCommand(
      new Command('help')
        .helpOption(false)
        .argument('[command]')
        .helpGroup(groups.other)
        .description('the help of a command'),
    )
    .addHelpText('after', examples.changeover);
  for (const add of [...subcommands, ...more]) add(program, context);
  for (const command of program.commands) helpAfterError(command, 'changeover');
  return program;
}

/** What was expected in the place of what was typed: the usage, and one line that works. */
function helpAfterError(command: Command, above: string): void {
  const name = `${above} ${command.name()}`;
  const example = exampleOf(name);
  command.showHelpAfterError(
    [
      `Usage: ${above} ${usageOf(command)} [options]`,
      ...(example === undefined ? [] : [`As in:  ${example}`]),
      ...(command.name() === 'rollback' ? ['All keys of a backend: changeover kill'] : []),
      `For all of it: ${name} --help`,
    ].join('\n'),
  );
  for (const inner of command.commands) helpAfterError(inner, name);
}

/** The first of the examples that is one of this command. */
function exampleOf(name: string): string | undefined {
  return Object.values(examples)
    .flatMap((text) => [...text.matchAll(/^ {2}\$ (.*?)(?: {2,}.*)?$/gm)])
    .map(([, line = '']) => line)
    .find((line) => line.startsWith(`${name} `) && !line.includes('--plan'));
}

function usageOf(command: Command): string {
  return [command.name(), ...command.registeredArguments.map(bracketed)].join(' ');
}

function bracketed(argument: Argument): string {
  const name = `${argument.name()}${argument.variadic ? '...' : ''}`;
  return argument.required ? `<${name}>` : `[${name}]`;
}

/** The help of a command that there isn't would be that of all: it is told as one that was typed. */
function asTyped(program: Command, [first, second, ...rest]: readonly string[]): string[] {
  const typed = [first, second].filter((word) => word !== undefined);
  const isKnown = program.commands.some((one) => one.name() === second);
  return first === 'help' && second !== undefined && !isKnown ? [second] : [...typed, ...rest];
}

function messageOf(error: unknown): string {
  return String((error as { message?: unknown } | null)?.message ?? error);
}
