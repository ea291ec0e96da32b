import type { StoreValue } from './store-file.ts';

/** Minutes that a store keeps of each key; older ones go as newer ones are written. */
export const keptMinutes = 120;
export const minuteMs = 60_000;

/** A key by its columns in the store. */
export type StoredKey = Pick<MinuteRow, 'backend' | 'dataset'>;

/** What one process counted of one key within a minute. */
export interface MinuteRow {
  readonly backend: string;
  readonly dataset: string;
  /** Minutes since 1970. */
  readonly minute: number;
  readonly calls: number;
  readonly failed: number;
  readonly compared: number;
  readonly mismatch: number;
  /** As `SparseLatency` writes it. */
  readonly legacy: string;
  readonly pooled: string;
}

/** What the store has of minutes, from its version 8 on. The minute comes first, so that the old ones are together. */
export const minuteSchema: string = `
  create table minute (
    minute integer not null, writer text not null, backend text not null, dataset text not null,
    calls integer not null, failed integer not null, compared integer not null, mismatch integer not null,
    legacy text not null, pooled text not null,
    primary key (minute, writer, backend, dataset)
  ) without rowid;
`;

/** The columns of a minute's row. */
export const minuteColumns: readonly string[] = [
  'writer',
  'minute',
  'backend',
  'dataset',
  'calls',
  'failed',
  'compared',
  'mismatch',
  'legacy',
  'pooled',
];

/** Deletes at most so many rows, the given number, of minutes before the given one. */
export const deleteOldMinutes: string = `
  delete from minute where (minute, writer, backend, dataset) in
    (select minute, writer, backend, dataset from minute where minute < ? order by minute limit ?)`;

/** In the order of the columns, after the writer. */
export function minuteValues(row: MinuteRow): StoreValue[] {
  const { minute, backend, dataset, calls, failed, compared, mismatch, legacy, pooled } = row;
  return [minute, backend, dataset, calls, failed, compared, mismatch, legacy, pooled];
}

/** A minute's row as a store gives it back. */
export type StoredMinute = MinuteRow & { readonly writer: string };
