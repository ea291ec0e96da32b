import { shareOf } from '@changeover/compare';

/** Between which values a figure's true median lies: lower, upper. */
export type Interval = readonly [lower: number, upper: number];

/** What a figure is to keep within, or to reach. */
export interface Target {
  readonly sign: '≤' | '≥';
  readonly value: number;
}

/** How a figure stands to its target. `can't tell`: the target lies within the interval, or there were too few rounds. */
export type Verdict = 'held' | 'missed' | "can't tell";

/** All verdicts, the best first. */
export const verdicts: readonly Verdict[] = ['held', "can't tell", 'missed'];

/** Rounds below which nothing is said of a target: one or two tell nothing of their spread. */
export const fewestRounds = 3;

/** The figure is to be no more than `value`. */
export function atMost(value: number): Target {
  return { sign: '≤', value };
}

/** The figure is to be no less than `value`. */
export function atLeast(value: number): Target {
  return { sign: '≥', value };
}

/** How sure each end of an interval is: both together leave 5 in 100. */
const endConfidence = 0.975;

/**
 * Where the median of what was measured lies, from the rounds alone: no form of their distribution is assumed, since
 * times are skewed and have outliers.
 *
 * From 6 rounds on it is the confidence interval of the median at 95 % by order statistics (the sign test turned round;
 * Conover, Practical Nonparametric Statistics): the highest and lowest rounds are left out as long as the rounds beyond
 * an end, taken as hits of a fair coin, stay improbable, which is what {@link shareOf} bounds. Below 6 rounds no two
 * of them are as sure, and it is the lowest and the highest: 75 % for 3 rounds, 94 % for 5.
 *
 * It tells what the same run would say again, on this machine with what else it did then. What differs from machine to
 * machine, or from process to process, it does not know.
 */
export function intervalOf(rounds: readonly number[]): Interval {
  const sorted = [...rounds].sort((a, b) => a - b);
  let leftOut = 0;
  while (isSureWithout(leftOut + 1, sorted.length)) leftOut += 1;
  return [sorted[leftOut] ?? NaN, sorted[sorted.length - 1 - leftOut] ?? NaN];
}

/** Whether most values lie above the round that is the lowest once so many are left out. */
function isSureWithout(leftOut: number, rounds: number): boolean {
  if (2 * leftOut >= rounds) return false;
  const share = shareOf(rounds - leftOut, rounds, endConfidence);
  return share.kind === 'estimate' && share.lower >= 0.5;
}

/** Judges by the interval: it lies within the target as a whole, or beyond it as a whole, or who knows. */
export function verdictOf(rounds: number, [low, high]: Interval, target: Target): Verdict {
  if (rounds < fewestRounds || Number.isNaN(low) || Number.isNaN(high)) return "can't tell";
  const { sign, value } = target;
  const [best, worst] = sign === '≤' ? [low, high] : [-high, -low];
  const most = sign === '≤' ? value : -value;
  if (worst <= most) return 'held';
  return best > most ? 'missed' : "can't tell";
}
