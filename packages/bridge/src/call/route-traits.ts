import type { OperationDefinition } from '@changeover/core';
import type { CallTraits } from '../guarantees/index.ts';
import type { GuaranteeLevels } from '../stages/flags/stage-source.ts';

/** What the gate of a call's key must know of it, by the way that it takes. */
export interface RouteTraits {
  readonly legacy: CallTraits;
  readonly pooled: CallTraits;
  /** On the legacy leg, with what is compared of it before or after. */
  readonly compared: CallTraits;
}

/**
 * How many of one caller's writes a pooled leg that keeps their order is handed before it has answered any: more gain no throughput,
 * and each of them is one that a move back has to wait for.
 */
const mostHanded = 16;

/** Made once for all calls that are alike. */
const known = new Map<string, RouteTraits>();

/**
 * The traits of an operation's calls.
 *
 * The legacy leg is the singleton itself, so order and exclusion are what it makes of the calls as they come: nothing waits at
 * the gate for what was handed to it. The pooled leg runs what it is given at once, so the gate keeps both, but for the order of
 * plain writes where the leg sees to that.
 *
 * @param keepsOrder what the pooled leg says of the operation: see `Leg.keepsOrder`.
 */
export function traitsOf(
  definition: OperationDefinition,
  levels: GuaranteeLevels,
  keepsOrder: boolean,
): RouteTraits {
  const isWrite = definition.kind === 'write';
  const kind = isWrite ? (definition.exclusive === true ? 'transaction' : 'write') : 'read';
  // A rehearsal on one leg must not meet a write on the other.
  const alone = isWrite && definition.comparison !== 'none';
  const { exclusion } = levels;
  const order = 'unordered' in definition && definition.unordered === true ? 'none' : levels.order;
  const name = `${kind} ${String(alone)} ${order} ${exclusion} ${String(keepsOrder)}`;
  const made = known.get(name);
  if (made !== undefined) return made;
  const legacy: CallTraits = Object.freeze({
    kind,
    leg: 'legacy',
    order,
    exclusion: 'none',
    alone: false,
    legKeepsOrder: true,
  });
  const pooled: CallTraits = Object.freeze({
    ...legacy,
    leg: 'pooled',
    exclusion,
    legKeepsOrder: keepsOrder && kind === 'write' && order !== 'none',
    mostHanded,
  });
  const compared: CallTraits = alone
    ? Object.freeze({ ...legacy, alone, legKeepsOrder: false })
    : legacy;
  const traits = Object.freeze({ legacy, pooled, compared });
  known.set(name, traits);
  return traits;
}
