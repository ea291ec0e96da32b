import type { Stage } from '@changeover/core';

/**
 * Where a gate is asked.
 *
 * Of the key that is to step: `shape` is each operation and shape that it used, `key` is the key as a whole.
 *
 * Of its cohort, which is the backend's keys that no gate of their own holds back: at the stages where both legs run
 * (`comparing-stage`), at the one of them where the pooled leg answers (`answering-stage`), at the key's stage (`stage`),
 * over all stages (`backend`), or at one named stage where that had calls.
 */
export type GateScope =
  'shape' | 'key' | 'comparing-stage' | 'answering-stage' | 'stage' | 'backend' | Stage;

/**
 * What a gate that doesn't hold means: there is too little to tell, the key stays where it is, or it goes back to
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
 * - `comparisons`: how many came to a match or a mismatch. `calls`: how many callers made. `unwatched`: operations that
 *   were due for comparison and never compared.
 * - `mismatch`: the share of these that are confirmed mismatches. `unexplained`: the share of all that came to a verdict
 *   which is inconclusive.
 * - `failed`: the share of calls that a caller saw fail.
 * - `latency-p50-ratio`: the pooled leg's median over the legacy leg's; its bounds are the histograms' resolution.
 * - `error-increase`: the share of failed calls that the pooled leg answered, less that of the legacy leg's, of the operation where that
 *   is clearest.
 * - `unkept`: guarantees that the key's callers rely on and the pooled leg does not keep.
 * - `data-checks`: the share of the tables checked that are not as expected.
 */
export const figureNames = [
  'comparisons',
  'calls',
  'unwatched',
  'mismatch',
  'unexplained',
  'failed',
  'latency-p50-ratio',
  'error-increase',
  'unkept',
  'data-checks',
] as const;

/** One figure's name. */
export type FigureName = (typeof figureNames)[number];

/** How much has to be seen before something counts. */
export const gateLimits = {
  /** Comparisons that a key needs of each shape, and calls that it needs at its stage. */
  ownComparisons: 40,
  /** The same where the cohort proved the shape. */
  ownWhereCohortProved: 3,
  /** A shape is proved by this many comparisons of keys that have gone further, without a mismatch of any of them. */
  cohortProof: 100,
  /** Calls on each leg below which a median isn't held against another. */
  smallestMedian: 30,
  /** Medians that differ by no more than this, in ms, are equal: an in-memory leg of 1 µs is no yardstick. */
  latencyFloorMs: 0.5,
} as const;

const ownQuota = String(gateLimits.ownComparisons);

/** From ADR-001's success metrics: data integrity by checksums, no more errors than before, no degradation. */
export const defaultGates: readonly GateDefinition[] = [
  {
    expression: `comparisons >= ${ownQuota}`,
    scope: 'shape',
    ifMissed: 'inconclusive',
    title: 'Each shape of call was compared often enough',
  },
  {
    expression: 'mismatch == 0',
    scope: 'shape',
    ifMissed: 'by-stage',
    title: 'No confirmed mismatch',
  },
  {
    expression: `calls >= ${ownQuota}`,
    scope: 'key',
    ifMissed: 'inconclusive',
    title: 'Enough calls at this stage',
  },
  {
    expression: 'unexplained.lower <= 1%',
    scope: 'key',
    ifMissed: 'hold',
    title: 'Comparisons come to a clear verdict',
  },
  {
    expression: 'latency-p50-ratio.lower <= 1.5',
    scope: 'key',
    ifMissed: 'hold',
    title: 'No operation is much slower on the pooled leg',
  },
  {
    expression: 'error-increase.lower <= 0',
    scope: 'key',
    ifMissed: 'roll-back',
    title: 'No more errors from the pooled leg than from the legacy one',
  },
  {
    expression: 'unkept == 0',
    scope: 'key',
    ifMissed: 'hold',
    title: 'What callers rely on is kept',
  },
  {
    expression: 'data-checks == 0',
    scope: 'key',
    ifMissed: 'roll-back',
    title: 'Every table checked is as expected',
  },
  {
    // 0 of 100 comparisons says "below 2.95 %".
    expression: 'comparisons >= 100',
    scope: 'comparing-stage',
    ifMissed: 'inconclusive',
    title: 'The cohort was compared often enough',
  },
  {
    expression: 'unexplained <= 1%',
    scope: 'comparing-stage',
    ifMissed: 'hold',
    title: "The cohort's comparisons come to a clear verdict",
  },
  {
    // At `shadow` the pooled leg waits for its turn in the background, which says nothing of how it will answer.
    expression: 'latency-p50-ratio.lower <= 1.1',
    scope: 'answering-stage',
    ifMissed: 'hold',
    title: 'The pooled median is no slower than the legacy one',
  },
  {
    expression: 'error-increase.lower <= 0',
    scope: 'backend',
    ifMissed: 'roll-back',
    title: 'No more errors from the pooled leg than from the legacy one, over the cohort',
  },
];
