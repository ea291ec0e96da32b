import { earlierStage, type Stage } from '@changeover/core';
import type { StageDecision } from './flags/stage-source.ts';

/** How far one of those who may say so lets a key go, and why. */
export interface StageLimit {
  /** `flag`: its variant, or a limit in the variant's payload. `hold`: a guardrail or a person, until a person resumes
   * it. `ledger`: the steps forward that were written there. */
  readonly by: 'flag' | 'hold' | 'ledger';
  readonly stage: Stage;
  /** For people: a clause that follows "because". */
  readonly reason: string;
}

/**
 * The one rule of stages: the earliest stage that anybody names wins, and of two that name the same the one that comes
 * first.
 *
 * @param wish what is asked for. The limits only ever hold it back.
 * @returns the one that decides; the reason of a limit says what it holds back.
 */
export function resolveStage<Limit extends StageLimit>(
  wish: Limit,
  limits: readonly Limit[],
): Limit {
  const decides = [wish, ...limits].reduce((first, next) =>
    earlierStage(first.stage, next.stage) === first.stage ? first : next,
  );
  return decides === wish
    ? wish
    : { ...decides, reason: `${decides.reason}; the flag asks for ${wish.stage}: ${wish.reason}` };
}

/** A flag's decision under limits: the same object where none of them holds it back. */
export function limitDecision(
  decision: StageDecision,
  limits: readonly StageLimit[],
): StageDecision {
  const { stage, reason } = resolveStage(wishOf(decision), limits);
  return stage === decision.stage ? decision : Object.freeze({ ...decision, stage, reason });
}

/** What a flag asks for. */
export function wishOf({ stage, reason }: StageDecision): StageLimit {
  return { by: 'flag', stage, reason };
}

/** A hold of a key, or of the whole backend where that is named. */
export function holdLimit(
  stage: Stage,
  { who, reason }: { readonly who: string; readonly reason: string },
  wholeBackend?: string,
): StageLimit {
  const what = wholeBackend === undefined ? 'it' : `all of ${wholeBackend}`;
  return { by: 'hold', stage, reason: `${what} is held at ${stage} by ${who}: ${reason}` };
}

/** The steps that a key has made in a ledger that decides over them.
 *
 * @param waits why it is not further; the empty string where the next review will tell. */
export function ledgerLimit(stage: Stage, waits: string): StageLimit {
  const why = waits === '' ? 'the next review decides whether it steps forward' : waits;
  return { by: 'ledger', stage, reason: `the ledger has it at ${stage} (${why})` };
}
