import type { LegName, Undetermined } from '@changeover/core';
import type { Verdict } from '../recorder/cell.ts';
import { type Outcome, sameOutcome } from './shadow-caller.ts';

/** Both legs' outcomes of one run. */
export interface Round {
  readonly legacy: Outcome;
  readonly pooled: Outcome;
  /** The results differ in nothing but what they may differ in. */
  readonly excuse?: Excuse | undefined;
  /** The outcomes are of what is determined alone, and yet they don't agree: in more than the last digits, or in which rows they took. */
  readonly differs?: boolean | undefined;
  /** It differs by more than the last digits of numbers that may be rounded otherwise, as `wavering`: and so does a leg from itself. */
  readonly digits?: 'steady' | 'wavering' | undefined;
}

/** Why a difference doesn't count: a rule lets it pass, it is in the last digits of numbers that may differ there, or in what the
 * call does not determine, and then what it is worth that the rest agrees. */
export type Excuse =
  | 'rule'
  | 'rounding'
  | { readonly verdict: 'match' | 'nondeterministic' | 'inconclusive'; readonly reason: string };

/** What is known of writes around the runs. */
export interface Evidence {
  /** The call promises the order of its rows. */
  readonly ordered: boolean;
  /** The call is about no single key. */
  readonly shared: boolean;
  /** Nobody wrote from before the pooled leg's first run to after the last rerun: it was asked about the very state that the reruns
   * are of. False where somebody did, in this process or another; undefined where it can't be told. */
  readonly quiet: boolean | undefined;
  /** No row that what the call reads holds now was written since then, so that a row which the pooled leg lacked was there. */
  readonly kept?: boolean | undefined;
  /** Nobody committed from before the first rerun to after the last: both legs read one state. Undefined where it can't be told;
   * false where somebody did, be it elsewhere. */
  readonly oneState: boolean | undefined;
  /** Nobody committed from before each rerun to after it, whatever was written between two of them: each time, both legs read one state. */
  readonly each: boolean;
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
/** Reruns for a difference that stays while somebody may write. Who sets a value and takes it back all the time makes the legs, read
 * in turn, say one thing and the other: once in 4 times for two reads, once in 65,536 for sixteen. */
export const turnRounds = 8;

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
      return `the ${leg} leg could not answer (${outcome.code})`;
  }
  return undefined;
}

/**
 * What a difference that was seen once comes to, from the reruns made since, all under one write epoch.
 *
 * @param first the answer and the first shadow run, which differ.
 * @param rounds at least {@link firstRounds}.
 */
export function decide(first: Round, rounds: readonly Round[], around: Evidence): Finding {
  for (const round of rounds) {
    const reason = noAnswer(round);
    if (reason !== undefined) return { verdict: 'inconclusive', reason };
  }
  const same = (a: Outcome, b: Outcome): boolean => sameOutcome(a, b, around.ordered);
  const agree = (round: Round): boolean =>
    round.excuse !== undefined || (round.differs !== true && same(round.legacy, round.pooled));
  const excused = rounds.find(({ excuse }) => excuse !== undefined)?.excuse;
  if (excused !== undefined && first.differs !== true && rounds.every(agree)) {
    if (typeof excused === 'object') return excused;
    return excused === 'rule'
      ? { verdict: 'match', reason: 'by rule' }
      : nondeterministic(around.undetermined);
  }
  const differing = [first, ...rounds].every(
    (round) => failsDifferently(round) && round.legacy.kind === first.legacy.kind,
  );
  // Even a call that gives another result each time gives one.
  if (differing) return stays(rounds.length, around);
  const stable = (leg: LegName): boolean =>
    rounds.every((round, at) => at === 0 || same(round[leg], rounds[0]?.[leg] ?? round[leg]));
  const last = rounds.at(-1) ?? first;
  if (!stable('legacy')) return unsteady(rounds.length, around);
  if (mayDiffer(around.undetermined, [first, ...rounds]))
    return nondeterministic(around.undetermined);
  if (stable('pooled')) {
    if (rounds.some(({ digits }) => digits !== undefined)) return inDigits(rounds, around);
    return agree(last)
      ? agreeNow(first, last, rounds.length, around, same)
      : stays(rounds.length, around);
  }
  if (rounds.length < mostRounds) return { verdict: 'again' };
  return comesAndGoes(around);
}

/** The legs differ in digits alone. What is left of numbers that cancel out is another number whenever they are added in another order:
 * each leg must say the same, to the last digits, many times. */
function inDigits(rounds: readonly Round[], around: Evidence): Finding {
  if (!rounds.every(({ digits }) => digits === 'steady'))
    return { verdict: 'nondeterministic', reason: 'numbers differ from run to run in all digits' };
  return rounds.length < turnRounds ? { verdict: 'again' } : stays(rounds.length, around);
}

/** Each leg says the same again, and they differ. */
function stays(rounds: number, around: Evidence): Finding {
  const needed = inOneState(around) ? firstRounds : turnRounds;
  // What all keys share is written by others all the time: only a difference that stays through many reruns is one. So is what
  // the time changes: it can't change one leg's answer only, time and again.
  const least = around.shared || around.timed === true ? mostRounds : firstRounds;
  if (rounds < Math.max(needed, least)) return { verdict: 'again' };
  return { verdict: 'mismatch', reason: evidenceText(rounds, around) };
}

/** The pooled leg differs from itself while the legacy leg does not. Legacy is asked first in each round: what somebody wrote just
 * after it, and took back, only the pooled leg saw. */
function comesAndGoes(around: Evidence): Finding {
  const reason = 'the pooled leg differs from itself while the legacy leg does not';
  if (inOneState(around)) return { verdict: 'mismatch', reason };
  return around.oneState === false
    ? { verdict: 'raced', reason: 'somebody wrote while the legs were read again' }
    : { verdict: 'inconclusive', reason: `${reason}; a write by somebody else can't be excluded` };
}

function nondeterministic(undetermined: Undetermined | undefined): Finding {
  return {
    verdict: 'nondeterministic',
    reason: undetermined?.reason ?? 'numbers differ in their last digits',
  };
}

function inOneState({ snapshot, oneState, each }: Evidence): boolean {
  return snapshot || each || oneState === true;
}

/** What a difference that stays was read in. */
function evidenceText(rounds: number, around: Evidence): string {
  if (around.snapshot) return 'both legs were read in one snapshot';
  return inOneState(around)
    ? 'both legs were read in one state of the data'
    : `read in turn ${String(rounds)} times, each leg said the same again`;
}

/** The legacy leg differs from itself: its result isn't determined, or somebody elsewhere wrote between the reruns. */
function unsteady(rounds: number, { oneState, undetermined }: Evidence): Finding {
  if (oneState !== false || undetermined !== undefined) {
    return { verdict: 'nondeterministic', reason: 'the legacy leg differs from itself' };
  }
  if (rounds < mostRounds) return { verdict: 'again' };
  return { verdict: 'raced', reason: 'somebody wrote while the legs were read again' };
}

function failsDifferently({ legacy, pooled }: Round): boolean {
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

/** Whether rows of the second answer are missing in the first: it has other ones, and no more of them. */
function lacksRows(a: Outcome, b: Outcome): boolean {
  return (
    a.kind === 'result' &&
    b.kind === 'result' &&
    a.digest.columns === b.digest.columns &&
    a.digest.count <= b.digest.count &&
    a.digest.orderFree !== b.digest.orderFree
  );
}

/** Both legs are stable and agree, so the difference has gone: a write came between, or a leg was wrong once. */
function agreeNow(
  first: Round,
  last: Round,
  rounds: number,
  { quiet, kept = false, timed, undetermined }: Evidence,
  same: (a: Outcome, b: Outcome) => boolean,
): Finding {
  const raced: Finding = { verdict: 'raced', reason: 'the legs agree again' };
  const pooledWasOdd =
    same(first.legacy, last.legacy) && (first.differs === true || !same(first.pooled, last.pooled));
  const lackedRows = kept && lacksRows(first.pooled, last.pooled);
  if ((quiet === false && !lackedRows) || timed === true || !pooledWasOdd) return raced;
  if (undetermined !== undefined && sameExtent(first.legacy, first.pooled))
    return nondeterministic(undetermined);
  if (rounds < mostRounds) return { verdict: 'again' };
  if (quiet === true)
    return {
      verdict: 'mismatch',
      reason: 'the pooled leg was wrong once, with no write in between to what it read',
    };
  return lackedRows
    ? {
        verdict: 'mismatch',
        reason: 'the pooled leg once lacked rows that nobody has written since',
      }
    : {
        verdict: 'inconclusive',
        reason: "the pooled leg differed once; a write by somebody else can't be excluded",
      };
}
