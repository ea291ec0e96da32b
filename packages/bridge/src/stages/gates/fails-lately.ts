import type { FigureName, GateDefinition } from './default-gates.ts';
import type { Figure } from './figures.ts';
import { askGate, type GateOutcome, type GatePlace } from './gate-outcome.ts';

/** A gate that what was counted lately misses beyond doubt: whatever side of the figure is asked of the whole, neither bound holds. */
export function failsLately(
  definition: GateDefinition,
  place: GatePlace,
  figureOfRecent: (name: FigureName) => Figure,
): GateOutcome | undefined {
  let found: Figure;
  const outcome = askGate(definition, place, (name) => {
    found = figureOfRecent(name);
    if (found !== undefined && (!('kind' in found) || found.kind !== 'estimate')) found = undefined;
    return found;
  });
  if (outcome?.outcome !== 'fail' || found === undefined || !('lower' in found)) return undefined;
  const { n, lower, upper } = found;
  const isDoubtful = [lower, upper].some((value) => {
    const bound = { kind: 'estimate', value, lower: value, upper: value, n } as const;
    return askGate(definition, place, () => bound)?.outcome !== 'fail';
  });
  return isDoubtful ? undefined : outcome;
}
