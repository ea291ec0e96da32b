import type { DifferenceClass } from '@changeover/compare';
import type { Engine } from '@changeover/engines/api';

/**
 * What was found of a table, or of a whole one: `match`; `mismatch`, a difference that stays; `raced`, a difference that went
 * when both were read again, because someone wrote meanwhile; `inconclusive`, it could not be compared.
 */
export type VerifyVerdict = 'match' | 'mismatch' | 'raced' | 'inconclusive';

/** The first of these that a table has is that of the whole. */
export const verdictsByWeight: readonly VerifyVerdict[] = [
  'mismatch',
  'inconclusive',
  'raced',
  'match',
];

/** What kind of difference: those of comparisons, and what only whole stores can differ in. */
export type VerifyDifferenceClass =
  DifferenceClass | 'missing-table' | 'extra-table' | 'missing-dataset' | 'extra-dataset';

/** A value as it is shown: hidden behind a keyed digest, or its text where that was asked for. */
export interface ShownValue {
  readonly type: string;
  readonly length?: number | undefined;
  readonly digest?: string | undefined;
  /** Only where values are to be shown; cut. */
  readonly value?: string | undefined;
}

/** One place where two tables differ. */
export interface VerifySample {
  /** The row's number on the left side, on the right for an extra row, the first being 1. */
  readonly row: number;
  /** The values of the primary key, where the table has one. */
  readonly key?: Readonly<Record<string, ShownValue>> | undefined;
  /** Undefined where the whole row is meant. */
  readonly column: string | undefined;
  readonly left: ShownValue | undefined;
  readonly right: ShownValue | undefined;
}

/** How two tables differ. */
export interface TableDifference {
  readonly class: VerifyDifferenceClass;
  readonly columns: readonly string[];
  /** Rows that are on one side only, a changed row on both. */
  readonly rows: { readonly left: number; readonly right: number };
  /** False where there are more than were looked for. */
  readonly complete: boolean;
  readonly samples: readonly VerifySample[];
}

/** What was compared, so that nobody takes a match for more than it is. */
export interface ComparedHow {
  /** `values`: each row as each side's session gives it to a caller. `checksum`: the sum of the rows' hashes inside each
   * engine, which sees what is stored and nothing of how it is read. `nothing`: not compared. */
  readonly by: 'values' | 'checksum' | 'nothing';
  /** `shared`: both sides read one state of one store. `apart`: each read a state of its own. */
  readonly snapshot: 'shared' | 'apart';
  /** Whether the order of the rows counted. */
  readonly order: boolean;
  /** Whether it was begun by a process that was stopped: two parts of the table were then read in two states. */
  readonly resumed: boolean;
}

/** What was found of one table. */
export interface TableResult {
  readonly engine: Engine;
  readonly dataset: string;
  /** Undefined where it is about the whole dataset. */
  readonly table: string | undefined;
  readonly verdict: VerifyVerdict;
  /** Why it is raced or inconclusive; what a note says of a match. */
  readonly reason?: string | undefined;
  readonly rows: { readonly left: number; readonly right: number };
  readonly compared: ComparedHow;
  readonly difference?: TableDifference | undefined;
  /** 16 hexadecimal digits of all rows of the left side, whatever their order; undefined where values were not read. */
  readonly digest?: string | undefined;
  readonly durationMs: number;
  /** When it was compared, in UTC. */
  readonly at: string;
}

/** What was found of all. */
export interface VerifyResult {
  readonly verdict: VerifyVerdict;
  /** The two sides, for people. */
  readonly left: string;
  readonly right: string;
  readonly counts: Readonly<Record<VerifyVerdict, number>>;
  readonly tables: readonly TableResult[];
  /** Rows read, both sides and all rounds together, by this process. */
  readonly rowsRead: number;
  readonly durationMs: number;
}

/** How far it is. */
export interface VerifyProgress {
  readonly engine: Engine;
  readonly dataset: string;
  readonly table: string;
  /** `scan`: comparing. `locate`: finding the rows that differ. `confirm`: reading again what differed. */
  readonly phase: 'scan' | 'locate' | 'confirm';
  /** Rows of the left side read so far, of this table. */
  readonly rows: number;
  /** About how many there are; undefined where nobody knows. */
  readonly totalRows: number | undefined;
  readonly tablesDone: number;
  readonly tablesTotal: number;
  readonly rowsPerSecond: number;
  /** For this table; undefined where nobody knows. */
  readonly secondsLeft: number | undefined;
  /** Why it waits, where it does. */
  readonly waiting?: string | undefined;
}
