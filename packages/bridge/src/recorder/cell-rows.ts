import { countNames } from './counts.ts';
import type { StoreValue } from './store-file.ts';
import type { CellRow } from './store-rows.ts';

/** The columns of a cell's row. */
export const cellColumns: readonly string[] = [
  'writer',
  'part',
  'hour',
  'backend',
  'dataset',
  'operation',
  'stage',
  ...countNames,
  'shed',
  'legacy_latency',
  'pooled_latency',
  'last_at',
  'paired',
];

/** In the order of the columns, after the writer. */
export function cellValues(row: CellRow, nowMs: number): StoreValue[] {
  return [
    row.part,
    row.hour,
    row.backend,
    row.dataset,
    row.operation,
    row.stage,
    ...countNames.map((name) => row.counts[name]),
    JSON.stringify(row.counts.shed),
    JSON.stringify(row.legacy),
    JSON.stringify(row.pooled),
    nowMs,
    JSON.stringify(row.paired),
  ];
}
