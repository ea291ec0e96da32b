import type { Findings } from '../findings.ts';
import type { Call } from '../query/query.ts';
import type { Cause } from '../statement.ts';
import type { FunctionFact } from './facts.ts';
import * as reviewed from './reviewed.ts';

/** What a call does and what its answer depends on, as far as the function itself tells. */
export type CallFacts = Pick<Call, 'causes' | 'aggregate' | 'sensitive' | 'float' | 'returnsSet'>;

/** One of a name's functions that must be looked into, or can't be. */
export type Inside =
  | { readonly type: 'sql' | 'plpgsql'; readonly definition: string }
  | { readonly type: 'parts'; readonly parts: FunctionFact['parts'] }
  | { readonly type: 'opaque'; readonly fact: FunctionFact };

/** Writes down what PostgreSQL's own function of this name does besides answering. */
export function noteBuiltin(name: string, volatile: boolean, findings: Findings): void {
  const harmless =
    reviewed.clock.has(name) ||
    reviewed.randomSource.has(name) ||
    reviewed.determined.has(name) ||
    reviewed.connectionFacts.has(name) ||
    reviewed.serverState.has(name);
  if (reviewed.actsThoughStable.has(name) || (volatile && !harmless))
    findings.act('calls a function that acts', name, reviewed.undoneByRollback.has(name));
  // Most of them run SQL that they are given in a string.
  if (reviewed.actsThoughStable.has(name)) findings.runsOpaqueCode();
  for (const cause of causesOf(name, 1)) findings.answersAnew(cause);
  if (reviewed.readsSession.has(name)) findings.uses('reads');
  if (reviewed.setsSession.has(name)) findings.uses('sets');
  if (reviewed.sessionLocks.has(name)) findings.uses('locks');
  if (reviewed.readsLastWrite.has(name)) findings.readsLastWrite();
  if (reviewed.connectionFacts.has(name)) findings.connectionFact(name);
}

/** Why a built-in function's answer may differ from run to run. */
function causesOf(name: string, argumentCount: number): readonly Cause[] {
  if (reviewed.clock.has(name) || (name === 'age' && argumentCount === 1)) return ['time'];
  if (reviewed.randomSource.has(name)) return ['random'];
  if (reviewed.connectionFacts.has(name)) return ['connection fact'];
  if (reviewed.serverState.has(name) || name.startsWith('pg_stat_get_')) return ['server state'];
  return [];
}

/** What is known of a call of one of these functions. */
export function callFacts(
  name: string,
  candidates: readonly FunctionFact[],
  argumentCount: number,
): CallFacts {
  const builtin = candidates.some((each) => each.builtin);
  return {
    causes: builtin ? causesOf(name, argumentCount) : [],
    aggregate: candidates.some(({ kind }) => kind === 'a'),
    sensitive: sensitivity(name, candidates),
    float: floatOf(name, candidates),
    returnsSet: candidates.some(({ returnsSet }) => returnsSet),
  };
}

function sensitivity(name: string, candidates: readonly FunctionFact[]): Call['sensitive'] {
  // What a user's own aggregate makes of its rows' order can't be told.
  if (candidates.some(({ kind, builtin }) => !builtin && (kind === 'a' || kind === 'w')))
    return 'order';
  if (reviewed.roundingAggregates.has(name)) return 'rounding';
  if (reviewed.alwaysRounding.has(name)) return 'always rounding';
  if (reviewed.orderAggregates.has(name)) return 'order';
  return reviewed.positionWindows.has(name) ? 'position' : undefined;
}

const exact = new Set(['int2', 'int4', 'int8']);

function floatOf(name: string, candidates: readonly FunctionFact[]): Call['float'] {
  if (reviewed.roundingAggregates.has(name)) return 'as arguments';
  const results = candidates.map(({ result }) => result);
  const float = results.some((result) => result === 'float4' || result === 'float8');
  if (float && !results.some((result) => exact.has(result))) return 'always';
  return float || results.some((result) => result.startsWith('any')) ? 'as arguments' : 'never';
}

/** Whether a user says that a function changes nothing: `schema.name` or `schema.*`. */
export function isPure(fact: FunctionFact, pure: ReadonlySet<string>): boolean {
  return pure.has(`${fact.schema}.${fact.name}`) || pure.has(`${fact.schema}.*`);
}

/** What must be looked into, or can't be, of a user's function. */
export function insideOf(fact: FunctionFact): Inside {
  const { definition, language } = fact;
  if (definition !== null) return { type: language === 'plpgsql' ? 'plpgsql' : 'sql', definition };
  return fact.kind === 'a' ? { type: 'parts', parts: fact.parts } : { type: 'opaque', fact };
}
