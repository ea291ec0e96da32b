import { LatencyHistogram, PairedDifference } from '@changeover/compare';
import type { Stage } from '@changeover/core';
import type { ShedReason } from './shed-reason.ts';

/** The dataset under which counts are kept that there was no room for one by one. */
export const otherDatasets = '(others)';

/** What a comparison can come to. */
export const verdicts = ['match', 'mismatch', 'raced', 'nondeterministic', 'inconclusive'] as const;

/** What a comparison came to. */
export type Verdict = (typeof verdicts)[number];

/** Whose counts a {@link Cell} has. */
export interface CellKey {
  readonly backend: string;
  readonly dataset: string;
  readonly operation: string;
  readonly stage: Stage;
}

/**
 * The counts of one (backend, dataset, operation, stage) in this process. The router holds it beside its memoised route
 * and changes the fields itself, so that counting costs a caller an addition and no look-up. Counts only ever grow: the
 * recorder remembers what it has stored and never sets them back. The histograms it replaces each hour, so read the
 * field anew for each call.
 *
 * They add up: `sampled` ≤ `eligible`; `sampled` = `compared` + the sum of `shed` + those in flight; `compared` =
 * the sum of the five verdicts.
 */
export class Cell implements CellKey {
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

/** One text a key, for maps. Names can't contain a NUL. */
export function cellKeyText({ backend, dataset, operation, stage }: CellKey): string {
  return `${backend}\0${dataset}\0${operation}\0${stage}`;
}

/** Whose counts {@link ShapeCounts} are. */
export interface ShapeKey {
  readonly backend: string;
  /** '' where the bridge has one key. */
  readonly dataset: string;
  readonly operation: string;
  /** '' where the operation has no shapes. */
  readonly shape: string;
  readonly stage: Stage;
}

/** The counters of a shape, in the order of a shared store's lists, which grow at their end. */
export const shapeCountNames = [
  'calls',
  'eligible',
  'compared',
  'match',
  'mismatch',
  'raced',
  'nondeterministic',
  'inconclusive',
  'failed',
] as const;

/** A shape's counters at one moment. */
export type ShapeTotals = Record<(typeof shapeCountNames)[number], number>;

/** Why none of the calls of a shape is ever compared, where a comparison was shed for such a reason; undefined for those that pass. */
const lastingReasons: Readonly<Record<ShedReason, string | undefined>> = {
  'queue-full': undefined,
  busy: undefined,
  deadline: undefined,
  'event-loop-late': undefined,
  'breaker-open': undefined,
  'legacy-busy': undefined,
  closing: undefined,
  'too-large': 'its answers have more rows than are compared',
  'no-baseline': undefined,
  budget: "its rehearsal doesn't fit the caller's budget",
  'side-effects': 'a call that acts is not run twice',
  'loop-budget': undefined,
  'not-comparable':
    'its arguments or answers can not be compared: a stream, a function, an instance',
};

/**
 * The counts of one shape of call at one stage in this process. Whoever makes the calls changes the fields itself, as with a `Cell`.
 */
export class ShapeCounts implements ShapeTotals {
  readonly key: ShapeKey;
  calls = 0;
  eligible = 0;
  compared = 0;
  match = 0;
  mismatch = 0;
  raced = 0;
  nondeterministic = 0;
  inconclusive = 0;
  failed = 0;
  /** Why its calls are not compared; undefined where they are, or where none was due yet. */
  notComparable: string | undefined = undefined;

  constructor(key: ShapeKey) {
    this.key = key;
  }

  /** Counts a comparison that came to a verdict. */
  countVerdict(verdict: Verdict): void {
    this.compared += 1;
    this[verdict] += 1;
    this.notComparable = undefined;
  }

  /** Notes that a comparison was shed: for some reasons none will ever be made. */
  noteShed(reason: ShedReason): void {
    if (this.compared === 0) this.notComparable ??= lastingReasons[reason];
  }
}

/** Nothing counted. */
export function noShapeTotals(): ShapeTotals {
  return Object.fromEntries(shapeCountNames.map((name) => [name, 0])) as ShapeTotals;
}

/** Grows with each change, so that what changed can be told without a look at each counter. */
export function shapeActivityOf(counts: ShapeCounts): number {
  const { calls, eligible, compared, failed, notComparable } = counts;
  return calls + eligible + compared + failed + (notComparable === undefined ? 0 : 0.5);
}

/** One text a shape, for maps. */
export function shapeKeyText({ backend, dataset, operation, shape, stage }: ShapeKey): string {
  return `${backend}\0${dataset}\0${operation}\0${stage}\0${shape}`;
}
