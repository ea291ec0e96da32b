import type { Cell } from './cell.ts';
import { shedReasons, type ShedReason } from './shed-reason.ts';

/** The counters of a cell, in the order of the store's columns. */
export const countNames = [
  'calls',
  'failed',
  'fallbacks',
  'eligible',
  'sampled',
  'compared',
  'match',
  'mismatch',
  'raced',
  'nondeterministic',
  'inconclusive',
] as const;

/** One counter's name. */
export type CountName = (typeof countNames)[number];

/** A cell's counters at one moment, apart from the cell. */
export type Counts = Record<CountName, number> & { readonly shed: Record<ShedReason, number> };

/** Nothing counted. */
export function noCounts(): Counts {
  return {
    calls: 0,
    failed: 0,
    fallbacks: 0,
    eligible: 0,
    sampled: 0,
    compared: 0,
    match: 0,
    mismatch: 0,
    raced: 0,
    nondeterministic: 0,
    inconclusive: 0,
    shed: Object.fromEntries(shedReasons.map((reason) => [reason, 0])) as Record<
      ShedReason,
      number
    >,
  };
}

/** What the cell counted since `base`. */
export function countedSince(cell: Cell, base: Counts): Counts {
  const counts = noCounts();
  for (const name of countNames) counts[name] = cell[name] - base[name];
  for (const reason of shedReasons)
    counts.shed[reason] = (cell.shed[reason] ?? 0) - base.shed[reason];
  return counts;
}

/** Adds `more` to `counts`, or where `sign` is -1 takes it away. */
export function addCounts(counts: Counts, more: Counts, sign: 1 | -1 = 1): void {
  for (const name of countNames) counts[name] += sign * more[name];
  for (const reason of shedReasons) counts.shed[reason] += sign * more.shed[reason];
}

/** A number that grows with every change of the cell, so that comparing it tells whether there was one. Histograms are
 * replaced, so their counts are given apart. */
export function activityOf(cell: Cell): number {
  let sum =
    cell.calls + cell.failed + cell.fallbacks + cell.eligible + cell.sampled + cell.compared;
  for (const reason of shedReasons) sum += cell.shed[reason] ?? 0;
  return sum + cell.legacyLatency.count + cell.pooledLatency.count;
}
