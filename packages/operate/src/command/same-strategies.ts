import { isDeepStrictEqual } from 'node:util';
import { killSwitchFlag } from '@changeover/bridge';
import {
  type Dependency,
  isHold,
  type WantedConstraint,
  type WantedStrategy,
} from '@changeover/bridge';

/** What the server makes of a flag that is turned on without a strategy. */
const everyone: WantedStrategy = {
  name: 'flexibleRollout',
  parameters: { rollout: '100', stickiness: 'default', groupId: killSwitchFlag },
  constraints: [],
  variants: [],
};

/** What of a flags file's strategies goes to the server: holds are the ledger's, and what is disabled decides nothing. */
export function strategiesToWrite(
  flag: string,
  strategies: readonly WantedStrategy[],
): readonly WantedStrategy[] {
  const deciding = strategies.filter((one) => !isHold(one) && one.disabled !== true);
  return flag === killSwitchFlag && deciding.length === 0 ? [everyone] : deciding;
}

/** Whether two lists of strategies decide the same: the server adds fields, gives numbers back as text, and tells programs no titles. */
export function sameStrategies(
  flag: string,
  wanted: readonly WantedStrategy[],
  present: readonly WantedStrategy[],
): boolean {
  const comparable = (list: readonly WantedStrategy[]): object[] =>
    strategiesToWrite(flag, list).map((one) => asDecided(flag, one));
  return isDeepStrictEqual(comparable(wanted), comparable(present));
}

export function sameConstraints(
  wanted: readonly WantedConstraint[],
  present: readonly WantedConstraint[],
): boolean {
  return isDeepStrictEqual(constraintsAsDecided(wanted), constraintsAsDecided(present));
}

export function sameDependency(wanted: Dependency, present: Dependency): boolean {
  const asked = ({ feature, enabled = true, variants = [] }: Dependency): unknown[] => [
    feature,
    enabled,
    ...(enabled ? variants.toSorted() : []),
  ];
  return isDeepStrictEqual(asked(wanted), asked(present));
}

function asDecided(flag: string, strategy: WantedStrategy): object {
  const { name, parameters = {}, constraints = [], segments = [], variants = [] } = strategy;
  // A switch for all has nothing to be sticky by.
  const isBare = constraints.length + segments.length + variants.length === 0;
  if (flag === killSwitchFlag && isBare && isForAll(strategy)) return { forAll: true };
  return {
    name,
    constraints: constraintsAsDecided(constraints),
    segments: segments.toSorted((a, b) => a - b),
    parameters: Object.fromEntries(
      Object.entries(parameters).map(([key, value]) => [key, String(value)]),
    ),
    variants: variants.map(({ name: variant, weight, stickiness, payload }) => ({
      variant,
      weight,
      stickiness: stickiness ?? '',
      payload: payload ?? null,
    })),
  };
}

function isForAll({ name, parameters = {} }: WantedStrategy): boolean {
  return (
    name === 'default' || (name === 'flexibleRollout' && String(parameters['rollout']) === '100')
  );
}

/** All constraints must hold, and any of a constraint's values: neither has an order. */
function constraintsAsDecided(constraints: readonly WantedConstraint[]): string[] {
  return constraints
    .map((constraint) =>
      JSON.stringify([
        constraint['contextName'],
        constraint['operator'],
        constraint['inverted'] === true,
        constraint['caseInsensitive'] === true,
        constraint['value'] ?? '',
        Array.isArray(constraint['values']) ? constraint['values'].map(String).sort() : [],
      ]),
    )
    .sort();
}
