import type { StoredKey } from './minute-rows.ts';

/** A key whose step waits. */
export interface AskedKey extends StoredKey {
  /** Its gates ask for latencies, and for the last minutes. */
  readonly timed: boolean;
}
