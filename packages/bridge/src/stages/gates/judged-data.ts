import type { Stage } from '@changeover/core';
import { ReportBuilder } from '../../recorder/report-builder.ts';
import type { ReportData } from '../../recorder/report-data.ts';
import type { ShapeEvidence } from '../../recorder/shape-evidence.ts';
import type { GuaranteeLevels } from '../flags/stage-source.ts';
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

/** Where a key stands, as whoever asks the gates knows it. */
export interface KeyPosition {
  /** Default: the latest stage at which it was called. */
  readonly stage?: Stage | undefined;
  /** Why it doesn't move whatever the gates say; undefined where it isn't held. */
  readonly held?: string | undefined;
  /** Operations that may step forward without comparisons, and as `guarantee:session` what need not be kept: the flag's payload and the ledger say which. */
  readonly accepted?: readonly string[] | undefined;
  /** What the flag's payload keeps for the key. Default: all that the recordings say is kept. */
  readonly guarantees?: GuaranteeLevels | undefined;
}

/** What the gates are asked about. */
export interface JudgedData {
  readonly data: ReportData;
  /** What was seen by shape of call. Default: the data's own, and where it has none of an operation its cells. */
  readonly shapes?: readonly ShapeEvidence[] | undefined;
  /** Default: none were made. */
  readonly dataChecks?: readonly DataCheck[] | undefined;
  /** What to decide by. Default: {@link defaultGates}. */
  readonly gates?: readonly GateDefinition[] | undefined;
  /** Default: nothing is known of any. */
  readonly position?: ((backend: string, key: string) => KeyPosition) | undefined;
}

/** What the gates are asked about where nothing was recorded yet. */
export function noRecordings(generatedAt: number): ReportData {
  return new ReportBuilder(0).build(generatedAt);
}
