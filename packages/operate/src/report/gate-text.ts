import { countText, figureText, shapeText, visibleText } from '@changeover/bridge';
import type { GateOutcome } from '@changeover/bridge';

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

export function gateCondition({ operator, threshold, unit }: GateOutcome): string {
  const limit =
    unit === 'share'
      ? `${threshold * 100} %`
      : unit === 'count'
        ? countText(threshold)
        : String(threshold);
  return `${operators[operator]} ${limit}`;
}
