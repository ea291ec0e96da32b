import type { Clock, HeldSnapshot, OpenParts, ShadowCall } from '@changeover/core';
import { inTurns } from '../steps.ts';
import type { ComparedRead, Results } from './compared-read.ts';
import { type Excuse, type Round } from './confirmation.ts';
import { type Outcome, sameOutcome, type ShadowCaller } from './shadow-caller.ts';
import { rowCount } from './copy-answer.ts';
import {
  determinedPart,
  differInDigits,
  differInOrder,
  digestDetermined,
  isAmong,
  isOutOfPlace,
  mayBePlaced,
} from './open-parts.ts';
import { roundingExcuse } from './rounding.ts';

/** Rows among which those that a limit took are looked for: the legacy leg gives them all. */
const mostCandidates = 20_000;

/** One run of both legs with their results. */
export interface FullRound extends Round {
  readonly results: Results;
}

/** What a round is judged by that does not agree as it is. */
interface OpenRound {
  readonly results: Results;
  readonly open: OpenParts;
  readonly call: ShadowCall;
  readonly snapshot: HeldSnapshot | undefined;
}

/** Runs a compared read on both legs, and tells what of their difference counts. */
export class ReadRounds {
  readonly #caller: ShadowCaller;
  readonly #clock: Clock;
  readonly #read: ComparedRead;
  /** There are too many rows to look for those that a limit took: they are not asked for again. */
  #tooMany = false;
  /** Of the first round in which numbers differed by more than their last digits. */
  #numbers: Results | undefined;

  constructor(caller: ShadowCaller, clock: Clock, read: ComparedRead) {
    this.#caller = caller;
    this.#clock = clock;
    this.#read = read;
  }

  /**
   * Rejects only when the signal is aborted or the snapshot is lost.
   *
   * @param given what the pooled leg answered in this snapshot. Default: it is asked.
   */
  async run(
    signal: AbortSignal,
    snapshot?: HeldSnapshot,
    given?: { readonly rows: unknown },
  ): Promise<FullRound> {
    const { open, resultKind, comesInOrder } = this.#read;
    const call = this.#read.call(signal);
    const legacy = await this.#caller.read('legacy', call, resultKind, snapshot);
    const pooled =
      given === undefined
        ? await this.#caller.read('pooled', call, resultKind, snapshot)
        : { outcome: this.#caller.outcomeOf(given.rows, resultKind), result: given.rows };
    const results = { legacy: legacy.result, pooled: pooled.result };
    const outcomes = { legacy: legacy.outcome, pooled: pooled.outcome };
    const same = sameOutcome(outcomes.legacy, outcomes.pooled, comesInOrder);
    if (open === undefined || hasError(outcomes))
      return { ...outcomes, results, excuse: same ? undefined : this.#excuse(outcomes, results) };
    const determined = { ...determinedOutcomes(results, open), results };
    return same
      ? determined
      : { ...determined, ...(await this.#judge(determined, { results, open, call, snapshot })) };
  }

  /** The results as far as they are determined, so that a difference is shown where it counts. */
  shown({ results, differs }: FullRound): Results {
    const { open } = this.#read;
    if (open === undefined || differs === true) return results;
    return {
      legacy: determinedPart(results.legacy, open),
      pooled: determinedPart(results.pooled, open),
    };
  }

  /** What it is worth that the legs agree in what the call determines. */
  async #judge(round: Round, at: OpenRound): Promise<Pick<Round, 'excuse' | 'differs' | 'digits'>> {
    const { results, open } = at;
    const { ordered } = this.#read;
    if (this.#read.passesByRule(results)) return { excuse: 'rule' };
    if (!sameOutcome(round.legacy, round.pooled, ordered)) return {};
    if (differInDigits(results.legacy, results.pooled, ordered, open))
      return { differs: true, digits: this.#digits(results, open) };
    if (differInOrder(results, open) || (await this.#isOutOfPlace(at))) return { differs: true };
    const reason = `but for ${open.leftOut.join('; ')}`;
    if (open.rows !== 'some' && open.rows !== 'any')
      return { excuse: { verdict: 'match', reason } };
    const among = await this.#isAmongAllRows(at);
    // That all rows are among them is no evidence where there may be any number, none at all.
    if (open.rows === 'any' && among !== false)
      return { excuse: { verdict: 'nondeterministic', reason } };
    if (among === undefined) {
      const unchecked = `${reason}; the rows that it could be could not be asked for`;
      return { excuse: { verdict: 'inconclusive', reason: unchecked } };
    }
    return among ? { excuse: { verdict: 'match', reason } } : { differs: true };
  }

  /** Whether a leg's own numbers differ from run to run as much: what is left of numbers that cancel out has no digits that hold. */
  #digits(now: Results, open: OpenParts): 'steady' | 'wavering' {
    this.#numbers ??= now;
    const { legacy, pooled } = this.#numbers;
    const { ordered } = this.#read;
    const wavers =
      differInDigits(legacy, now.legacy, ordered, open) ||
      differInDigits(pooled, now.pooled, ordered, open);
    return wavers ? 'wavering' : 'steady';
  }

  /** Whether the pooled leg's rows are of those that the legacy leg has without the limit; undefined where that can't be told. */
  async #isAmongAllRows(at: OpenRound): Promise<boolean | undefined> {
    const { results, open, call, snapshot } = at;
    const maxRows = Math.min(this.#read.resolved.decision.settings.maxRows, mostCandidates);
    const args = this.#tooMany ? undefined : open.allRows?.(maxRows + 1);
    if (args === undefined) return undefined;
    const all = await this.#caller.read('legacy', { ...call, args }, 'rows', snapshot);
    this.#tooMany = rowCount(all.result) > maxRows;
    if (all.outcome.kind === 'error' || this.#tooMany) return undefined;
    return await inTurns(this.#clock, isAmong(results.pooled, all.result, open));
  }

  /** Whether rows of the pooled leg come where the order has others; false as well where that can't be told. */
  async #isOutOfPlace({ results, open, call, snapshot }: OpenRound): Promise<boolean> {
    if (!mayBePlaced(open) || open.placed === undefined) return false;
    const args = open.placed;
    const placed = await this.#caller.read('legacy', { ...call, args }, 'rows', snapshot);
    if (placed.outcome.kind === 'error') return false;
    const places = isOutOfPlace(results, placed.result, open);
    return (await inTurns(this.#clock, places)) === true;
  }

  #excuse(round: Round, results: Results): Excuse | undefined {
    if (hasError(round)) return undefined;
    if (this.#read.passesByRule(results)) return 'rule';
    const { undetermined, ordered } = this.#read;
    if (undetermined?.kind !== 'rounding') return undefined;
    return roundingExcuse(undetermined, results, ordered);
  }
}

/** A leg failed. */
export function hasError({ legacy, pooled }: Pick<Round, 'legacy' | 'pooled'>): boolean {
  return legacy.kind === 'error' || pooled.kind === 'error';
}

function determinedOutcomes({ legacy, pooled }: Results, open: OpenParts): Round {
  const outcome = (result: unknown): Outcome => ({
    kind: 'result',
    digest: digestDetermined(result, open),
  });
  return { legacy: outcome(legacy), pooled: outcome(pooled) };
}
