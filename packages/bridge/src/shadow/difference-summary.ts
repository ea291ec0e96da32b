import { type CellDifference, findDifference, Redactor } from '@changeover/compare';
import { rawValue, type SampleValues } from '../recorder/sampled-call.ts';
import type { LegName } from '@changeover/core';
import type { ResolvedCall } from '../call/resolved-call.ts';
import { magnitudeOf } from './magnitude.ts';
import type { Round } from './confirmation.ts';
import type { Outcome } from './shadow-caller.ts';

/** A difference: its class in words that tell no value, and the places where it shows. */
export interface DifferenceSummary {
  readonly class: string;
  readonly summary: string;
  /** Hold values of the data: {@link shownCells} is what may leave the comparison. */
  readonly cells?: readonly CellDifference[];
}

/** One leg's side of a place, as a log or report may have it. */
export interface ShownCell {
  /** The first is 0. */
  readonly row: number;
  readonly column: string | undefined;
  readonly value: unknown;
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

/** A confirmed difference with the places where it shows. */
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
  if (difference === undefined) return outcomes;
  const places =
    difference.columns.length === 0
      ? ''
      : ` in ${difference.columns
          .slice(0, 5)
          .map((name) => JSON.stringify(name))
          .join(', ')}`;
  const [first] = difference.cells;
  const distance = first === undefined ? undefined : distanceText(first);
  return {
    class: difference.class,
    summary: `${difference.class}${places}${distance === undefined ? '' : `: ${distance}`}; ${outcomes.summary}`,
    cells: difference.cells,
  };
}

/** The places as both legs have them. Redacted, each value is its type, length and keyed digest. */
export function shownCells(
  cells: readonly CellDifference[] | undefined,
  values: SampleValues,
): { readonly legacy?: readonly ShownCell[]; readonly pooled?: readonly ShownCell[] } {
  if (cells === undefined) return {};
  const side = (leg: LegName): ShownCell[] =>
    cells.map((cell) => ({
      row: cell.row,
      column: cell.column,
      value: shownSide(cell, leg, values),
    }));
  return { legacy: side('legacy'), pooled: side('pooled') };
}

/** Where the first difference is and how large, in words that tell no value. Rows are counted from 1. */
function distanceText(cell: CellDifference): string | undefined {
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
function shownSide(cell: CellDifference, leg: LegName, values: SampleValues): unknown {
  const value = cell[leg];
  if (cell.column === undefined && value === undefined) return 'no such row';
  if (values === 'redacted') return redactor.redact(value);
  try {
    return rawValue(value);
  } catch {
    return redactor.redact(value);
  }
}

function describe(outcome: Outcome): string {
  if (outcome.kind === 'error') return `failed with ${outcome.code}`;
  const { kind, count } = outcome.digest;
  return kind === 'value' ? 'one value' : count === 1 ? '1 row' : `${String(count)} rows`;
}
