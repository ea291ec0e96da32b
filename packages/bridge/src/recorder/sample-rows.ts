import type { StoreValue } from './store-file.ts';
import type { GroupRow, SampleRow } from './store-rows.ts';

/** The columns of a row of comparisons that are alike. */
export const groupColumns: readonly string[] = [
  'writer',
  'fingerprint',
  'backend',
  'operation',
  'verdict',
  'class',
  'count',
  'first_at',
  'last_at',
  'dataset',
  'shape',
];

/** In the order of the columns, after the writer. */
export function groupValues(row: GroupRow): StoreValue[] {
  const { fingerprint, backend, operation, verdict, count, firstAt, lastAt } = row;
  const { class: kind = null, key = null, shape = null } = row;
  return [fingerprint, backend, operation, verdict, kind, count, firstAt, lastAt, key, shape];
}

/** The columns of a sample's row. */
export const sampleColumns: readonly string[] = [
  'writer',
  'fingerprint',
  'sequence',
  'at',
  'dataset',
  'stage',
  'summary',
  'legacy',
  'pooled',
  'reason',
  'call',
];

/** In the order of the columns, after the writer. */
export function sampleValues(row: SampleRow): StoreValue[] {
  const { fingerprint, sequence, at, dataset, stage, summary } = row;
  const { legacy = null, pooled = null, reason = null, call = null } = row;
  return [fingerprint, sequence, at, dataset, stage, summary, legacy, pooled, reason, call];
}
