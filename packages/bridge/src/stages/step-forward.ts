import { type Stage, stages } from '@changeover/core';
import { visibleText } from '../plain-text.ts';
import type { Decision } from './gates/gate-outcome.ts';
import { type KeyVerdict, toShadow } from './gates/verdict.ts';

/** A key that somebody, or its flag, wants further. */
export interface StepRequest {
  readonly from: Stage;
  readonly to: Stage;
  /** True goes past skipped stages and past gates, which whoever writes the ledger says there. Default: false. */
  readonly force?: boolean | undefined;
}

/** Whether it goes there. */
export type StepAnswer =
  | {
      readonly kind: 'step';
      /** What the gates say, as one sentence. */
      readonly gates: string;
      /** True where it goes there in spite of them, or past a stage. */
      readonly forced: boolean;
    }
  | {
      readonly kind: 'refused';
      readonly decision: Exclude<Decision, 'PROMOTE'>;
      /** One sentence. */
      readonly reason: string;
      /** Commands that help where waiting doesn't. */
      readonly next: readonly string[];
    };

/**
 * The one way forward, which everything takes that moves a key: one stage at a time and past its gates, unless it is forced.
 * A step that isn't forward is free.
 *
 * @param verdictAt what the gates say of the key at a stage. Asked at most once, and not where there is no gate.
 */
export function stepForward(
  { from, to, force = false }: StepRequest,
  verdictAt: (from: Stage) => KeyVerdict,
): StepAnswer {
  const skipped = stages.slice(stages.indexOf(from) + 1, Math.max(0, stages.indexOf(to)));
  if (stages.indexOf(to) <= stages.indexOf(from))
    return { kind: 'step', gates: 'Back is free.', forced: false };
  if (skipped.length > 0 && !force) {
    return {
      kind: 'refused',
      decision: 'HOLD',
      reason: `${from} → ${to} skips ${skipped.join(' and ')}: one stage at a time.`,
      next: [],
    };
  }
  if (skipped.length > 0)
    return { kind: 'step', gates: `Forced past ${skipped.join(' and ')}.`, forced: true };
  if (from === 'legacy') return { kind: 'step', gates: `No gate: ${toShadow}.`, forced: false };
  const { decision, reason, next } = verdictAt(from);
  if (decision === 'PROMOTE')
    return { kind: 'step', gates: `The gates hold: ${reason}`, forced: false };
  if (force) {
    return {
      kind: 'step',
      gates: `Forced past the gates, which say ${decision}: ${visibleText(reason)}`,
      forced: true,
    };
  }
  return { kind: 'refused', decision, reason, next };
}
