/** Why a call's result is not determined by the data alone, as far as the call itself shows it. */
export interface Undetermined {
  /** `volatile`: anything may differ. `choice`: which rows, or in which order they are put together; not how many.
   * `rounding`: the last digits of numbers. */
  readonly kind: 'volatile' | 'choice' | 'rounding';
  /** For the report. */
  readonly reason: string;
  /** Of `rounding`: the only fields of the answer that may differ so; all others are determined. Default: any may. */
  readonly fields?: RoundedFields | undefined;
}

/** Fields of an answer that is no list of rows, of which all but the last digits is determined. */
export interface RoundedFields {
  readonly rounded: readonly string[];
  /** Fields of the same answer between which all numbers lie that these were made of: what is left of numbers that cancel out is
   * told by them. Default: none. */
  readonly between?: readonly string[] | undefined;
}

/** What of a call's answer the data alone does not determine. All else of it is compared. */
export interface OpenParts {
  /** For the report: each part that is left out, and why. */
  readonly leftOut: readonly string[];
  /** Columns of which only the values' types count, by index from 0, or from the end from -1. */
  readonly columns: readonly number[];
  /** Columns of which all but the last digits counts. `all`: any column may be one. */
  readonly rounded: readonly number[] | 'all';
  /**
   * Which rows there are. `some`: their number is determined, and each is one of those that `allRows` gives; `any`: nothing of them
   * is, but that each is one of those that `allRows` gives, if there are any; `timed`: they depend on the time, so that they hold still unless a row has just come to its edge.
   */
  readonly rows: 'determined' | 'timed' | 'some' | 'any';
  /**
   * Columns by which the rows are ordered, so that only rows which are equal in them may change places: by index, or by a name that
   * ignores case. Empty: nothing is known of the order, or all of it.
   */
  readonly sortedBy: readonly (number | string)[];
  /**
   * The arguments of the call that gives the same rows with one column more, the last, which rows have in common that are equal in their
   * order, and no others: only those may change places. Undefined: there is none.
   */
  readonly placed?: readonly unknown[] | undefined;
  /** The arguments of the call that gives all rows of which this one gives some, `maxRows` at most. Undefined: there is none. */
  readonly allRows: ((maxRows: number) => readonly unknown[]) | undefined;
}

/** What is known of one call's answer before it is compared. */
export interface AnswerFacts {
  /** Why the call is made once and never for comparison: it does something, or it can't be told that it doesn't. Undefined: it reads. */
  readonly acts: string | undefined;
  /** The call promises the order of its rows. */
  readonly ordered: boolean;
  /** Undefined: the data determines all of it. */
  readonly open: OpenParts | undefined;
  /** As {@link ReadDefinition.undetermined} says it, where nobody knows better. */
  readonly undetermined?: Undetermined | undefined;
}
