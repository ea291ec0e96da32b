import { writeFileSync } from 'node:fs';
import { renderReport } from '../report/render-report.ts';
import type { ReportFormat } from '../report/report.ts';
import { CommandError } from './command-error.ts';
import { keyStatuses, type Migration } from './migration.ts';
import { nextOfKeys } from './next-commands.ts';
import { type Streams, widthOf } from './terminal.ts';

/** Writes what was recorded as one document: `changeover report`. */
export function writeReport(
  migration: Migration,
  streams: Streams,
  format: ReportFormat,
  output: string | undefined,
): void {
  const width = output === undefined ? widthOf(streams.stdout) : undefined;
  const report = migration.report();
  const next = format === 'json' ? nextOfKeys(migration, keyStatuses(migration)) : undefined;
  const text = renderReport({ ...report, next }, format, width);
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
