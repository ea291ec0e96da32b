import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Report, renderReport } from '@changeover/operate/report';
import { openMigration, placeOf } from '../../packages/operate/src/command/migration.ts';
import type { DemoResult } from './result.ts';

/** What the report is made of: what `changeover report` reads from the same folder, and the job's own checks. */
export async function demoReport(
  out: string,
  { data, problems, seed }: Pick<DemoResult, 'data' | 'problems' | 'seed'>,
): Promise<Report> {
  const migration = await openMigration(
    placeOf({ flags: join(out, 'flags.json'), store: join(out, 'comparisons.sqlite') }, {}),
  );
  try {
    return {
      ...migration.report(),
      title: 'Changeover: the main job, by gates of its own',
      problems,
      dataChecks: data.map(({ engine, dataset, table, rows, ok, expectedDigest, digest }) => ({
        backend: engine,
        key: dataset,
        table,
        rows,
        ok,
        expected: expectedDigest,
        found: digest,
      })),
      provenance: {
        seed: String(seed),
        node: process.version,
        gates: `${join(out, 'gates.json')}: this job's own, which ask for less than the default ones`,
      },
    };
  } finally {
    await migration.close();
  }
}

/** Writes the report as JSON and as one page, where the result says. */
export function writeReports(result: DemoResult, report: Report): void {
  const { data } = report;
  writeFileSync(result.reports.json, `${JSON.stringify({ result, data }, null, 2)}\n`);
  writeFileSync(result.reports.html, renderReport(report, 'html'));
}
