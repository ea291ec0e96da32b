import type { Stage } from '@changeover/core';

/**
 * Where a gate is asked: at each backend's stages where both legs run (`shadow`, `reverse`), at the one of them where the
 * pooled leg answers (`reverse`), at each of its stages that had calls, once for the backend, or at one named stage where
 * that had calls.
 */
export type GateScope = 'comparing-stage' | 'answering-stage' | 'stage' | 'backend' | Stage;

/**
 * What a gate that doesn't hold means: there is too little to tell, the datasets stay where they are, or they go back to
 * `legacy`. `by-stage` is back where the pooled leg answered callers, and stay where the legacy leg did.
 */
export type Consequence = 'inconclusive' | 'hold' | 'roll-back' | 'by-stage';

/** A condition for moving forward, with where it is asked and what follows where it doesn't hold. */
export interface GateDefinition {
  /** As `parseGate` reads it; the figures are {@link figureNames}. */
  readonly expression: string;
  readonly scope: GateScope;
  /** The condition in words. */
  readonly title: string;
  readonly ifMissed: Consequence;
}

/**
 * The figures that gates may ask for.
 *
 * - `comparisons`: how many came to a verdict. `unwatched`: operations that were due for comparison and never compared.
 * - `mismatch`, `unexplained`: shares of the comparisons that are confirmed mismatches, that are inconclusive.
 * - `failed`: the share of calls that a caller saw fail.
 * - `latency-p50-ratio`: the pooled leg's median over the legacy leg's; its bounds are the histograms' resolution.
 * - `error-increase`: the share of failed calls that the pooled leg answered, less that of the legacy leg's.
 * - `data-checks`: the share of the tables checked that are not as expected.
 */
export const figureNames = [
  'comparisons',
  'unwatched',
  'mismatch',
  'unexplained',
  'failed',
  'latency-p50-ratio',
  'error-increase',
  'data-checks',
] as const;

/** One figure's name. */
export type FigureName = (typeof figureNames)[number];

/** From ADR-001's success metrics: data integrity by checksums, no more errors than before, no degradation. */
export const defaultGates: readonly GateDefinition[] = [
  {
    expression: 'comparisons >= 100',
    scope: 'comparing-stage',
    ifMissed: 'inconclusive',
    title: 'Enough comparisons to tell',
  },
  {
    expression: 'unwatched == 0',
    scope: 'comparing-stage',
    ifMissed: 'inconclusive',
    title: 'Every operation due for comparison was compared',
  },
  {
    expression: 'mismatch == 0',
    scope: 'comparing-stage',
    ifMissed: 'by-stage',
    title: 'No confirmed mismatch',
  },
  {
    // 0 of 100 comparisons says "below 2.95 %".
    expression: 'mismatch.upper <= 3%',
    scope: 'comparing-stage',
    ifMissed: 'hold',
    title: 'Mismatches bounded from above, with 95 % confidence',
  },
  {
    expression: 'unexplained <= 1%',
    scope: 'comparing-stage',
    ifMissed: 'hold',
    title: 'Comparisons come to a clear verdict',
  },
  {
    // At `shadow` the pooled leg waits for its turn in the background, which says nothing of how it will answer.
    expression: 'latency-p50-ratio.lower <= 1.0',
    scope: 'answering-stage',
    ifMissed: 'hold',
    title: 'The pooled median is no slower than the legacy one',
  },
  { expression: 'failed == 0', scope: 'stage', ifMissed: 'hold', title: 'No failed call' },
  {
    expression: 'error-increase.lower <= 0',
    scope: 'backend',
    ifMissed: 'roll-back',
    title: 'No more errors from the pooled leg than from the legacy one',
  },
  {
    expression: 'data-checks == 0',
    scope: 'backend',
    ifMissed: 'roll-back',
    title: 'Every table checked is as expected',
  },
];
