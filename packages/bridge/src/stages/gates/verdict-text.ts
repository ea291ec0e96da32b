import { type Stage, stages } from '@changeover/core';
import { counted, visibleText } from '../../plain-text.ts';
import { decideBy, type Decision, type GateOutcome } from './gate-outcome.ts';

/** What a list of outcomes comes to.
 *
 * @param step what follows where all of them hold. */
export function summary(
  gates: readonly GateOutcome[],
  step: string,
): { readonly decision: Decision; readonly reason: string } {
  const decision = decideBy(gates);
  if (decision === 'PROMOTE')
    return {
      decision,
      reason: `All ${counted(gates.length, 'gate holds', 'gates hold')}: ${step}.`,
    };
  const [first, ...others] = gates.filter((gate) => gate.decision === decision);
  if (first === undefined)
    return { decision, reason: 'No gate was asked: there is nothing to decide by.' };
  const more =
    others.length === 0
      ? ''
      : `, and ${counted(others.length, 'other gate', 'other gates')} ${
          decision === 'INCONCLUSIVE'
            ? "can't be told either"
            : others.length === 1
              ? "doesn't hold either"
              : "don't hold either"
        }`;
  const what = `${placeOf(first)}${first.reason ?? first.title}${more}`;
  const then = {
    'ROLL BACK': 'back to legacy',
    HOLD: 'stay at this stage',
    INCONCLUSIVE: 'too little to decide by',
  }[decision];
  return { decision, reason: `${what.charAt(0).toUpperCase()}${what.slice(1)}: ${then}.` };
}

function placeOf({ backend, key, stage }: GateOutcome): string {
  const where = key === undefined ? visibleText(backend) : keyText({ backend, key });
  return stage === undefined ? `on ${where}, ` : `on ${where} at ${stage}, `;
}

/** A key as people read it. */
export function keyText({
  backend,
  key,
}: {
  readonly backend: string;
  readonly key: string;
}): string {
  return key === ''
    ? `${visibleText(backend)} (what concerns no key)`
    : `${visibleText(backend)} ${visibleText(key)}`;
}

/** What follows where all gates of a key at `from` hold. */
export function stepText(from: Stage): string {
  const next = stages[stages.indexOf(from) + 1];
  return next === undefined ? 'the legacy leg may go' : `it may step forward to ${next}`;
}

/** The same of several keys. */
export function overallStep(keys: readonly { readonly stage: Stage }[]): string {
  const from = [...new Set(keys.map(({ stage }) => stage))];
  const [only] = from;
  if (from.length !== 1 || only === undefined)
    return "every backend's keys may step forward by one stage";
  const next = stages[stages.indexOf(only) + 1];
  return next === undefined ? 'the legacy leg may go' : `the keys may step forward to ${next}`;
}
