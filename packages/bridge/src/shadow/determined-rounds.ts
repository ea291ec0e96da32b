import type { HeldSnapshot, OpenParts, ShadowCall } from '@changeover/core';
import { rowCount } from './answer.ts';
import { type Round, sameOutcome } from './confirmation.ts';
import { differInDigits, differInOrder, digestDetermined, isAmong } from './open-parts.ts';
import type { Outcome, ShadowCaller } from './shadow-caller.ts';

/** Rows among which those that a limit took are looked for. */
const mostCandidates = 5_000;

/** One run of both legs, with their results where the digests differ. */
export interface FullRound extends Round {
  readonly results: Results;
}

interface Results {
  readonly legacy: unknown;
  readonly pooled: unknown;
}

/** Both legs' results of one run, and what is known of them already. */
interface Ran {
  readonly results: Results;
  /** Nothing differs. */
  readonly same: boolean;
  /** A rule lets the difference pass. */
  readonly byRule: boolean;
  readonly call: ShadowCall;
  readonly snapshot: HeldSnapshot | undefined;
}

/** The rounds of one call of whose answer the data does not determine all: what it does determine must agree. */
export class DeterminedRounds {
  readonly #caller: ShadowCaller;
  readonly #open: OpenParts;
  readonly #ordered: boolean;
  readonly #maxRows: number;
  /** There are too many rows to look for those that a limit took: they are not asked for again. */
  #tooMany = false;
  /** Of the first round in which numbers differed by more than their last digits. */
  #numbers: Results | undefined;

  constructor(caller: ShadowCaller, open: OpenParts, ordered: boolean, maxRows: number) {
    this.#caller = caller;
    this.#open = open;
    this.#ordered = ordered;
    this.#maxRows = Math.min(maxRows, mostCandidates);
  }

  /** A round of what the call determines, and what it is worth that the legs agree in it. Rejects only when the signal is aborted or the
   * snapshot is lost. */
  async round(ran: Ran): Promise<FullRound> {
    const { results, same, byRule } = ran;
    const open = this.#open;
    const outcome = (result: unknown): Outcome => ({
      kind: 'result',
      digest: digestDetermined(result, open),
    });
    const round = {
      legacy: outcome(results.legacy),
      pooled: outcome(results.pooled),
      results,
    };
    if (same) return round;
    if (byRule) return { ...round, excuse: 'rule' };
    if (!sameOutcome(round.legacy, round.pooled, this.#ordered)) return round;
    if (differInDigits(results.legacy, results.pooled, this.#ordered, open))
      return { ...round, differs: true, digits: this.#digits(results) };
    if (differInOrder(results, open)) return { ...round, differs: true };
    const reason = `but for ${open.leftOut.join('; ')}`;
    if (open.rows === 'any') return { ...round, excuse: { verdict: 'nondeterministic', reason } };
    if (open.rows !== 'some') return { ...round, excuse: { verdict: 'match', reason } };
    const among = await this.#isAmongAllRows(ran);
    if (among === undefined) {
      const unchecked = `${reason}; the rows that it could be could not be asked for`;
      return { ...round, excuse: { verdict: 'inconclusive', reason: unchecked } };
    }
    return among ? { ...round, excuse: { verdict: 'match', reason } } : { ...round, differs: true };
  }

  /** Whether a leg's own numbers differ from run to run as much: what is left of numbers that cancel out has no digits that hold. */
  #digits(now: Results): 'steady' | 'wavering' {
    this.#numbers ??= now;
    const { legacy, pooled } = this.#numbers;
    const wavers =
      differInDigits(legacy, now.legacy, this.#ordered, this.#open) ||
      differInDigits(pooled, now.pooled, this.#ordered, this.#open);
    return wavers ? 'wavering' : 'steady';
  }

  /** Whether the pooled leg's rows are of those that the legacy leg has without the limit; undefined where that can't be told. */
  async #isAmongAllRows({ results, call, snapshot }: Ran): Promise<boolean | undefined> {
    const args = this.#tooMany ? undefined : this.#open.allRows?.(this.#maxRows + 1);
    if (args === undefined) return undefined;
    const all = await this.#caller.read('legacy', { ...call, args }, 'rows', snapshot);
    this.#tooMany = rowCount(all.result) > this.#maxRows;
    if (all.outcome.kind === 'error' || this.#tooMany) return undefined;
    return isAmong(results.pooled, all.result, this.#open);
  }
}
