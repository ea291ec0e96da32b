import { findDifference, Redactor } from '@changeover/compare';
import type { ResolvedCall } from '../call/resolved-call.ts';
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
          resolved.rules?.for(resolved.operation, resolved.dataset),
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
  const cells = difference.cells.map(({ row, column, legacy, pooled }) => ({
    legacy: { row, column, value: redactor.redact(legacy) },
    pooled: { row, column, value: redactor.redact(pooled) },
  }));
  return {
    class: difference.class,
    summary: `${difference.class}${places}; ${outcomes.summary}`,
    fingerprint: [resolved.operation, difference.class, ...difference.columns]
      .join(':')
      .slice(0, 200),
    legacy: cells.map((cell) => cell.legacy),
    pooled: cells.map((cell) => cell.pooled),
  };
}

function describe(outcome: Outcome): string {
  if (outcome.kind === 'error') return `failed with ${outcome.code}`;
  const { kind, count } = outcome.digest;
  return kind === 'value' ? 'one value' : count === 1 ? '1 row' : `${String(count)} rows`;
}
