import { userInfo } from 'node:os';
import { type Engine, engines, StorageError } from '@changeover/core';
import { Argument, Command, CommanderError, Option } from 'commander';
import { type ReportFormat, reportFormats } from '../report/report.ts';
import { CommandError, exitCodes } from './command-error.ts';
import { explain } from './explain.ts';
import { planFlags, validateFlags } from './flags.ts';
import { examples, synopsis } from './help-texts.ts';
import { type ChangeOptions, holdAtLegacy, resume } from './hold-commands.ts';
import { type Migration, openMigration, type PlaceOptions, placeOf } from './migration.ts';
import { promote } from './promote.ts';
import { askGate, writeReport } from './report-commands.ts';
import { showStatus } from './status.ts';
import { datasetNamed, engineNamed, operationNamed } from './subject.ts';
import { openTerminal, type Streams, type Terminal } from './terminal.ts';

interface CommonOptions extends PlaceOptions {
  readonly format?: string;
}

interface ChangingOptions extends CommonOptions {
  readonly reason: string;
  readonly who?: string;
  readonly plan?: boolean;
  readonly unseen?: boolean;
  readonly force?: boolean;
}

/**
 * The command `changeover`.
 *
 * @param args what was typed after its name.
 * @returns the exit code: 0 done, 1 error, 2 wrong usage, 3 inconclusive, 99 a gate failed. Never rejects.
 */
export async function runCommand(args: readonly string[], streams: Streams): Promise<number> {
  const commands = new Commands(streams);
  try {
    await commands.program().parseAsync([...args], { from: 'user' });
    return commands.exitCode;
  } catch (error) {
    // What is wrong was written by commander itself; help that was asked for ends here too, with 0.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
    const known = error instanceof CommandError || error instanceof StorageError;
    streams.stderr.write(`changeover: ${known ? error.message : messageOf(error)}\n`);
    return error instanceof CommandError ? error.exitCode : exitCodes.error;
  }
}

class Commands {
  exitCode: number = exitCodes.done;
  readonly #streams: Streams;

  constructor(streams: Streams) {
    this.#streams = streams;
  }

  program(): Command {
    const program = new Command('changeover')
      .description(synopsis)
      .configureOutput({
        writeOut: (text) => { this.#streams.stdout.write(text); },
        writeErr: (text) => { this.#streams.stderr.write(text); },
      })
      .exitOverride()
      .showSuggestionAfterError()
      .showHelpAfterError('Type changeover --help, or changeover <command> --help, for what there is.')
      .addHelpText('after', examples.changeover);
    this.#addReading(program);
    this.#addChanging(program);
    this.#addFlags(program);
    this.#addReport(program);
    return program;
  }

  #addReading(program: Command): void {
    common(program.command('status')).description('every dataset: its stage, why, and what was measured')
      .addHelpText('after', examples.status)
      .action(async (options: CommonOptions) => {
        await this.#withMigration(options, showStatus);
      });
    common(program.command('explain')).description('why a dataset is on its stage, and how to change that')
      .addArgument(engineArgument()).argument('<dataset>').argument('[operation]', 'for this operation alone, as in readTable')
      .option('--unseen', 'accept a dataset that has not been called yet')
      .addHelpText('after', examples.explain)
      .action(async (engine: string, dataset: string, operation: string | undefined, options: ChangingOptions) => {
        const name = engineNamed(engine);
        const narrowed = operation === undefined ? undefined : operationNamed(operation);
        await this.#withMigration(options, (migration, terminal) => {
          explain(migration, terminal, name, datasetNamed(migration, name, dataset, options.unseen === true), narrowed);
        });
      });
  }

  #addChanging(program: Command): void {
    changing(program.command('rollback'), '<dataset>').description('put a dataset back to legacy at once, and hold it there')
      .addHelpText('after', examples.rollback)
      .action((engine: string, dataset: string, options: ChangingOptions) => this.#change(engine, dataset, options, holdAtLegacy));
    changing(program.command('kill'), undefined).description('put all datasets of an engine back to legacy at once, and hold them there')
      .addHelpText('after', examples.kill)
      .action((engine: string, options: ChangingOptions) => this.#change(engine, undefined, options, holdAtLegacy));
    changing(program.command('resume'), '[dataset]').description('end a hold: the flag decides again')
      .addHelpText('after', examples.resume)
      .action((engine: string, dataset: string | undefined, options: ChangingOptions) => this.#change(engine, dataset, options, resume));
    changing(program.command('promote'), '<dataset>').description('move a dataset one stage forward, past its gates')
      .option('--force', 'go forward although the gates do not hold')
      .addHelpText('after', examples.promote)
      .action((engine: string, dataset: string, options: ChangingOptions) => this.#change(engine, dataset, options,
        (migration, terminal, subject, change) => promote(migration, terminal, subject, { ...change, force: options.force === true })));
  }

  #addFlags(program: Command): void {
    const flags = program.command('flags').description('check a flags file, and see what it would change')
      .addHelpText('after', examples.flags);
    common(flags.command('validate')).description('check a flags file').argument('[file]', 'default: the flags file in use')
      .action((file: string | undefined, options: CommonOptions) => {
        this.exitCode = validateFlags(file ?? placeOf(options, this.#streams.env).flagsFile, this.#terminal(options));
      });
    common(flags.command('plan')).description('which datasets would change stage with this file').argument('<file>')
      .action(async (file: string, options: CommonOptions) => {
        await this.#withMigration(options, (migration, terminal) => planFlags(migration, file, terminal));
      });
  }

  #addReport(program: Command): void {
    place(program.command('report')).description('what was compared, as a document')
      .addOption(new Option('--format <format>', 'how it is written').choices(reportFormats).default('text'))
      .option('--output <file>', 'default: standard output')
      .addHelpText('after', examples.report)
      .action((options: PlaceOptions & { readonly format: ReportFormat; readonly output?: string }) => {
        writeReport(placeOf(options, this.#streams.env), this.#streams, options.format, options.output);
      });
    common(program.command('gate')).description('may datasets step forward? exit code 0 yes, 3 can not be told, 99 no')
      .argument('[engine]', `${engines.join(', ')}; default: all`)
      .addHelpText('after', examples.gate)
      .action((engine: string | undefined, options: CommonOptions) => {
        const name = engine === undefined ? undefined : engineNamed(engine);
        this.exitCode = askGate(placeOf(options, this.#streams.env), this.#terminal(options), name);
      });
  }

  async #change(
    engine: string, dataset: string | undefined, options: ChangingOptions,
    change: (migration: Migration, terminal: Terminal, subject: { engine: Engine; dataset: string },
      options: ChangeOptions) => Promise<void>,
  ): Promise<void> {
    const name = engineNamed(engine);
    const reason = options.reason.trim();
    if (reason === '') throw new CommandError('--reason needs a text: the ledger keeps it for whoever asks why.', exitCodes.usage);
    const who = options.who ?? userInfo().username;
    await this.#withMigration(options, (migration, terminal) => {
      const subject =
        { engine: name, dataset: dataset === undefined ? '' : datasetNamed(migration, name, dataset, options.unseen === true) };
      return change(migration, terminal, subject, { who, reason, plan: options.plan === true });
    });
  }

  async #withMigration(options: CommonOptions, use: (migration: Migration, terminal: Terminal) => void | Promise<void>): Promise<void> {
    await using migration = await openMigration(placeOf(options, this.#streams.env));
    await use(migration, this.#terminal(options));
  }

  #terminal({ format }: CommonOptions): Terminal {
    return openTerminal(this.#streams, format === 'json' ? 'json' : 'text');
  }
}

function engineArgument(): Argument {
  return new Argument('<engine>', engines.join(', '));
}

/** On every command, because people add options at the end of a line. */
function place(command: Command): Command {
  return command
    .option('--base-path <folder>', 'the folder with one folder a dataset (CHANGEOVER_BASE_PATH, else ./datasets)')
    .option('--flags <file>', 'the flags file (CHANGEOVER_FLAGS, else ./flags/changeover.json)')
    .option('--store <file>', 'the comparison store, with the ledger (CHANGEOVER_STORE, else in the base folder)');
}

function common(command: Command): Command {
  return place(command).addOption(new Option('--format <format>', 'how the answer is written').choices(['text', 'json']).default('text'));
}

function changing(command: Command, dataset: string | undefined): Command {
  const typed = common(command).addArgument(engineArgument());
  if (dataset !== undefined) typed.argument(dataset).option('--unseen', 'accept a dataset that has not been called yet');
  return typed
    .requiredOption('--reason <text>', 'why; it goes into the ledger')
    .option('--who <name>', 'who does it; default: the name you are logged in with')
    .option('--plan', 'show what would change, and change nothing');
}

function messageOf(error: unknown): string {
  return String((error as { message?: unknown } | null)?.message ?? error);
}
