import type { Finding } from './statistics.ts';

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

export const gateOperators = ['<=', '>=', '==', '<', '>'] as const;
export type GateOperator = (typeof gateOperators)[number];

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

/** Fails where one fails, passes only where there are some and all pass. */
export function combineGates(results: readonly GateResult[]): GateResult['outcome'] {
  if (results.some(({ outcome }) => outcome === 'fail')) return 'fail';
  return results.length > 0 && results.every(({ outcome }) => outcome === 'pass')
    ? 'pass'
    : 'inconclusive';
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
