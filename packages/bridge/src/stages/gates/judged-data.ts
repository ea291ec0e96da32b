import type { ReportData } from '../../recorder/report-data.ts';
import type { GateDefinition } from './default-gates.ts';

/** A table's content checked against a reference that was computed apart from both legs. */
export interface DataCheck {
  readonly backend: string;
  readonly key: string;
  readonly table: string;
  readonly rows: number;
  readonly ok: boolean;
  /** What was expected and found, as people should read it: a digest, a count of rows. */
  readonly expected: string;
  readonly found: string;
}

/** What the gates are asked about. */
export interface JudgedData {
  readonly data: ReportData;
  /** Default: none were made. */
  readonly dataChecks?: readonly DataCheck[] | undefined;
  /** What to decide by. Default: {@link defaultGates}. */
  readonly gates?: readonly GateDefinition[] | undefined;
}
