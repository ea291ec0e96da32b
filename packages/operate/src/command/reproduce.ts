import { type Command, InvalidArgumentError } from 'commander';
import {
  type Logger,
  type RepeatableCall,
  type ReproducedAnswer,
  type ReproduceOptions,
  type Reproduction,
  type SampleGroup,
  sampleNamed,
  silentLogger,
  storedCall,
  valueText,
  counted,
} from '@changeover/bridge';
import type { ComparisonRule } from '@changeover/compare';
import { ChangeoverError } from '@changeover/core';
import { mismatchLines } from '../report/text-report.ts';
import { textTable } from '../report/text-table.ts';
import {
  type AddSubcommand,
  type CommandContext,
  type CommonOptions,
  groups,
  withFormat,
} from './command-context.ts';
import { CommandError, exitCodes } from './command-error.ts';
import { examples } from './help-texts.ts';
import { requireStore } from './migration.ts';
import type { Terminal } from './terminal.ts';

/** A call to be made again, and by what. */
export interface CallOnLegs {
  readonly backend: string;
  readonly call: RepeatableCall;
  /** Of the flags: those that a program was given itself are not known. */
  readonly rules: readonly ComparisonRule[];
  readonly options: ReproduceOptions;
  readonly basePath: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly logger: Logger;
}

/** Makes both legs and a call on them; undefined where they are a program's own, which only it can make. */
export type ReproduceOnLegs = (given: CallOnLegs) => Promise<Reproduction> | undefined;

interface TypedOptions extends CommonOptions {
  readonly showValues?: boolean;
  readonly timeout?: number;
}

/**
 * `reproduce`: a mismatch's call once more, on both legs.
 *
 * @param onLegs makes the legs of those bridges whose legs can be made from settings alone.
 */
export function addReproduce(onLegs: ReproduceOnLegs): AddSubcommand {
  return (program: Command, context: CommandContext) => {
    withFormat(program.command('reproduce'))
      .helpGroup(groups.look)
      .description("run a mismatch's call again on both legs, and say where they differ")
      .argument('<id>', 'of changeover mismatches, or its beginning')
      .option(
        '--show-values',
        'show the values that differ; default: types, lengths and keyed digests',
      )
      .option('--timeout <seconds>', 'for both legs together (default: 60)', secondsOf)
      .addHelpText('after', examples.reproduce)
      .action(async (id: string, options: TypedOptions) => {
        requireStore(await context.place(options));
        await context.withMigration(options, async (migration, terminal) => {
          const group = named(migration.recordings?.sampleGroups ?? [], id);
          const { backend } = group;
          const call = known(() => storedCall(group), exitCodes.inconclusive);
          const { operation, key: dataset } = call;
          const { rules } = migration.flags.decide({ backend, dataset, operation }).settings;
          const made = onLegs({
            backend,
            call,
            rules,
            options: {
              showValues: options.showValues === true,
              ...(options.timeout === undefined ? {} : { timeoutMs: options.timeout * 1_000 }),
            },
            basePath: options.basePath,
            env: context.streams.env,
            logger: silentLogger,
          });
          if (made === undefined) throw ofAProgram(group);
          terminal.say([...mismatchLines(group), '']);
          context.exitCode = answer(terminal, await settled(made), options.showValues === true);
        });
      });
  };
}

function secondsOf(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 86_400))
    throw new InvalidArgumentError('A number of seconds from 0 to 86400 was expected.');
  return value;
}

/** @throws {CommandError} with the ids that there are. */
function named(all: readonly SampleGroup[], id: string): SampleGroup {
  return known(() => sampleNamed(all, id), exitCodes.usage);
}

function known<T>(find: () => T, exitCode: number): T {
  try {
    return find();
  } catch (error) {
    throw asCommandError(error, exitCode);
  }
}

async function settled(made: Promise<Reproduction>): Promise<Reproduction> {
  try {
    return await made;
  } catch (error) {
    throw asCommandError(error, exitCodes.inconclusive);
  }
}

function asCommandError(error: unknown, exitCode: number): unknown {
  const codes: readonly unknown[] = ['NO_SUCH_SAMPLE', 'NOT_REPRODUCIBLE'];
  return error instanceof ChangeoverError && codes.includes(error.code)
    ? new CommandError(error.message, exitCode)
    : error;
}

function ofAProgram({ backend, id }: SampleGroup): CommandError {
  return new CommandError(
    `"${backend}" is a bridge over an object of a program's own, which only that program can make. Ask the bridge in it: ` +
      `await bridgeOf(object).reproduce('${id}')`,
    exitCodes.inconclusive,
  );
}

function answer(terminal: Terminal, made: Reproduction, showValues: boolean): number {
  const { verdict, summary, reason, places } = made;
  const exitCode =
    verdict === 'match'
      ? exitCodes.done
      : verdict === 'mismatch'
        ? exitCodes.gateFailed
        : exitCodes.inconclusive;
  const style = verdict === 'match' ? 'green' : verdict === 'mismatch' ? 'red' : 'yellow';
  const said = reason ?? (verdict === 'match' ? 'both legs answer the same now' : undefined);
  terminal.answer(
    [
      `${terminal.paint(style, verdict.toUpperCase())}${said === undefined ? '' : `  ${said}`}`,
      `  legacy  ${answerText(made.legacy)}`,
      `  pooled  ${answerText(made.pooled)}`,
      ...(summary === undefined ? [] : [`  ${summary}`]),
      ...(places.length === 0
        ? []
        : textTable(
            [
              { title: 'row', numeric: true },
              { title: 'column' },
              { title: 'legacy' },
              { title: 'pooled' },
            ],
            places.map(({ row, column, legacy, pooled }) => [
              String(row),
              column ?? 'whole row',
              valueText(legacy),
              valueText(pooled),
            ]),
          )),
      ...(places.length === 0 || showValues ? [] : ['Add --show-values to see the values.']),
    ],
    { ...made, exitCode },
  );
  return exitCode;
}

function answerText(made: ReproducedAnswer): string {
  return made.kind === 'error'
    ? `failed with ${made.code}`
    : `${counted(made.count, 'row', 'rows').padEnd(12)}  digest ${made.ordered}`;
}
