import { htmlReport } from './html/html-report.ts';
import { jsonReport } from './json-report.ts';
import { junitReport } from './junit-report.ts';
import { markdownReport } from './markdown-report.ts';
import type { Report, ReportFormat } from './report.ts';
import { textReport } from './text-report.ts';
import { reportVerdict } from './report-verdict.ts';
import { flagsDecideAlone, flagsDecideAloneText } from '@changeover/bridge';

/**
 * Writes a report as one document. Everything that comes from data is escaped for the format; values are shown as they
 * were recorded, redacted or not.
 *
 * @param width terminal columns that the tables of `text` may take. Default: as many as they need.
 * @throws {SyntaxError | RangeError} for gates of the report's own that are none.
 */
export function renderReport(given: Report, format: ReportFormat, width?: number): string {
  const verdict = reportVerdict(given);
  const { data } = given;
  const report = flagsDecideAlone(data)
    ? { ...given, data: { ...data, notes: [flagsDecideAloneText, ...data.notes] } }
    : given;
  switch (format) {
    case 'html':
      return htmlReport(report, verdict);
    case 'json':
      return jsonReport(report, verdict);
    case 'md':
      return markdownReport(report, verdict);
    case 'text':
      return textReport(report, verdict, width);
    case 'junit':
      return junitReport(report, verdict);
  }
}
