import { compareDigests } from '@changeover/compare';
import type { LegName, Stage } from '@changeover/core';
import type { Undetermined } from '@changeover/core';
import type { Verdict } from '../recorder/cell.ts';
import type { Outcome } from './shadow-caller.ts';

/** Both legs' outcomes of one run. */
export interface Round {
  readonly legacy: Outcome;
  readonly pooled: Outcome;
  /** The results differ in nothing but what they may differ in. */
  readonly excuse?: Excuse | undefined;
  /** The outcomes are of what is determined alone, and yet they don't agree: in more than the last digits, or in which rows they took. */
  readonly differs?: boolean | undefined;
}

/** Why a difference doesn't count: a rule lets it pass, it is in the last digits of numbers that may differ there, or in what the
 * call does not determine, and then what it is worth that the rest agrees. */
export type Excuse =
  | 'rule'
  | 'rounding'
  | { readonly verdict: 'match' | 'nondeterministic' | 'inconclusive'; readonly reason: string };

/** What is known of writes around the runs. */
export interface Surroundings {
  readonly stage: Stage;
  /** The call promises the order of its rows. */
  readonly ordered: boolean;
  /** No write of this process touched the key from before the answer to after the last rerun. */
  readonly quietSinceAnswer: boolean;
  /** The call is about no single key. */
  readonly shared: boolean;
  /** The same for writes of other processes; undefined where the engine can't tell. */
  readonly foreignQuiet: boolean | undefined;
  /** Nobody committed from before the first rerun to after the last: both legs read one state. Undefined where it can't be told;
   * false where somebody did, be it elsewhere. */
  readonly oneState: boolean | undefined;
  /** Both legs were read in one snapshot, which nobody's commit can change. */
  readonly snapshot: boolean;
  /** Why the call's result may differ from run to run. */
  readonly undetermined: Undetermined | undefined;
  /** Which rows there are depends on the time. */
  readonly timed?: boolean | undefined;
}

/** What the reruns say. `again`: another round is needed to tell. */
export type Finding =
  { readonly verdict: Verdict; readonly reason?: string } | { readonly verdict: 'again' };

/** Reruns for an ordinary difference, and for one that comes and goes, which could be a query that isn't determined. */
export const firstRounds = 2;
export const mostRounds = 5;

/** Whether two outcomes are the same for the caller. Errors are compared by kind. */
export function sameOutcome(a: Outcome, b: Outcome, ordered: boolean): boolean {
  if (a.kind === 'error' || b.kind === 'error') {
    return a.kind === 'error' && b.kind === 'error' && a.code === b.code;
  }
  const comparison = compareDigests(a.digest, b.digest);
  return comparison === 'equal' || (!ordered && comparison === 'order');
}

/** Whether the data's state is the same as it was; undefined where neither is known. One that was known once only is another. */
export function sameState(
  before: string | undefined,
  now: string | undefined,
): boolean | undefined {
  return before === undefined && now === undefined ? undefined : before === now;
}

/** Says why a leg's outcome tells nothing about its data; undefined where it does. */
export function noAnswer({ legacy, pooled }: Round): string | undefined {
  for (const [leg, outcome] of [
    ['legacy', legacy],
    ['pooled', pooled],
  ] as const) {
    if (outcome.kind === 'error' && outcome.unavailable)
      return `the ${leg} leg was not available (${outcome.code})`;
  }
  return undefined;
}

/**
 * What a difference that was seen once comes to, from the reruns made since, all under one write epoch.
 *
 * @param first the answer and the first shadow run, which differ.
 * @param rounds at least {@link firstRounds}.
 */
export function decide(first: Round, rounds: readonly Round[], around: Surroundings): Finding {
  for (const round of rounds) {
    const reason = noAnswer(round);
    if (reason !== undefined) return { verdict: 'inconclusive', reason };
  }
  const same = (a: Outcome, b: Outcome): boolean => sameOutcome(a, b, around.ordered);
  const agree = (round: Round): boolean =>
    round.excuse !== undefined || (round.differs !== true && same(round.legacy, round.pooled));
  const excused = rounds.find(({ excuse }) => excuse !== undefined)?.excuse;
  if (excused !== undefined && rounds.every(agree)) {
    if (typeof excused === 'object') return excused;
    return excused === 'rule'
      ? { verdict: 'match', reason: 'by rule' }
      : nondeterministic(around.undetermined);
  }
  if (
    [first, ...rounds].every(
      (round) => failsApart(round) && round.legacy.kind === first.legacy.kind,
    )
  )
    return { verdict: 'mismatch' };
  const stable = (leg: LegName): boolean =>
    rounds.every((round, at) => at === 0 || same(round[leg], rounds[0]?.[leg] ?? round[leg]));
  const last = rounds.at(-1) ?? first;
  if (!stable('legacy')) return unsteady(rounds.length, around);
  if (mayDiffer(around.undetermined, [first, ...rounds]))
    return nondeterministic(around.undetermined);
  if (stable('pooled') && !agree(last)) {
    // What all keys share is written by others all the time: only a difference that stays through many reruns is one. So is what
    // the time changes: it can't change one leg's answer only, time and again.
    return (around.shared || around.timed === true) && rounds.length < mostRounds
      ? { verdict: 'again' }
      : { verdict: 'mismatch', reason: evidence(around) };
  }
  if (stable('pooled')) return agreeNow(first, last, rounds.length, around, same);
  if (rounds.length < mostRounds) return { verdict: 'again' };
  // Legacy is asked first in each round: what another process wrote just after it only the pooled leg saw.
  if (around.oneState === false || (around.oneState !== true && around.foreignQuiet === false))
    return { verdict: 'raced', reason: 'somebody wrote while the legs were read again' };
  return {
    verdict: 'mismatch',
    reason: 'the pooled leg differs from itself while the legacy leg does not',
  };
}

function nondeterministic(undetermined: Undetermined | undefined): Finding {
  return {
    verdict: 'nondeterministic',
    reason: undetermined?.reason ?? 'numbers differ in their last digits',
  };
}

/** What a difference that stays was read in. A write from elsewhere can't make each leg say the same twice when they are read in
 * turn, unless it is undone and done again in step. */
function evidence({ oneState, snapshot }: Surroundings): string {
  if (snapshot) return 'both legs were read in one snapshot';
  return oneState === true
    ? 'both legs were read in one state of the data'
    : 'read in turn, each leg said the same again';
}

/** The legacy leg differs from itself: its result isn't determined, or somebody elsewhere wrote between the reruns. */
function unsteady(rounds: number, { oneState, undetermined }: Surroundings): Finding {
  if (oneState !== false || undetermined !== undefined) {
    return { verdict: 'nondeterministic', reason: 'the legacy leg differs from itself' };
  }
  if (rounds < mostRounds) return { verdict: 'again' };
  return { verdict: 'raced', reason: 'somebody wrote while the legs were read again' };
}

/** Even a call that gives another result each time gives one. */
function failsApart({ legacy, pooled }: Round): boolean {
  return legacy.kind !== pooled.kind;
}

/** The call itself says that its result may differ as it does. */
function mayDiffer(undetermined: Undetermined | undefined, rounds: readonly Round[]): boolean {
  if (undetermined === undefined || undetermined.kind === 'rounding') return false;
  if (undetermined.kind === 'volatile')
    return rounds.every(({ legacy, pooled }) => legacy.kind === pooled.kind);
  return rounds.every(({ legacy, pooled }) => sameExtent(legacy, pooled));
}

/** As many rows of the same columns. */
function sameExtent(a: Outcome, b: Outcome): boolean {
  return (
    a.kind === 'result' &&
    b.kind === 'result' &&
    a.digest.count === b.digest.count &&
    a.digest.columns === b.digest.columns
  );
}

/** Both legs are stable and agree, so the difference has gone: a write came between, or a leg was wrong once. */
function agreeNow(
  first: Round,
  last: Round,
  rounds: number,
  around: Surroundings,
  same: (a: Outcome, b: Outcome) => boolean,
): Finding {
  const pooledWasOdd = same(first.legacy, last.legacy) && !same(first.pooled, last.pooled);
  if (
    !around.quietSinceAnswer ||
    around.foreignQuiet === false ||
    around.timed === true ||
    !pooledWasOdd
  ) {
    return { verdict: 'raced', reason: 'the legs agree again' };
  }
  if (around.undetermined !== undefined && sameExtent(first.legacy, first.pooled))
    return nondeterministic(around.undetermined);
  if (rounds < mostRounds) return { verdict: 'again' };
  // At `shadow` legacy answered first: a write that came between would have changed what it says now.
  if (around.stage === 'shadow' || around.foreignQuiet === true) {
    return {
      verdict: 'mismatch',
      reason: 'the pooled leg was wrong once, with no write in between',
    };
  }
  return {
    verdict: 'inconclusive',
    reason: "the pooled leg differed once; another process's write can't be excluded",
  };
}
