import { stageNamed } from '@changeover/core';
import type { LedgerChange } from './ledger-store.ts';

/** A line as both stores keep it. */
export interface LedgerRow {
  readonly sequence: number | string;
  readonly at: number | string;
  readonly backend: string;
  readonly dataset: string;
  readonly from_stage: string;
  readonly to_stage: string;
  readonly held: number | boolean;
  readonly who: string;
  readonly reason: string;
  readonly revision: string;
}

/** One store gives big integers as text, another truth as a number. A stage that this version doesn't know is
 * `legacy`. */
export function changeOfRow(row: LedgerRow): LedgerChange {
  const { backend, dataset, who, reason, revision } = row;
  return {
    sequence: Number(row.sequence),
    at: Number(row.at),
    backend,
    dataset,
    from: stageNamed(row.from_stage) ?? 'legacy',
    to: stageNamed(row.to_stage) ?? 'legacy',
    held: Boolean(row.held),
    who,
    reason,
    revision,
  };
}
