import type { RelianceEvidence } from '../../recorder/reliance-book.ts';
import { typedKey } from '../../plain-text.ts';
import { type RelianceText, relianceTexts, sitesText } from '../../reliance-text.ts';
import type { GuaranteeLevels } from '../flags/stage-source.ts';
import type { GateOutcome } from './gate-outcome.ts';
import type { KeyPosition } from './judged-data.ts';

const shownSites = 5;

/** What a key's callers rely on, and what of that the pooled leg doesn't keep and nobody accepted. */
export interface KeyReliance {
  readonly relied: readonly RelianceText[];
  readonly unkept: readonly RelianceText[];
}

/** Calls after their transaction's end are on the legacy leg what they are on the pooled one: no guarantee is lost. */
export function keyReliance(
  evidence: readonly RelianceEvidence[],
  { guarantees, accepted = [] }: KeyPosition,
): KeyReliance {
  const relied = relianceTexts(evidence).filter(({ guarantee }) => guarantee !== 'lateWork');
  const unkept = relied.filter(
    (one) =>
      (!one.kept || isLetGo(one, guarantees)) && !accepted.includes(acceptanceOf(one.guarantee)),
  );
  return { relied, unkept };
}

/** Under which name a person accepts that a guarantee is not kept. */
function acceptanceOf(guarantee: RelianceText['guarantee']): string {
  return `guarantee:${guarantee}`;
}

/** All of these names. */
export const acceptableGuarantees: readonly string[] = (
  ['order', 'exclusion', 'session'] as const
).map(acceptanceOf);

function isLetGo({ guarantee }: RelianceText, levels: GuaranteeLevels | undefined): boolean {
  if (levels === undefined || guarantee === 'lateWork') return false;
  return guarantee === 'session' ? levels.session !== 'pin' : levels[guarantee] === 'none';
}

/** Says by name what isn't kept and which calls rely on it. */
export function explainedReliance(
  outcome: GateOutcome,
  { unkept }: KeyReliance,
  { backend, key }: { readonly backend: string; readonly key: string },
): GateOutcome {
  if (outcome.figure !== 'unkept' || outcome.outcome === 'pass') return outcome;
  const reason = unkept
    .map(
      ({ guarantee, what, sites, instead }) =>
        `it ${what}, and the pooled leg does not keep that (${guarantee}); ` +
        `${sitesText(sites, shownSites)}; write instead: ${instead}`,
    )
    .join('; ');
  const names = unkept.map(({ guarantee }) => `--accept ${acceptanceOf(guarantee)}`).join(' ');
  const next = `changeover promote ${typedKey({ backend, key })} ${names} --reason "..."`;
  return { ...outcome, reason, next };
}
