import type { Digest } from '@changeover/core';
import type { Verdict } from './cell.ts';

/** What one leg answered. */
export type ReproducedAnswer =
  | ({ readonly kind: 'result' } & Pick<Digest, 'count' | 'ordered'>)
  /** `code` is the error's kind. */
  | { readonly kind: 'error'; readonly code: string };

/** What came of a call that was made again on both legs. JSON-able. */
export interface Reproduction {
  /** Of mismatches of such calls with the class that was found now, or that was asked for. */
  readonly id: string;
  readonly backend: string;
  readonly key: string;
  readonly operation: string;
  readonly shape: string;
  /** As the bridge judges callers' calls, after it has run both legs again where they differed. */
  readonly verdict: Verdict;
  readonly class: string | undefined;
  /** Tells no value. */
  readonly summary: string | undefined;
  readonly reason: string | undefined;
  /** Of the first run. */
  readonly legacy: ReproducedAnswer;
  readonly pooled: ReproducedAnswer;
  /** The first few places that differ, by type, length and keyed digest unless values were asked for. */
  readonly places: readonly ReproducedPlace[];
}

/** A place where the legs differ. */
export interface ReproducedPlace {
  /** The first is 1. */
  readonly row: number;
  /** Undefined where whole rows differ. */
  readonly column: string | undefined;
  readonly legacy: unknown;
  readonly pooled: unknown;
}
