import type { Totals } from '@changeover/bridge';
import { shedReasons } from '@changeover/bridge';

/** What became of the calls that could be compared. The parts add up to `eligible`. */
export interface Coverage {
  readonly eligible: number;
  readonly notSampled: number;
  readonly sampled: number;
  readonly compared: number;
  readonly shed: readonly { readonly reason: string; readonly count: number }[];
  /** Sampled, and neither compared nor shed when the report was made. */
  readonly inFlight: number;
  /** How many more parts there are than `eligible`; 0 unless part of the counts is missing. */
  readonly surplus: number;
}

export function coverageOf(totals: Totals): Coverage {
  const { eligible, sampled, compared, shedByReason } = totals;
  const shed = shedReasons
    .map((reason) => ({ reason, count: shedByReason[reason] ?? 0 }))
    .filter(({ count }) => count > 0);
  const done = compared + shed.reduce((sum, { count }) => sum + count, 0);
  return {
    eligible,
    sampled,
    compared,
    shed,
    notSampled: Math.max(0, eligible - sampled),
    inFlight: Math.max(0, sampled - done),
    surplus: Math.max(0, sampled - eligible) + Math.max(0, done - sampled),
  };
}
