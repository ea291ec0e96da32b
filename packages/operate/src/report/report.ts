import type { JudgedData } from '@changeover/bridge';

/** What a report is made of. What was judged with no data checks says so. */
export interface Report extends JudgedData {
  /** Default: `Shadow comparison`. */
  readonly title?: string | undefined;
  /** Where the figures come from, for whoever repeats them: seed, versions, revision of the flags. */
  readonly provenance?: Readonly<Record<string, string>> | undefined;
}

export const reportFormats = ['html', 'json', 'md', 'text', 'junit'] as const;

/** What a report can be written as. */
export type ReportFormat = (typeof reportFormats)[number];

export function titleOf(report: Report): string {
  return report.title ?? 'Shadow comparison';
}
