import { writeFileSync } from 'node:fs';
import type { ReportData } from 'changeover';
import type { DemoResult } from './result.ts';

export function writeReports(result: DemoResult, data: ReportData): void {
  writeFileSync(result.reports.json, `${JSON.stringify({ result, data }, null, 2)}\n`);
}
