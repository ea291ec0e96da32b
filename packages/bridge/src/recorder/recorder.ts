import type { Stage } from '@changeover/core';
import type { Cell, ShapeCounts, ShapeKey, Verdict } from './cell.ts';
import type { Counted } from './cell-book.ts';
import type { AskedKey } from './asked-key.ts';
import type { RelianceEvidence, RelianceSeen } from './reliance-book.ts';
import type { ReportData, ResumedAt } from './report-data.ts';
import type { RepeatSource } from './repeat-answers.ts';
import type { RuleUseSource } from './rule-uses.ts';
import type { Steps } from '../steps.ts';
import type { SampledCall } from './sampled-call.ts';

/** One comparison kept for people to look at. Everything in it that comes from data is redacted by whoever makes it. */
export interface ComparisonSample {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly backend: string;
  readonly dataset: string;
  readonly operation: string;
  readonly stage: Stage;
  readonly verdict: Verdict;
  /** The kind of difference: value, type, order, missing row, extra row, columns, error. */
  readonly class?: string | undefined;
  /** The call without its values: with backend, key, operation and class it says which mismatches are alike. Default: '', one shape. */
  readonly shape?: string | undefined;
  /** Left out where the caller's arguments could not be copied. */
  readonly call?: SampledCall | undefined;
  readonly summary: string;
  /** JSON-able. Left out where its text is longer than the recorder's limit. */
  readonly legacy?: unknown;
  /** JSON-able. Left out where its text is longer than the recorder's limit. */
  readonly pooled?: unknown;
  readonly reason?: string | undefined;
}

/** Keeps counts, latencies and samples. No function here throws, waits for a lock or does I/O on a caller's path; what
 * can't be stored now is kept in memory, within bounds, and stored later. */
export interface Recorder {
  /** The cell to count in. The same object as long as it is in use; ask again after 60 s at most, since a cell that
   * nobody counted in for long is written to the store and let go. */
  cell(backend: string, dataset: string, operation: string, stage: Stage): Cell;
  /** The counts of one shape of call. As with {@link cell}: ask again after 30 s. A shape that is too long, or one too many of its key,
   * is counted with others of its kind. */
  shape(key: ShapeKey): ShapeCounts;
  sample(sample: ComparisonSample): void;
  /** Counts a call that relied on what the singleton guaranteed. */
  relied(seen: RelianceSeen): void;
  /** What was counted and stored so far of {@link relied}, of all processes. Reads the store, where there is little of it. */
  reliance(): readonly RelianceEvidence[];
  /** Adds to the timeline: a change of stage, a breach, a start. `fields` must be JSON-able. */
  event(kind: string, fields: Readonly<Record<string, unknown>>): void;
  /** Stores what `source` says from now on beside the counts.
   *
   * @returns ends it: what it said last stays counted. Idempotent. */
  watchRules(source: RuleUseSource): () => void;
  /** What this process counted since it began, whether it is stored or not: for metrics. */
  counted(): readonly Counted[];
  /** What was counted so far: this run with what it has not stored yet, and the stored runs.
   *
   * @param resumedAt what was counted of a dataset before is told apart, in `judged`. Default: nothing is. */
  summary(resumedAt?: ResumedAt): ReportData;
  /** The same in steps, so that nothing else has to wait for all of it: of the state at the first step, and of what this process counts
   * until it is done. Nothing is written for it. */
  summaryInSteps(resumedAt?: ResumedAt): Steps<ReportData>;
  /** Fetches a part of what other processes counted, where the store can't be read at once, within a bound: where `fetched`, another one;
   * where `stale`, it is not its turn. `current` where each {@link summary} has all. Never rejects. */
  refresh(): Promise<'fetched' | 'stale'> | 'current';
  /** The same of keys whose step waits: gives those of which the next {@link summary} has all as of now. Never rejects. */
  refreshKeys<Key extends AskedKey>(waiting: readonly Key[]): Promise<readonly Key[]> | 'current';
  /** Calls of this backend's mismatches that are asked for through the store are made by `source` from now on, where it has them.
   *
   * @returns ends that. Idempotent. */
  answerRepeats(backend: string, source: RepeatSource): () => void;
  /** Stores now what would be stored at the next interval. One short try. */
  flush(): void;
  /** Stores all that it holds, for a process that ends; may wait a quarter of a second for another one's lock. Never throws. */
  flushAll(): void;
  /** Flushes and closes. Idempotent. */
  close(): void;
}
