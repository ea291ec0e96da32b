import type { Outcome } from './shadow-caller.ts';

/** What the answering leg gave its caller. */
export interface Answer {
  /** Undefined where it is to be had from the copy. */
  readonly outcome?: Outcome | undefined;
  readonly copy?: unknown;
  /** How long it took, in ms. */
  readonly tookMs?: number | undefined;
}

/** How many rows a result has; what isn't rows counts as one. */
export function rowCount(value: unknown): number {
  if (Array.isArray(value)) return value.length;
  if (typeof value !== 'object' || value === null) return 1;
  const { rows } = value as { rows?: unknown };
  return Array.isArray(rows) ? rows.length : 1;
}
