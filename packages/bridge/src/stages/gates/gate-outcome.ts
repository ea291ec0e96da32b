import type { Finding } from '@changeover/compare';
import { type Stage, stages } from '@changeover/core';
import { counted, countText, shapeText, visibleText } from '../../plain-text.ts';
import {
  type Consequence,
  figureNames,
  type FigureName,
  type GateDefinition,
} from './default-gates.ts';
import { failureText, type Figure, figureText, type FigureUnit, figureUnits } from './figures.ts';

/** A condition for moving forward, as `mismatch.upper < 0.1%`. */
export interface Gate {
  readonly expression: string;
  /** The figure's name: words joined by dots. */
  readonly figure: string;
  /** Which side of the figure is asked: itself, or a bound of it. */
  readonly side: 'value' | 'lower' | 'upper';
  readonly operator: GateOperator;
  readonly threshold: number;
}

export type GateOperator = '<=' | '>=' | '==' | '<' | '>';

/** What became of a gate. `inconclusive` never lets anyone pass. */
export interface GateResult {
  readonly gate: Gate;
  readonly outcome: 'pass' | 'fail' | 'inconclusive';
  /** The side of the figure that was asked; undefined where there is none. */
  readonly value: number | undefined;
  readonly threshold: number;
  /** Observations that the figure rests on. */
  readonly n: number;
  /** Why it is inconclusive. */
  readonly reason?: string | undefined;
}

/** What a figure is known by: a plain number (a count) or a finding. Undefined where there is no such figure. */
export type FigureSource = (name: string) => number | Finding | undefined;

const pattern =
  /^\s*([a-z][\w-]*(?:\.[\w-]+)*)\s*(<=|>=|==|<|>)\s*(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)\s*(%?)\s*$/i;
const maxExpression = 200;

/**
 * Reads a gate: a figure, an operator (`<`, `<=`, `>`, `>=`, `==`) and a number, which may be a percentage. A figure
 * that ends in `.upper`, `.lower` or `.value` asks for that side of an estimate.
 *
 * @param figures the known figures without sides, to catch a misspelt one. Default: any.
 * @throws {SyntaxError} for what is no gate.
 * @throws {RangeError} for an unknown figure.
 */
export function parseGate(expression: string, figures?: readonly string[]): Gate {
  const parts = expression.length > maxExpression ? null : pattern.exec(expression);
  if (parts === null) {
    const found = JSON.stringify(expression.slice(0, maxExpression));
    throw new SyntaxError(
      `${found} is no gate: write FIGURE OPERATOR NUMBER, as "mismatch.upper < 0.1%"`,
    );
  }
  const [, name = '', operator = '', number = '', percent = ''] = parts;
  const [, figure = name, side = 'value'] = /^(.+)\.(value|lower|upper)$/.exec(name) ?? [];
  if (figures !== undefined && !figures.includes(figure)) {
    throw new RangeError(
      `there is no figure ${JSON.stringify(figure)}; known: ${figures.join(', ')}`,
    );
  }
  return Object.freeze({
    expression: expression.trim(),
    figure,
    side: side as Gate['side'],
    operator: operator as GateOperator,
    threshold: Number(number) / (percent === '%' ? 100 : 1),
  });
}

/** Looks a gate's figure up and tells whether it holds. */
export function evaluateGate(gate: Gate, source: FigureSource): GateResult {
  const { threshold } = gate;
  const found = source(gate.figure);
  if (found === undefined)
    return unknown(gate, 0, `there is no figure ${JSON.stringify(gate.figure)} yet`);
  if (typeof found === 'number') {
    if (Number.isNaN(found)) return unknown(gate, 0, 'the figure is no number');
    return {
      gate,
      outcome: holds(gate, found) ? 'pass' : 'fail',
      value: found,
      threshold,
      n: found,
    };
  }
  if (found.kind === 'inconclusive') return unknown(gate, found.n, found.reason);
  const value = found[gate.side];
  if (holds(gate, value)) return { gate, outcome: 'pass', value, threshold, n: found.n };
  // A bound that isn't there yet, while the figure's other bound is, says that there is too little to tell.
  const undecided =
    (gate.side === 'upper' && gate.operator.startsWith('<') && holds(gate, found.lower)) ||
    (gate.side === 'lower' && gate.operator.startsWith('>') && holds(gate, found.upper));
  if (undecided) {
    return {
      gate,
      outcome: 'inconclusive',
      value,
      threshold,
      n: found.n,
      reason: 'too few observations to tell',
    };
  }
  return { gate, outcome: 'fail', value, threshold, n: found.n };
}

function unknown(gate: Gate, n: number, reason: string): GateResult {
  return { gate, outcome: 'inconclusive', value: undefined, threshold: gate.threshold, n, reason };
}

function holds({ operator, threshold }: Gate, value: number): boolean {
  switch (operator) {
    case '<':
      return value < threshold;
    case '<=':
      return value <= threshold;
    case '>':
      return value > threshold;
    case '>=':
      return value >= threshold;
    case '==':
      return value === threshold;
  }
}

/**
 * What a report says to do.
 *
 * - `PROMOTE`: every gate holds; one stage forward.
 * - `HOLD`: a gate doesn't hold, and nobody was answered wrongly as far as is known.
 * - `ROLL BACK`: callers were, or may have been, answered wrongly by the pooled leg, or data is not what it should be.
 * - `INCONCLUSIVE`: no gate fails, but for some there is too little to tell. Never a pass.
 */
export type Decision = 'PROMOTE' | 'HOLD' | 'ROLL BACK' | 'INCONCLUSIVE';

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
    reason: asked.reason ?? (asked.outcome === 'pass' ? undefined : failureText(name, found, n)),
    decision: decisionOf(outcome, definition.ifMissed, answeredAt),
  };
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

/** Where a gate was asked. */
export function gatePlace({ backend, key, operation, shape, stage }: GateOutcome): string {
  const where = [
    key === undefined ? visibleText(backend) : visibleText(`${backend} ${key}`),
    ...(stage === undefined ? [] : [stage]),
    ...(operation === undefined ? [] : [shapeText({ operation, shape: shape ?? '' })]),
  ];
  return where.join(', ');
}

/** The figure with the bound that matters, so that 0 of n is not read as never. */
export function gateValue({ unit, value, side, estimate, lower, upper }: GateOutcome): string {
  if (estimate === undefined || lower === undefined || upper === undefined)
    return figureText(value, unit);
  if (side === 'lower')
    return `${figureText(estimate, unit)} (at least ${figureText(lower, unit)})`;
  return unit === 'share'
    ? `${figureText(estimate, unit)} (at most ${figureText(upper, unit)})`
    : figureText(estimate, unit);
}

const operators = { '<': '<', '<=': '≤', '>': '>', '>=': '≥', '==': '=' } as const;

/** The limit that it asks for: `≤ 0.1 %`. */
export function gateCondition({ operator, threshold, unit }: GateOutcome): string {
  const limit =
    unit === 'share'
      ? `${threshold * 100} %`
      : unit === 'count'
        ? countText(threshold)
        : String(threshold);
  return `${operators[operator]} ${limit}`;
}
