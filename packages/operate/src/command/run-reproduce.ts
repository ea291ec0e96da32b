import {
  type ReproducedAnswer,
  type Reproduction,
  type SampleGroup,
  sampleNamed,
  silentLogger,
  storedCall,
  valueText,
  counted,
} from '@changeover/bridge';
import { ChangeoverError } from '@changeover/core';
import { mismatchLines } from '../report/text-report.ts';
import { textTable } from '../report/text-table.ts';
import type { CommandContext } from './command-context.ts';
import { CommandError, exitCodes } from './command-error.ts';
import { requireStore } from './migration.ts';
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
    const reproduction = await settled(made);
    if (reproduction === undefined) throw ofAProgram(group);
    terminal.say([...mismatchLines(group), '']);
    context.exitCode = answer(terminal, reproduction, options.showValues === true);
  });
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
