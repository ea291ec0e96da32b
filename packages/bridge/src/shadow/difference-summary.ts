import { type CellDifference, findDifference, Redactor } from '@changeover/compare';
import type { LegName } from '@changeover/core';
import type { ResolvedCall } from '../call/resolved-call.ts';
import { magnitudeOf } from './magnitude.ts';
import type { Round } from './confirmation.ts';
import type { Outcome } from './shadow-caller.ts';

/** What is kept of a difference: classes, places and redacted values. */
export interface DifferenceSummary {
  readonly class: string;
  readonly summary: string;
  readonly fingerprint?: string;
  readonly legacy?: unknown;
  readonly pooled?: unknown;
}

/** Values leave the comparison only as keyed digests, which tell within one process whether two are equal. */
const redactor = new Redactor();

/** A difference by its outcomes alone, where the rows aren't at hand. */
export function describeOutcomes({ legacy, pooled }: Round): DifferenceSummary {
  if (legacy.kind === 'error' || pooled.kind === 'error') {
    return { class: 'error', summary: `legacy ${describe(legacy)}, pooled ${describe(pooled)}` };
  }
  const a = legacy.digest;
  const b = pooled.digest;
  const kind =
    a.columns !== b.columns
      ? 'columns'
      : a.count > b.count
        ? 'missing-row'
        : a.count < b.count
          ? 'extra-row'
          : a.orderFree === b.orderFree
            ? 'order'
            : 'value';
  return { class: kind, summary: `legacy ${describe(legacy)}, pooled ${describe(pooled)}` };
}

/** A confirmed difference with the places where it shows, values redacted. */
export function describeDifference(
  resolved: ResolvedCall,
  round: Round,
  results: { readonly legacy: unknown; readonly pooled: unknown },
  ordered: boolean,
): DifferenceSummary {
  const outcomes = describeOutcomes(round);
  const difference =
    outcomes.class === 'error'
      ? undefined
      : findDifference(
          results.legacy,
          results.pooled,
          ordered,
          resolved.rules?.for(resolved.operation, resolved.key),
        );
  if (difference === undefined) {
    return {
      ...outcomes,
      fingerprint: [
        resolved.operation,
        outcomes.class,
        outcomes.class === 'error' ? outcomes.summary : '',
      ].join(':'),
    };
  }
  const places =
    difference.columns.length === 0
      ? ''
      : ` in ${difference.columns
          .slice(0, 5)
          .map((name) => JSON.stringify(name))
          .join(', ')}`;
  const [first] = difference.cells;
  const apart = first === undefined ? undefined : apartText(first);
  const cells = difference.cells.map((cell) => ({
    legacy: { row: cell.row, column: cell.column, value: shownSide(cell, 'legacy') },
    pooled: { row: cell.row, column: cell.column, value: shownSide(cell, 'pooled') },
  }));
  return {
    class: difference.class,
    summary: `${difference.class}${places}${apart === undefined ? '' : `: ${apart}`}; ${outcomes.summary}`,
    fingerprint: [resolved.operation, difference.class, ...difference.columns]
      .join(':')
      .slice(0, 200),
    legacy: cells.map((cell) => cell.legacy),
    pooled: cells.map((cell) => cell.pooled),
  };
}

/** Where the first difference is and how large, in words that tell no value. Rows are counted from 1. */
function apartText(cell: CellDifference): string | undefined {
  const row = `row ${String(cell.row + 1)}`;
  if (cell.column === undefined) {
    if (cell.pooled === undefined) return `${row} is missing on the pooled leg`;
    if (cell.legacy === undefined) return `${row} is on the pooled leg alone`;
    return `${row} is another one on the pooled leg`;
  }
  const magnitude = magnitudeOf(cell.legacy, cell.pooled);
  return magnitude === undefined ? row : `${row}, ${magnitude}`;
}

/** A side of a whole row that isn't there has no value to digest. */
function shownSide(cell: CellDifference, leg: LegName): unknown {
  return cell.column === undefined && cell[leg] === undefined
    ? 'no such row'
    : redactor.redact(cell[leg]);
}

function describe(outcome: Outcome): string {
  if (outcome.kind === 'error') return `failed with ${outcome.code}`;
  const { kind, count } = outcome.digest;
  return kind === 'value' ? 'one value' : count === 1 ? '1 row' : `${String(count)} rows`;
}
