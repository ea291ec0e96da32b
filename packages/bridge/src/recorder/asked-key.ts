import type { MinutesOf } from './minute-rows.ts';

/** A key whose step waits. */
export interface AskedKey extends MinutesOf {
  /** Its gates ask for latencies, and for the last minutes. */
  readonly timed: boolean;
}
