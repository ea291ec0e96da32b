import {
  type RepeatableCall,
  type ReproducedAnswer,
  type Reproduction,
  type SampleGroup,
  sampleNamed,
  silentLogger,
  storedCall,
  valueText,
  counted,
  writeIsNotMade,
  typedKey,
} from '@changeover/bridge';
import { ChangeoverError } from '@changeover/core';
import { mismatchLines } from '../report/text-report.ts';
import { textTable } from '../report/text-table.ts';
import type { CommandContext } from './command-context.ts';
import { CommandError, exitCodes } from './command-error.ts';
import { type Migration, requireStore } from './migration.ts';
import { nobodyText, repeatInPrograms, usualTimeoutMs } from './repeat-in-programs.ts';
import type { ReproduceCommandOptions, ReproduceOnLegs } from './reproduce.ts';
import type { Terminal } from './terminal.ts';

/** Runs a mismatch's call once more on both legs: `changeover reproduce`. */
export async function runReproduce(
  context: CommandContext,
  options: ReproduceCommandOptions,
  id: string,
  onLegs: ReproduceOnLegs,
): Promise<void> {
  requireStore(await context.place(options));
  await context.withMigration(options, async (migration, terminal) => {
    const group = named(migration.recordings?.sampleGroups ?? [], id);
    if (group.samples.at(-1)?.call?.kind === 'write')
      throw new CommandError(writeIsNotMade(group.operation).message, exitCodes.inconclusive);
    const own = await onOwnLegs(context, migration, options, group, onLegs);
    const made = own ?? (await inPrograms(migration, options, group));
    terminal.say([...mismatchLines(group), '']);
    context.exitCode = answer(terminal, made, {
      showValues: options.showValues === true,
      valuesIn: own === undefined ? group.id : undefined,
      next:
        group.key === undefined
          ? []
          : [`changeover explain ${typedKey({ ...group, key: group.key })}`],
    });
  });
}

/** Undefined where the legs, or the call's values, are in a program alone. */
async function onOwnLegs(
  context: CommandContext,
  migration: Migration,
  options: ReproduceCommandOptions,
  group: SampleGroup,
  onLegs: ReproduceOnLegs,
): Promise<Reproduction | undefined> {
  const { backend } = group;
  const call = keptCall(group);
  if (call === undefined) return undefined;
  const { operation, key: dataset } = call;
  const { rules } = migration.flags.decide({ backend, dataset, operation }).settings;
  return await settled(
    onLegs({
      backend,
      call,
      rules,
      options: { showValues: options.showValues === true, timeoutMs: timeoutOf(options) },
      basePath: options.basePath,
      env: context.streams.env,
      logger: silentLogger,
    }),
  );
}

function keptCall(group: SampleGroup): RepeatableCall | undefined {
  try {
    return storedCall(group);
  } catch (error) {
    if (error instanceof ChangeoverError && error.code === 'NOT_REPRODUCIBLE') return undefined;
    throw error;
  }
}

/** @throws {CommandError} where no program made it, with why it can't be made from here. */
async function inPrograms(
  { place }: Migration,
  options: ReproduceCommandOptions,
  group: SampleGroup,
): Promise<Reproduction> {
  const asked = await repeatInPrograms(place, group, timeoutOf(options));
  if (asked.kind === 'made') return asked.made;
  const why = asked.kind === 'refused' ? asked.message : nobodyText(group, asked.kind);
  throw new CommandError(
    asked.kind === 'nobody' ? `${whyNotHere(group)} ${why}` : why,
    exitCodes.inconclusive,
  );
}

function timeoutOf({ timeout }: ReproduceCommandOptions): number {
  return timeout === undefined ? usualTimeoutMs : timeout * 1_000;
}

/** Why the command has to ask a program for it. */
function whyNotHere(group: SampleGroup): string {
  try {
    storedCall(group);
    return `"${group.backend}" is a bridge over an object of a program's own, which only that program can make.`;
  } catch (error) {
    return (error as Error).message;
  }
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

async function settled(made: Promise<Reproduction | undefined>): Promise<Reproduction | undefined> {
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

/** What is said beside an answer. */
interface AnswerOptions {
  readonly showValues: boolean;
  /** The id by which the program that made it shows values, which it does not store. Default: they are here. */
  readonly valuesIn: string | undefined;
  /** What may be typed now. */
  readonly next: readonly string[];
}

function answer(
  terminal: Terminal,
  made: Reproduction,
  { showValues, valuesIn, next }: AnswerOptions,
): number {
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
      ...(places.length === 0 ? [] : valuesText(showValues, valuesIn)),
    ],
    { ...made, exitCode, madeBy: valuesIn === undefined ? 'command' : 'program', next },
  );
  return exitCode;
}

function valuesText(showValues: boolean, valuesIn: string | undefined): string[] {
  if (valuesIn !== undefined)
    return [
      'Values stay in the program. There:',
      `  await bridgeOf(object).reproduce('${valuesIn}', { showValues: true })`,
    ];
  return showValues ? [] : ['Add --show-values to see the values.'];
}

/** The same for a page, in a few lines.
 *
 * @param id by which it was asked for. */
export function reproductionText(made: Reproduction, id: string): string[] {
  const lines: string[] = [];
  const terminal: Terminal = {
    format: 'text',
    answer: (text) => lines.push(...text),
    say: () => undefined,
    paint: (_style, text) => text,
  };
  answer(terminal, made, { showValues: false, valuesIn: id, next: [] });
  return lines;
}

function answerText(made: ReproducedAnswer): string {
  return made.kind === 'error'
    ? `failed with ${made.code}`
    : `${counted(made.count, 'row', 'rows').padEnd(12)}  digest ${made.ordered}`;
}
