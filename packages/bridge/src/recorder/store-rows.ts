import type { LatencyHistogram, PairedDifference } from '@changeover/compare';
import type { Stage } from '@changeover/core';
import type { CellKey, Verdict } from './cell.ts';
import type { Counts } from './counts.ts';
import type { MinuteRow } from './minute-rows.ts';
import type { RelianceEvidence } from './reliance-book.ts';
import type { RuleUseCount } from './rule-uses.ts';
import type { ShapeRow } from './shape-book.ts';

/** What one process stores of a cell: all that was counted in one hour. Written again and again under one `part`, which
 * no other row of this process has, so that a write that was repeated counts once. */
export interface CellRow extends CellKey {
  readonly part: number;
  /** Hours since 1970. */
  readonly hour: number;
  readonly counts: Counts;
  readonly legacy: LatencyHistogram;
  readonly pooled: LatencyHistogram;
  readonly paired: PairedDifference;
}

/** What one process stores of comparisons that are alike. */
export interface GroupRow {
  /** Made of what follows up to `class`. */
  readonly fingerprint: string;
  readonly backend: string;
  readonly operation: string;
  /** Undefined where comparisons of all keys are one. */
  readonly key?: string | undefined;
  /** Undefined where those of all shapes are one. */
  readonly shape?: string | undefined;
  readonly verdict: Verdict;
  readonly class: string | undefined;
  readonly count: number;
  readonly firstAt: number;
  readonly lastAt: number;
}

/** A sample as it is stored: values are JSON text already. */
export interface SampleRow {
  readonly fingerprint: string;
  readonly sequence: number;
  readonly at: number;
  readonly dataset: string;
  readonly stage: Stage;
  readonly summary: string;
  readonly legacy: string | undefined;
  readonly pooled: string | undefined;
  readonly reason: string | undefined;
  /** A `SampledCall`. */
  readonly call: string | undefined;
}

/** An event as it is stored: fields are JSON text already. */
export interface EventRow {
  readonly sequence: number;
  readonly at: number;
  readonly kind: string;
  readonly fields: string;
}

/** The process that stores. */
export interface WriterRow {
  /** Unique over all processes, unlike the run's name. */
  readonly writer: string;
  readonly run: string;
  readonly host: string;
  readonly pid: number;
  readonly node: string;
  readonly startedAt: number;
  readonly lastAt: number;
  readonly samplesOverLimit: number;
}

/** What a process knows better than the store: its own writer row and groups, and these parts of its cells. */
export interface OwnRows {
  readonly writer: string;
  readonly parts: ReadonlySet<number>;
  /** Of its shapes. */
  readonly shapeParts: ReadonlySet<number>;
}

/** One transaction's worth. */
export interface Batch {
  readonly writer: WriterRow;
  readonly cells: readonly CellRow[];
  readonly groups: readonly GroupRow[];
  readonly samples: readonly SampleRow[];
  readonly events: readonly EventRow[];
  readonly rules: readonly RuleUseCount[];
  readonly shapes: readonly ShapeRow[];
  readonly reliance: readonly RelianceEvidence[];
  /** Default: none. */
  readonly minutes?: readonly MinuteRow[] | undefined;
}
