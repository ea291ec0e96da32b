import { userInfo } from 'node:os';
import { Argument, type Command, Option } from 'commander';
import type { ParsedSettings } from '@changeover/bridge';
import { CommandError, exitCodes } from './command-error.ts';
import type { Migration, PlaceOptions, Reading } from './migration.ts';
import type { Streams, Terminal } from './terminal.ts';

/** Adds one subcommand, or a few that belong together, to `changeover`. They are listed in `subcommands.ts`. */
export type AddSubcommand = (program: Command, context: CommandContext) => void;

/** What {@link withPlace} and {@link withFormat} let a person type. */
export interface CommonOptions extends PlaceOptions {
  readonly format?: string;
}

/** What {@link withReason} lets a person type. */
export interface ChangingOptions extends CommonOptions {
  /** Asked for by {@link changeOptions}, so that a misspelt option is told as what it is. */
  readonly reason?: string;
  readonly who?: string;
  readonly plan?: boolean;
}

/** Who changes something, why, and whether it is only to be shown. */
export interface ChangeOptions {
  readonly who: string;
  readonly reason: string;
  readonly plan: boolean;
}

/** Headings of `changeover --help`. */
export const groups: Readonly<Record<'look' | 'change' | 'decide' | 'flags' | 'other', string>> =
  Object.freeze({
    look: 'Look:',
    change: 'Change (each needs --reason, each is in the ledger):',
    decide: 'Decide:',
    flags: 'Flags:',
    other: 'Other:',
  });

/** What all subcommands share, with as little as possible loaded before one of them runs: the process's streams, the migration that is named by options and environment, and the
 * code that the command ends with. */
export class CommandContext {
  /** A subcommand that says nothing ends with 0. */
  exitCode: number = exitCodes.done;
  readonly streams: Streams;

  constructor(streams: Streams) {
    this.streams = streams;
  }

  async place(options: PlaceOptions): Promise<ParsedSettings> {
    const { placeOf } = await import('./migration.ts');
    return placeOf(options, this.streams.env);
  }

  async terminal({ format }: CommonOptions): Promise<Terminal> {
    const { openTerminal } = await import('./terminal.ts');
    return openTerminal(this.streams, format === 'json' ? 'json' : 'text');
  }

  /** Opens what the options name, for as long as `use` runs.
   *
   * @param reading what it needs of the store. Default: all that was counted. */
  async withMigration(
    options: CommonOptions,
    use: (migration: Migration, terminal: Terminal) => void | Promise<void>,
    reading?: Reading,
  ): Promise<void> {
    const { openMigration } = await import('./migration.ts');
    const migration = await openMigration(await this.place(options), reading);
    try {
      await use(migration, await this.terminal(options));
    } finally {
      await migration.close();
    }
  }
}

/** @throws {CommandError} where there is no reason, or an empty one. */
export function changeOptions(options: ChangingOptions): ChangeOptions {
  const reason = options.reason?.trim() ?? '';
  if (reason === '')
    throw new CommandError(
      '--reason needs a text, as in --reason "slow since 03:10": the ledger keeps it for whoever asks why.',
      exitCodes.usage,
    );
  return { who: options.who ?? userInfo().username, reason, plan: options.plan === true };
}

export function keyArgument(): Argument {
  return new Argument('<key>', 'the name of a dataset or tenant, as changeover status lists it');
}

export function backendArgument(): Argument {
  return new Argument('<backend>', 'the name of a bridge, as in notes');
}

/** On every command and not before it, because people add options at the end of a line. */
export function withPlace(command: Command): Command {
  return command
    .option(
      '--base-path <folder>',
      'the folder with one folder a dataset (CHANGEOVER_BASE_PATH, else ./datasets)',
    )
    .option('--flags <file>', 'the flags file (CHANGEOVER_FLAGS, else ./flags/changeover.json)')
    .option(
      '--store <place>',
      "the ledger: the comparison store's file, or the URL of a database (CHANGEOVER_STORE, " +
        'else in the base folder)',
    )
    .option(
      '--gates <file>',
      'the gates (CHANGEOVER_GATES, else gates.json beside the flags file, else the default gates)',
    );
}

export function withFormat(command: Command): Command {
  return withPlace(command).addOption(
    new Option('--format <format>', 'how the answer is written')
      .choices(['text', 'json'])
      .default('text'),
  );
}

/** For a command that changes something. */
export function withReason(command: Command): Command {
  return withFormat(command)
    .option('--reason <text>', 'why, which must be said; it goes into the ledger')
    .option('--who <name>', 'who does it; default: the name you are logged in with')
    .option('--plan', 'show what would change, and change nothing');
}
