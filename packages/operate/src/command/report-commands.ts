import { writeFileSync } from 'node:fs';
import { systemClock } from '@changeover/core';
import { readRecordings, type ReportData, resumptions } from '@changeover/bridge';
import { type Command, Option } from 'commander';
import type { ParsedSettings } from '@changeover/bridge';
import { junitReport } from '../report/junit-report.ts';
import { renderReport } from '../report/render-report.ts';
import { type ReportFormat, reportFormats } from '../report/report.ts';
import { decideVerdict, type Decision } from '@changeover/bridge';
import { type CommandContext, type CommonOptions, groups, withPlace } from './command-context.ts';
import { CommandError, exitCodes } from './command-error.ts';
import { examples } from './help-texts.ts';
import { type PlaceOptions, readLedger, requireStore } from './migration.ts';
import { backendNamed } from './subject.ts';
import { usableGates } from './usable-gates.ts';
import type { Streams } from './terminal.ts';

/** `gate` and `report`: what the comparisons say. */
export function addReportCommands(program: Command, context: CommandContext): void {
  withPlace(program.command('gate'))
    .addOption(
      new Option('--format <format>', 'how the answer is written')
        .choices(['text', 'json', 'junit'])
        .default('text'),
    )
    .helpGroup(groups.decide)
    .description('may keys step forward? exit code 0 yes, 3 can not be told, 99 no')
    .argument('[backend]', 'the name of a bridge; default: all')
    .addHelpText('after', examples.gate)
    .action(async (backend: string | undefined, options: CommonOptions) => {
      context.exitCode = await askGate(context, options, backend);
    });
  withPlace(program.command('report'))
    .helpGroup(groups.decide)
    .description('what was compared, as a document')
    .addOption(
      new Option('--format <format>', 'how it is written').choices(reportFormats).default('text'),
    )
    .option('--output <file>', 'default: standard output')
    .addHelpText('after', examples.report)
    .action(
      async (
        options: PlaceOptions & { readonly format: ReportFormat; readonly output?: string },
      ) => {
        await writeReport(context.place(options), context.streams, options.format, options.output);
      },
    );
}

/** Writes what was recorded as one document: `changeover report`. */
async function writeReport(
  place: ParsedSettings,
  streams: Streams,
  format: ReportFormat,
  output: string | undefined,
): Promise<void> {
  const text = renderReport({ data: await recordings(place), gates: usableGates(place) }, format);
  if (output === undefined) {
    streams.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
    return;
  }
  try {
    writeFileSync(output, text, { mode: 0o600 });
  } catch (error) {
    throw new CommandError(`The report can't be written to ${output}: ${(error as Error).message}`);
  }
}

const exitCodeOf: Readonly<Record<Decision, number>> = {
  PROMOTE: exitCodes.done,
  INCONCLUSIVE: exitCodes.inconclusive,
  HOLD: exitCodes.gateFailed,
  'ROLL BACK': exitCodes.gateFailed,
};

/** Asks the gates of one backend, or of all: `changeover gate`. Gives the exit code. */
async function askGate(
  context: CommandContext,
  options: CommonOptions,
  backend: string | undefined,
): Promise<number> {
  const place = context.place(options);
  const terminal = context.terminal(options);
  const report = {
    data: await recordings(place),
    gates: usableGates(place),
    title: 'changeover gate',
  };
  const verdict = decideVerdict(report);
  if (backend !== undefined)
    await context.withMigration(options, (migration) => {
      backendNamed(migration, backend);
    });
  const one = verdict.backends.find((each) => each.backend === backend);
  const nothing = {
    decision: 'INCONCLUSIVE',
    reason: `No call on ${backend ?? ''} has been recorded.`,
  } as const;
  const { decision, reason } = backend === undefined ? verdict : (one ?? nothing);
  const gates = verdict.gates.filter((gate) => backend === undefined || gate.backend === backend);
  const exitCode = exitCodeOf[decision];
  if (options.format === 'junit') {
    context.streams.stdout.write(junitReport(report, { ...verdict, decision, reason, gates }));
    return exitCode;
  }
  const style =
    exitCode === exitCodes.done ? 'green' : exitCode === exitCodes.inconclusive ? 'yellow' : 'red';
  terminal.answer(
    [
      `${terminal.paint(style, decision)}  ${reason}`,
      ...gates
        .filter(({ outcome }) => outcome !== 'pass')
        .map(
          (gate) =>
            `  ${gate.backend}${gate.stage === undefined ? '' : ` ${gate.stage}`}: ` +
            `${gate.expression} says ${gate.outcome}: ${gate.reason ?? gate.title}`,
        ),
    ],
    { decision, reason, exitCode, gates },
  );
  return exitCode;
}

async function recordings(place: ParsedSettings): Promise<ReportData> {
  requireStore(place);
  // A ledger that can't be read tells of no resumption: then old mismatches count, which is on the safe side.
  const { ledger } = await readLedger(place);
  try {
    return readRecordings(place.storePath, systemClock, resumptions(ledger));
  } catch (error) {
    throw new CommandError(`${place.storePath} can't be read: ${(error as Error).message}`);
  }
}
