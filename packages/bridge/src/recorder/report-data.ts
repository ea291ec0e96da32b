import type { Finding, LatencyHistogram } from '@changeover/compare';
import type { Stage } from '@changeover/core';
import type { Verdict } from './cell.ts';
import type { RelianceEvidence } from './reliance-book.ts';
import type { RuleUseCount } from './rule-uses.ts';
import type { SampledCall } from './sampled-call.ts';
import type { ShapeEvidence } from './shape-evidence.ts';
import type { ShedReason } from './shed-reason.ts';

/** Percentiles of a leg's latency in ms; undefined where no call was measured. */
export interface LatencyFigures {
  readonly count: number;
  readonly p50Ms: number | undefined;
  readonly p90Ms: number | undefined;
  readonly p95Ms: number | undefined;
  readonly p99Ms: number | undefined;
  readonly maxMs: number | undefined;
}

/** What one key did within one slice of time. */
export interface TimeSlice {
  readonly backend: string;
  /** '' for what concerns no key, and where the slice is of a whole backend. */
  readonly dataset: string;
  /** Milliseconds since 1970. */
  readonly from: number;
  readonly to: number;
  readonly calls: number;
  readonly failed: number;
  readonly compared: number;
  readonly mismatch: number;
  readonly legacy: SliceLatency;
  readonly pooled: SliceLatency;
}

/** A leg's latency within a slice of time, in ms; undefined where no call was measured. */
export type SliceLatency = Pick<LatencyFigures, 'count' | 'p50Ms' | 'p99Ms'>;

/** Slices of time, of one key or backend oldest first: an hour or a minute each, as the recording keeps them. */
export interface TimeSlices {
  readonly byBackend: readonly TimeSlice[];
  readonly byDataset: readonly TimeSlice[];
}

/** When a dataset was last resumed, in milliseconds since 1970; undefined where it never was. */
export type ResumedAt = (backend: string, dataset: string) => number | undefined;

/** A leg's latency lately, in ms, with the bounds of its median at 99 %; undefined where no call was measured. */
export interface RecentLatency {
  readonly count: number;
  readonly p50Ms: number | undefined;
  readonly lowMs: number | undefined;
  readonly highMs: number | undefined;
  /** Bucket, count, bucket, count and so on, eight buckets a doubling: what several keys have together is told from it. */
  readonly latencies: readonly number[];
}

/** What a key did lately with one operation at a stage at which the pooled leg answers. */
export interface RecentCell extends JudgedCounts {
  readonly backend: string;
  readonly dataset: string;
  readonly operation: string;
  readonly stage: Stage;
  /** Since when, in milliseconds since 1970: the beginning of this hour, or of the one before where this one has too little. */
  readonly from: number;
  readonly legacy: RecentLatency;
  readonly pooled: RecentLatency;
}

/** All operations of one key in its last minutes: from five to twenty, as few as have enough calls. */
export interface RecentMinutes {
  readonly backend: string;
  readonly dataset: string;
  /** Milliseconds since 1970. */
  readonly from: number;
  readonly legacy: RecentLatency;
  readonly pooled: RecentLatency;
}

/** What was counted lately, without what was counted of a key before it was last resumed. */
export interface RecentFigures {
  readonly cells: readonly RecentCell[];
  readonly minutes: readonly RecentMinutes[];
}

/** Counts that add up: see `Cell`. */
export interface Totals {
  readonly calls: number;
  readonly failed: number;
  readonly fallbacks: number;
  readonly eligible: number;
  readonly sampled: number;
  readonly compared: number;
  readonly match: number;
  readonly mismatch: number;
  readonly raced: number;
  readonly nondeterministic: number;
  readonly inconclusive: number;
  /** The sum of `shedByReason`. */
  readonly shed: number;
  readonly shedByReason: Readonly<Partial<Record<ShedReason, number>>>;
  readonly legacy: LatencyFigures;
  readonly pooled: LatencyFigures;
  /** Mean difference within the reads that both legs were timed on, with its bounds of 95 % each. Beside the caller a leg runs
   * with less of the machine than the one that answers. */
  readonly pooledLessLegacyMs: Finding;
}

/** The counts that gates ask for. */
export type JudgedCounts = Pick<
  Totals,
  'calls' | 'failed' | 'eligible' | 'compared' | 'match' | 'mismatch' | 'inconclusive'
>;

/** Totals of the calls that share what the fields name. */
export interface TotalsBy extends Totals {
  readonly backend: string;
  readonly dataset?: string | undefined;
  readonly operation?: string | undefined;
  readonly stage?: Stage | undefined;
}

/** Comparisons that are alike: of one backend, operation, verdict and class, and where they are mismatches of one key and shape. */
export interface SampleGroup {
  /** Eight letters and digits, the same in all processes: what `changeover reproduce` takes. */
  readonly id: string;
  /** What the store folds them by: the `id`, or a longer text in a store that an earlier version made. */
  readonly fingerprint: string;
  readonly backend: string;
  /** Undefined where comparisons of all keys are one. '' is a call about no key. */
  readonly key?: string | undefined;
  readonly operation: string;
  /** The call without its values, as a statement's text; '' where the operation has no shapes. Undefined where calls of all shapes are one. */
  readonly shape?: string | undefined;
  readonly verdict: Verdict;
  readonly class: string | undefined;
  /** How many there were, kept as samples or not. */
  readonly count: number;
  readonly firstAt: number;
  readonly lastAt: number;
  /** A few of them, oldest first. */
  readonly samples: readonly StoredSample[];
}

/** A comparison as it was kept. */
export interface StoredSample {
  readonly at: number;
  readonly dataset: string;
  readonly stage: Stage;
  readonly summary: string;
  readonly legacy?: unknown;
  readonly pooled?: unknown;
  readonly reason?: string | undefined;
  /** Undefined in a store that an earlier version made. */
  readonly call?: SampledCall | undefined;
}

/** Something that happened, for the timeline. */
export interface TimelineEvent {
  readonly at: number;
  readonly run: string;
  readonly kind: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** One process's part in the figures. */
export interface RunProvenance {
  readonly run: string;
  readonly host: string;
  readonly pid: number;
  readonly node: string;
  readonly startedAt: number;
  /** When the run last stored anything. */
  readonly lastAt: number;
}

/** How often a comparison rule mattered, over all runs. */
export interface RuleUsage extends RuleUseCount {
  /** It never mattered: it may be left over, or misspelt. */
  readonly dead: boolean;
  /** When a process last had it in force. */
  readonly lastAt: number;
}

/** A dataset that was resumed: what was counted of it before says nothing of what runs now. */
export interface Resumption {
  readonly backend: string;
  readonly dataset: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** How long both legs took for one key at one stage. */
export interface MeasuredKey {
  readonly backend: string;
  readonly dataset: string;
  readonly stage: Stage;
  readonly legacy: LatencyHistogram;
  readonly pooled: LatencyHistogram;
}

/** The figures without what was counted of datasets before they were last resumed: gates are asked of these. */
export interface JudgedFigures {
  /** The datasets of which something is left out. */
  readonly since: readonly Resumption[];
  /** How many comparisons are left out. */
  readonly comparedBefore: number;
  /** By backend and stage. */
  readonly byStage: readonly TotalsBy[];
  /** Latencies of each key's operations that both legs were measured on at a stage: medians of a leg that takes all writes and of one that
   * takes none are not to be compared. Default: those of `byStage`. */
  readonly onBothLegs?: readonly MeasuredKey[] | undefined;
  readonly cells: readonly TotalsBy[];
}

/** Everything that a report shows, merged over runs, processes and days. Plain JSON. */
export interface ReportData {
  readonly generatedAt: number;
  readonly totals: Totals;
  readonly byBackend: readonly TotalsBy[];
  /** By backend and stage. */
  readonly byStage: readonly TotalsBy[];
  /** As {@link JudgedFigures.onBothLegs}. Undefined where `judged` has it. */
  readonly onBothLegs?: readonly MeasuredKey[] | undefined;
  /** By backend and operation. */
  readonly byOperation: readonly TotalsBy[];
  /** By backend and dataset. */
  readonly byDataset: readonly TotalsBy[];
  /** By backend, dataset, operation and stage: the finest there is. */
  readonly cells: readonly TotalsBy[];
  /** Undefined where nothing is left out: gates are asked of all figures. */
  readonly judged?: JudgedFigures | undefined;
  /** What gates judge beside all figures, so that a change is not hidden by what came before. Undefined where nothing was recorded. */
  readonly recent?: RecentFigures | undefined;
  /** The last 48 hours, hour by hour. Undefined where the figures come from a program's own recorder and from no store. */
  readonly hours?: TimeSlices | undefined;
  /** The last 120 minutes, minute by minute; none where the store is of a version that kept none. Undefined as `hours` is. */
  readonly minutes?: TimeSlices | undefined;
  /** By backend, key, operation, shape and stage, without what was counted of a key before it was last resumed: promotion is judged
   * by these. */
  readonly shapes: readonly ShapeEvidence[];
  /** What each key's callers rely on of what the singleton guaranteed, by backend, key, guarantee and use; of a key that was resumed,
   * what was seen since. */
  readonly reliance: readonly RelianceEvidence[];
  /** Most frequent first. */
  readonly sampleGroups: readonly SampleGroup[];
  /** Comparisons whose fingerprint came after the limit of fingerprints was reached: counted, not kept. */
  readonly samplesOverLimit: number;
  /** Where the legs may rightly differ, by backend and rule. */
  readonly rules: readonly RuleUsage[];
  /** Oldest first. */
  readonly timeline: readonly TimelineEvent[];
  /** Oldest first. */
  readonly runs: readonly RunProvenance[];
  /** What is missing from the figures and why, in plain words: an unreadable store, counts not stored yet. */
  readonly notes: readonly string[];
}
