import { writeFileSync } from 'node:fs';
import { type ReportData, renderReport } from 'changeover';
import type { DemoResult } from './result.ts';

/** Writes the report as JSON and as one page, where the result says. */
export function writeReports(result: DemoResult, data: ReportData): void {
  writeFileSync(result.reports.json, `${JSON.stringify({ result, data }, null, 2)}\n`);
  writeFileSync(
    result.reports.html,
    renderReport(
      {
        data,
        title: 'Changeover: the main job',
        dataChecks: result.data.map(
          ({ engine, dataset, table, rows, ok, expectedDigest, digest }) => ({
            backend: engine,
            key: dataset,
            table,
            rows,
            ok,
            expected: expectedDigest,
            found: digest,
          }),
        ),
        provenance: { seed: String(result.seed), node: process.version },
      },
      'html',
    ),
  );
}
