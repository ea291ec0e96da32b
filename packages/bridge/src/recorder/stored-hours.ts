/** So many hours are shown, of each key. */
export const keptHours = 48;

/** What a store has of a key by the hour, apart from its cells: their counts are in these as well. */
export interface StoredHours {
  readonly backend: string;
  readonly dataset: string;
  readonly hours: readonly StoredHour[];
}

/** Latencies as `SparseLatency` writes them. */
export type StoredHour = readonly [
  hour: number,
  calls: number,
  failed: number,
  compared: number,
  mismatch: number,
  legacy: string,
  pooled: string,
];
