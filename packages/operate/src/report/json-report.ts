import type { ReportData, Totals } from '@changeover/bridge';
import type { DataCheck } from '@changeover/bridge';
import { type Report, titleOf } from './report.ts';
import { stageLines } from './stage-lines.ts';
import type { BackendVerdict, GateOutcome, ReportVerdict } from '@changeover/bridge';

/** One backend at one stage. Latencies in ms, null where nothing was measured. */
export interface JsonStageLine extends Pick<
  Totals,
  | 'calls'
  | 'failed'
  | 'compared'
  | 'match'
  | 'mismatch'
  | 'raced'
  | 'nondeterministic'
  | 'inconclusive'
  | 'shed'
> {
  readonly backend: string;
  readonly stage: string | null;
  readonly legacyP50Ms: number | null;
  readonly legacyP99Ms: number | null;
  readonly pooledP50Ms: number | null;
  readonly pooledP99Ms: number | null;
}

/** The JSON document. Fields are added with time; none changes its meaning without a new `version`. */
export interface JsonReport {
  readonly format: 'changeover-report';
  readonly version: 1;
  readonly title: string;
  /** Milliseconds since 1970. */
  readonly generatedAt: number;
  readonly decision: ReportVerdict['decision'];
  readonly reason: string;
  readonly backends: readonly BackendVerdict[];
  /** Shares and ratios as numbers: 0.01 is 1 %. */
  readonly gates: readonly GateOutcome[];
  readonly stages: readonly JsonStageLine[];
  readonly dataChecks: readonly DataCheck[];
  readonly provenance: Readonly<Record<string, string>>;
  /** What may be typed so that keys go on, as in `changeover status --format json`; empty where waiting is all there is to do. */
  readonly next: readonly string[];
  /** All that was recorded, nothing left out. */
  readonly data: ReportData;
}

export function jsonReport(report: Report, verdict: ReportVerdict): string {
  const { data, dataChecks = [], provenance = {} } = report;
  const { decision, reason, backends, gates } = verdict;
  const document: JsonReport = {
    format: 'changeover-report',
    version: 1,
    title: titleOf(report),
    generatedAt: data.generatedAt,
    decision,
    reason,
    backends,
    gates,
    stages: stageLines(data).map(jsonStageLine),
    dataChecks,
    provenance,
    next: report.next ?? [...new Set(verdict.keys.flatMap(({ next }) => next))],
    // Whole histograms are for the gates.
    data: { ...data, onBothLegs: undefined, ...judgedOf(data) },
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

function judgedOf({ judged }: ReportData): Partial<ReportData> {
  return judged === undefined ? {} : { judged: { ...judged, onBothLegs: undefined } };
}

function jsonStageLine(totals: ReturnType<typeof stageLines>[number]): JsonStageLine {
  const {
    backend,
    stage,
    calls,
    failed,
    compared,
    match,
    mismatch,
    raced,
    nondeterministic,
    inconclusive,
    shed,
    legacy,
    pooled,
  } = totals;
  return {
    backend,
    stage: stage ?? null,
    calls,
    failed,
    compared,
    match,
    mismatch,
    raced,
    nondeterministic,
    inconclusive,
    shed,
    legacyP50Ms: legacy.p50Ms ?? null,
    legacyP99Ms: legacy.p99Ms ?? null,
    pooledP50Ms: pooled.p50Ms ?? null,
    pooledP99Ms: pooled.p99Ms ?? null,
  };
}
