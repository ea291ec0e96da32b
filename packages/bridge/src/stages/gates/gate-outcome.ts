import {
  evaluateGate,
  type Gate,
  type GateOperator,
  type GateResult,
  parseGate,
} from '@changeover/compare';
import type { Stage } from '@changeover/core';
import { counted, countText } from '../../plain-text.ts';
import {
  type Consequence,
  figureNames,
  type FigureName,
  type GateDefinition,
} from './default-gates.ts';
import { type Figure, type FigureUnit, figureUnits } from './figures.ts';

export const decisions = ['PROMOTE', 'HOLD', 'ROLL BACK', 'INCONCLUSIVE'] as const;

/**
 * What a report says to do.
 *
 * - `PROMOTE`: every gate holds; one stage forward.
 * - `HOLD`: a gate doesn't hold, and nobody was answered wrongly as far as is known.
 * - `ROLL BACK`: callers were, or may have been, answered wrongly by the pooled leg, or data is not what it should be.
 * - `INCONCLUSIVE`: no gate fails, but for some there is too little to tell. Never a pass.
 */
export type Decision = (typeof decisions)[number];

/** Where a gate is asked. */
export interface GatePlace {
  readonly backend: string;
  /** Left out for a gate of the cohort. */
  readonly key?: string | undefined;
  /** Left out for a gate of all operations, or of all shapes of one. */
  readonly operation?: string | undefined;
  readonly shape?: string | undefined;
  /** Left out for a gate of all stages. */
  readonly stage?: Stage | undefined;
}

/** What became of one gate at one place. */
export interface GateOutcome extends GatePlace {
  readonly title: string;
  readonly expression: string;
  readonly figure: FigureName;
  readonly unit: FigureUnit;
  readonly outcome: GateResult['outcome'];
  /** The side of the figure that the gate asks for; undefined where there is none. */
  readonly value: number | undefined;
  readonly side: Gate['side'];
  /** The figure itself and its bounds, where it is an estimate. */
  readonly estimate?: number | undefined;
  readonly lower?: number | undefined;
  readonly upper?: number | undefined;
  readonly operator: GateOperator;
  readonly threshold: number;
  /** Observations that the figure rests on. */
  readonly n: number;
  /** Why it is inconclusive, or what failed; undefined where it holds. */
  readonly reason?: string | undefined;
  /** What it says to do. */
  readonly decision: Decision;
  /** What makes it hold, as commands to type; undefined where waiting does. */
  readonly next?: string | undefined;
}

/** The first that any gate asks for decides. */
const precedence: readonly Decision[] = ['ROLL BACK', 'HOLD', 'INCONCLUSIVE'];
/** Stages at which the pooled leg answers callers. */
const pooledAnswers: readonly Stage[] = ['reverse', 'pooled'];

/**
 * Asks one gate of one figure.
 *
 * @param answeredAt the stage that `by-stage` goes by.
 * @returns undefined where the question doesn't arise.
 * @throws {SyntaxError} for an expression that is no gate.
 * @throws {RangeError} for an unknown figure.
 */
export function askGate(
  definition: GateDefinition,
  place: GatePlace,
  figure: (name: FigureName) => Figure,
  answeredAt: Stage | undefined = place.stage,
): GateOutcome | undefined {
  const gate = parsed(definition);
  const name = gate.figure as FigureName;
  const found = figure(name);
  if (found === undefined) return undefined;
  const isCount = 'count' in found;
  const asked = evaluateGate(gate, () => (isCount ? found.count : found));
  const missedOnly = asked.outcome === 'fail' && definition.ifMissed === 'inconclusive';
  const outcome = missedOnly ? 'inconclusive' : asked.outcome;
  const bounds =
    isCount || found.kind === 'inconclusive'
      ? {}
      : { estimate: found.value, lower: found.lower, upper: found.upper };
  const n = isCount ? found.n : asked.n;
  return {
    ...place,
    title: definition.title,
    expression: gate.expression,
    figure: name,
    unit: figureUnits[name],
    outcome,
    value: asked.value,
    side: gate.side,
    ...bounds,
    operator: gate.operator,
    threshold: gate.threshold,
    n,
    reason:
      asked.reason ??
      (asked.outcome === 'pass'
        ? undefined
        : (saidOf(found) ??
          failure(name, isCount ? found.count : found.kind === 'estimate' ? found.value : NaN, n))),
    decision: decisionOf(outcome, definition.ifMissed, answeredAt),
  };
}

function saidOf(figure: NonNullable<Figure>): string | undefined {
  return 'said' in figure ? figure.said : undefined;
}

const parsedGates = new WeakMap<GateDefinition, Gate>();

/** Each is asked of thousands of shapes. */
function parsed(definition: GateDefinition): Gate {
  let gate = parsedGates.get(definition);
  if (gate === undefined) {
    gate = parseGate(definition.expression, figureNames);
    parsedGates.set(definition, gate);
  }
  return gate;
}

/** What all of them together say; too little to tell where there is none. */
export function decideBy(gates: readonly { readonly decision: Decision }[]): Decision {
  if (gates.length === 0) return 'INCONCLUSIVE';
  return (
    precedence.find((decision) => gates.some((gate) => gate.decision === decision)) ?? 'PROMOTE'
  );
}

function decisionOf(
  outcome: GateResult['outcome'],
  ifMissed: Consequence,
  stage: Stage | undefined,
): Decision {
  if (outcome === 'pass') return 'PROMOTE';
  if (outcome === 'inconclusive') return 'INCONCLUSIVE';
  switch (ifMissed) {
    case 'inconclusive':
      return 'INCONCLUSIVE';
    case 'hold':
      return 'HOLD';
    case 'roll-back':
      return 'ROLL BACK';
    case 'by-stage':
      return stage !== undefined && pooledAnswers.includes(stage) ? 'ROLL BACK' : 'HOLD';
  }
}

/** What is wrong, as the end of "at shadow, …". */
function failure(name: FigureName, value: number, n: number): string {
  const count = Math.round(value * n);
  switch (name) {
    case 'calls':
      return `only ${counted(value, 'call was', 'calls were')} made`;
    case 'comparisons':
      return value === 0
        ? 'nothing was compared'
        : `only ${counted(value, 'comparison was', 'comparisons were')} made`;
    case 'unwatched':
      return `${counted(value, 'operation', 'operations')} of ${countText(n)} ${value === 1 ? 'was' : 'were'} never compared`;
    case 'mismatch':
      return `${counted(count, 'comparison', 'comparisons')} of ${countText(n)} ${count === 1 ? 'is a' : 'are'} confirmed ${
        count === 1 ? 'mismatch' : 'mismatches'
      }`;
    case 'unexplained':
      return `${counted(count, 'comparison', 'comparisons')} of ${countText(n)} came to no explanation`;
    case 'failed':
      return `${counted(count, 'call', 'calls')} of ${countText(n)} failed`;
    case 'latency-p50-ratio':
      return `the pooled median is ${value.toFixed(2)} times the legacy one`;
    case 'error-increase':
      return 'calls fail more often on the pooled leg than on the legacy leg';
    case 'unkept':
      return `${counted(value, 'guarantee is', 'guarantees are')} relied on and not kept`;
    case 'data-checks':
      return `${counted(count, 'table', 'tables')} of ${countText(n)} ${count === 1 ? 'is' : 'are'} not as expected`;
  }
}
