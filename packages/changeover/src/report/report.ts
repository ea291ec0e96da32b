import type { ReportData } from '@changeover/router';
import type { GateDefinition } from './default-gates.ts';

/** A table's content checked against a reference that was computed apart from both legs. */
export interface DataCheck {
  readonly engine: string;
  readonly dataset: string;
  readonly table: string;
  readonly rows: number;
  readonly ok: boolean;
  /** What was expected and found, as people should read it: a digest, a count of rows. */
  readonly expected: string;
  readonly found: string;
}

/** What a report is made of. */
export interface Report {
  readonly data: ReportData;
  /** Default: `Shadow comparison`. */
  readonly title?: string | undefined;
  /** Default: none were made, which the report says. */
  readonly dataChecks?: readonly DataCheck[] | undefined;
  /** Where the figures come from, for whoever repeats them: seed, versions, revision of the flags. */
  readonly provenance?: Readonly<Record<string, string>> | undefined;
  /** What to decide by. Default: {@link defaultGates}. */
  readonly gates?: readonly GateDefinition[] | undefined;
}

export const reportFormats = ['html', 'json', 'md', 'text', 'junit'] as const;

/** What a report can be written as. */
export type ReportFormat = (typeof reportFormats)[number];

export function titleOf(report: Report): string {
  return report.title ?? 'Shadow comparison';
}
