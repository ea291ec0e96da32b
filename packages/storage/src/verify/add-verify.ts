import { type Engine, engines, parseEngine } from '@changeover/engines/api';
import { type Command, InvalidArgumentError, Option } from 'commander';
import {
  type CommandContext,
  type CommonOptions,
  groups,
  withFormat,
} from '@changeover/operate/command';
import { CommandError, exitCodes } from '@changeover/operate/command';
import { keepHeapSmall } from './keep-heap-small.ts';
import type { VerifyOptions } from './verify-options.ts';
import type { VerifyVerdict } from './verify-types.ts';

const examples = `
Each table is read row by row from a snapshot, so writers neither wait nor are seen. It can be stopped (Ctrl+C, or killed):
typed again, it goes on from there.

Examples:
  $ changeover verify                                  every dataset of every engine, through both legs
  $ changeover verify sqlite titanic
  $ changeover verify sqlite titanic --table train --show-values
  $ changeover verify sqlite --against duckdb          copies in another engine
  $ changeover verify sqlite --against-base-path /mnt/backup/datasets
  $ changeover verify postgresql --max-load 0.7 --pause 20 --format json

Exit codes: 0 equal, 99 a difference, 3 can not be told (a table that raced with writes or could not be read), 1 error or
stopped, 2 wrong usage. CHANGEOVER_AGAINST_DATABASE_URL names the server of copies in PostgreSQL where it is another one.`;

const exitCodeOf: Readonly<Record<VerifyVerdict, number>> = {
  match: exitCodes.done,
  mismatch: exitCodes.gateFailed,
  raced: exitCodes.inconclusive,
  inconclusive: exitCodes.inconclusive,
};

interface TypedOptions extends CommonOptions {
  readonly table?: readonly string[];
  readonly against?: string;
  readonly againstBasePath?: string;
  readonly againstDataset?: string;
  readonly by?: 'values' | 'checksum';
  readonly order?: 'counts' | 'free';
  readonly showValues?: boolean;
  readonly state?: string | false;
  readonly fresh?: boolean;
  readonly pause?: number;
  readonly maxLoad?: number;
  readonly progress?: boolean;
}

/** `verify`: whole datasets and stores, compared to the last row. */
export function addVerify(program: Command, context: CommandContext): void {
  withFormat(program.command('verify'))
    .helpGroup(groups.decide)
    .description(
      'compare whole datasets, through both legs or with copies in another store or engine',
    )
    .argument('[engine]', `${engines.join(', ')}; default: all that have datasets`)
    .argument('[dataset]', 'default: all')
    .option('--table <name...>', 'only these tables')
    .addOption(
      new Option('--against <engine>', 'compare with copies in another engine').choices(engines),
    )
    .option('--against-base-path <folder>', 'compare with copies in another base folder')
    .option('--against-dataset <name>', 'compare with a copy of another name')
    .addOption(
      new Option('--by <way>', 'read each value, or let the engines make checksums first').choices([
        'values',
        'checksum',
      ]),
    )
    .addOption(
      new Option(
        '--order <way>',
        'does the order of the rows count? default: through both legs',
      ).choices(['counts', 'free']),
    )
    .option(
      '--show-values',
      'show the values that differ; default: types, lengths and keyed digests',
    )
    .option('--pause <ms>', 'wait so long after every 10,000 rows', numberOf)
    .option(
      '--max-load <load>',
      'wait while the load of the last minute, a processor, is above this',
      numberOf,
    )
    .option('--state <file>', 'where to keep how far it is (default: in the base folder)')
    .option('--no-state', 'keep it nowhere')
    .option('--fresh', 'begin anew, whatever an earlier run left')
    .option('--no-progress', 'do not say on standard error how far it is')
    .addHelpText('after', examples)
    .action(
      async (engine: string | undefined, dataset: string | undefined, options: TypedOptions) => {
        context.exitCode = await verify(context, engine, dataset, options);
      },
    );
}

function numberOf(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0))
    throw new InvalidArgumentError('A number that is not negative was expected.');
  return value;
}

async function verify(
  context: CommandContext,
  engine: string | undefined,
  dataset: string | undefined,
  typed: TypedOptions,
): Promise<number> {
  const collect = keepHeapSmall();
  const { verifyStore } = await import('./verify-store.ts');
  const { parseBridgeOptions } = await import('../bridge-options.ts');
  const { verifyText } = await import('./verify-text.ts');
  const { ProgressLine } = await import('./progress-line.ts');
  const { location } = parseBridgeOptions({ basePath: typed.basePath }, context.streams.env);
  const { stderr } = context.streams;
  const line = typed.progress === false ? undefined : new ProgressLine(stderr);
  const stop = new AbortController();
  const onSignal = (): void => {
    stop.abort();
  };
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const signal of signals) process.once(signal, onSignal);
  try {
    const result = await verifyStore(
      {
        ...location,
        ...toOptions(engine, dataset, typed, context.streams.env),
        signal: stop.signal,
        // Each instance would take most of the machine's memory, and a scan needs little: readers add what a table's columns take.
        duckdb: { memoryLimitMib: 12, threads: 1 },
        onProgress: (progress) => {
          collect(progress.engine === 'duckdb' || typed.against === 'duckdb');
          line?.show(progress);
        },
      },
      { env: context.streams.env },
    );
    line?.end();
    const terminal = await context.terminal(typed);
    terminal.answer(
      verifyText(result, (style, text) => terminal.paint(style, text)),
      { ...result, next: [] },
    );
    return exitCodeOf[result.verdict];
  } catch (error) {
    line?.end();
    throw (error as { code?: unknown }).code === 'INVALID_ARGUMENT'
      ? new CommandError((error as Error).message, exitCodes.usage)
      : error;
  } finally {
    for (const signal of signals) process.removeListener(signal, onSignal);
  }
}

/** @throws {CommandError} with the engines there are. */
function engineTyped(typed: string): Engine {
  try {
    return parseEngine(typed);
  } catch (error) {
    throw new CommandError((error as Error).message, exitCodes.usage);
  }
}

function toOptions(
  engine: string | undefined,
  dataset: string | undefined,
  typed: TypedOptions,
  env: Readonly<Record<string, string | undefined>>,
): VerifyOptions {
  const named = engine === undefined ? undefined : engineTyped(engine);
  const against = {
    engine: typed.against === undefined ? undefined : engineTyped(typed.against),
    basePath: typed.againstBasePath,
    dataset: typed.againstDataset,
    databaseUrl: env['CHANGEOVER_AGAINST_DATABASE_URL'],
  };
  return {
    engine: named,
    dataset,
    tables: typed.table,
    by: typed.by,
    showValues: typed.showValues,
    fresh: typed.fresh,
    against: Object.values(against).every((value) => value === undefined) ? undefined : against,
    order: typed.order === undefined ? undefined : typed.order === 'counts',
    stateFile: typed.state,
    pauseMs: typed.pause,
    maxLoad: typed.maxLoad,
  };
}
