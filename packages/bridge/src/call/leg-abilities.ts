import type { Leg } from '@changeover/core';

/** What a leg can do beside answering callers. */
export type LegAbilities = Pick<
  Leg<object>,
  'shadow' | 'closedWhile' | 'endable' | 'answerInSnapshot' | 'holds' | 'keepsOrder' | 'state'
>;

const abilities = new WeakMap<object, LegAbilities>();

/**
 * Gives an object that is to be a leg what its own methods don't offer: shadow reads with a budget of their own, digests made
 * where the rows are, rehearsals; calls that it holds, or can end. Without it a shadow call is an ordinary call, and a stuck call is passed
 * by others while it goes on.
 *
 * @returns the object itself.
 */
export function withAbilities<T extends object>(object: T, own: LegAbilities): T {
  abilities.set(object, own);
  return object;
}

/** What was given to an object by {@link withAbilities}; nothing where the object is not there yet. */
export function abilitiesOf(object: object | undefined): LegAbilities {
  return (object && abilities.get(object)) ?? {};
}
