import type { Stage } from '@changeover/core';
import { LatencyHistogram, PairedDifference } from '@changeover/compare';
import type { ShedReason } from './shed-reason.ts';

/**
 * The counts of one (backend, dataset, operation, stage) in this process. The router holds it beside its memoised route
 * and changes the fields itself, so that counting costs a caller an addition and no look-up. Counts only ever grow: the
 * recorder remembers what it has stored and never sets them back. The histograms it replaces each hour, so read the
 * field anew for each call.
 *
 * They add up: `sampled` ≤ `eligible`; `sampled` = `compared` + the sum of `shed` + those in flight; `compared` =
 * the sum of the five verdicts.
 */
export class Cell {
  readonly backend: string;
  readonly dataset: string;
  readonly operation: string;
  readonly stage: Stage;
  /** Calls that a caller made. */
  calls = 0;
  /** Of these, how many the caller saw fail. */
  failed = 0;
  /** Reads that the legacy leg answered because the pooled leg had no connection. */
  fallbacks = 0;
  /** Calls that could be compared at this stage. */
  eligible = 0;
  /** Of these, how many were due by the sample rate. */
  sampled = 0;
  /** Of these, how many came to a verdict. */
  compared = 0;
  match = 0;
  mismatch = 0;
  raced = 0;
  nondeterministic = 0;
  inconclusive = 0;
  /** Of the sampled, how many came to none, by reason. */
  readonly shed: Partial<Record<ShedReason, number>> = {};
  /** How long the legacy leg took for one call, answering or as shadow. */
  legacyLatency: LatencyHistogram = new LatencyHistogram();
  /** How long the pooled leg took for one call, answering or as shadow. */
  pooledLatency: LatencyHistogram = new LatencyHistogram();
  /** Of reads that both legs were timed on, how much longer the pooled leg took. */
  paired: PairedDifference = new PairedDifference();

  constructor(backend: string, dataset: string, operation: string, stage: Stage) {
    this.backend = backend;
    this.dataset = dataset;
    this.operation = operation;
    this.stage = stage;
  }

  /** Counts a comparison that was due and not made. */
  countShed(reason: ShedReason): void {
    this.shed[reason] = (this.shed[reason] ?? 0) + 1;
  }

  /** Counts a comparison that came to a verdict. */
  countVerdict(verdict: Verdict): void {
    this.compared += 1;
    this[verdict] += 1;
  }
}

/** What a comparison can come to. */
export const verdicts = ['match', 'mismatch', 'raced', 'nondeterministic', 'inconclusive'] as const;

/** What a comparison came to. */
export type Verdict = (typeof verdicts)[number];
