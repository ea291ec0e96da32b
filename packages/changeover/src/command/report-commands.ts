import { writeFileSync } from 'node:fs';
import { readRecordings, type ReportData } from '@changeover/router';
import type { ParsedBridgeOptions } from '../bridge-options.ts';
import { renderReport } from '../report/render-report.ts';
import type { ReportFormat } from '../report/report.ts';
import { decideVerdict, type Decision } from '../report/verdict.ts';
import { CommandError, exitCodes } from './command-error.ts';
import { requireStore } from './migration.ts';
import type { Streams, Terminal } from './terminal.ts';

/** Writes what was recorded as one document: `changeover report`. */
export function writeReport(place: ParsedBridgeOptions, streams: Streams, format: ReportFormat, output: string | undefined): void {
  const text = renderReport({ data: recordings(place) }, format);
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
  'PROMOTE': exitCodes.done, 'INCONCLUSIVE': exitCodes.inconclusive, 'HOLD': exitCodes.gateFailed, 'ROLL BACK': exitCodes.gateFailed,
};

/** Asks the gates of one engine, or of all: `changeover gate`. Gives the exit code. */
export function askGate(place: ParsedBridgeOptions, terminal: Terminal, engine: string | undefined): number {
  const verdict = decideVerdict({ data: recordings(place) });
  const one = verdict.engines.find((each) => each.engine === engine);
  const nothing = { decision: 'INCONCLUSIVE', reason: `No call on ${engine ?? ''} has been recorded.` } as const;
  const { decision, reason } = engine === undefined ? verdict : one ?? nothing;
  const gates = verdict.gates.filter((gate) => engine === undefined || gate.engine === engine);
  const exitCode = exitCodeOf[decision];
  const style = exitCode === exitCodes.done ? 'green' : exitCode === exitCodes.inconclusive ? 'yellow' : 'red';
  terminal.answer([
    `${terminal.paint(style, decision)}  ${reason}`,
    ...gates.filter(({ outcome }) => outcome !== 'pass').map((gate) =>
      `  ${gate.engine}${gate.stage === undefined ? '' : ` ${gate.stage}`}: ` +
        `${gate.expression} says ${gate.outcome}: ${gate.reason ?? gate.title}`),
  ], { decision, reason, exitCode, gates });
  return exitCode;
}

function recordings(place: ParsedBridgeOptions): ReportData {
  requireStore(place);
  try {
    return readRecordings(place.storePath);
  } catch (error) {
    throw new CommandError(`${place.storePath} can't be read: ${(error as Error).message}`);
  }
}
