import type { Stage } from '@changeover/core';

/**
 * What was seen of one shape of call: the calls of one operation on one key at one stage that differ only in values
 * (for SQL: in literals, parameters or the length of a list). An operation that has no shapes has one, ''.
 * Promotion is judged by these: a key's hot call says nothing of its rare one.
 */
export interface ShapeEvidence {
  readonly backend: string;
  /** '' where the bridge has one key. */
  readonly key: string;
  readonly operation: string;
  /** Without values: it is stored and shown. */
  readonly shape: string;
  readonly stage: Stage;
  /** Calls that a caller made. */
  readonly calls: number;
  /** Of these, how many a caller saw fail, whichever leg answered. */
  readonly failed: number;
  /** Of these, how many could be compared. */
  readonly eligible: number;
  /** Of these, how many came to a verdict. */
  readonly compared: number;
  readonly match: number;
  readonly mismatch: number;
  readonly raced: number;
  readonly nondeterministic: number;
  readonly inconclusive: number;
  /** Why calls of this shape are not compared: a stream, a read that acts, a write without a rehearsal. Undefined
   * where they are. */
  readonly notComparable?: string | undefined;
  /** Milliseconds since 1970 of the first and the last call that was counted. */
  readonly firstSeen: number;
  readonly lastSeen: number;
}
