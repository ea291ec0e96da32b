import type { ResumedAt } from '../../recorder/report-data.ts';
import { allKeys, type Target } from '@changeover/core';
import { callTarget } from '../flags/stage-source.ts';
import { type LedgerChange, rowDataset } from './ledger-store.ts';

/** When datasets were last resumed, by themselves or with their whole backend. */
export function resumptions(lines: readonly LedgerChange[]): ResumedAt {
  const held = new Set<string>();
  const resumed = new Map<string, number>();
  for (const line of lines) {
    const name = `${line.backend}\0${line.dataset}`;
    if (line.held) {
      held.add(name);
    } else if (held.delete(name)) {
      resumed.set(name, line.at);
    }
  }
  const of = (backend: string, target: Target): number | undefined =>
    resumed.get(`${backend}\0${rowDataset(target)}`);
  return (backend, dataset) => later(of(backend, callTarget(dataset)), of(backend, allKeys));
}

/** The later of two moments, either of which may be none. */
export function later(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined ? other : other === undefined ? one : Math.max(one, other);
}
