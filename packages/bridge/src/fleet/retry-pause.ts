/** While the store is away, tries get rarer up to this. */
const maxRetryMs = 5_000;
/** Tries after which the pause has long reached its longest. */
const maxDoublings = 8;

/**
 * How long a process waits before its next try to reach the store, in ms: twice as long after each that failed, up to five
 * seconds, and of that a half and a part by chance. All processes lose a store in the same moment; without chance they would all
 * come back in one as well, to a server that has just started.
 *
 * @param failures tries in vain so far, from 1 on.
 * @param random numbers in [0, 1).
 */
export function retryPauseMs(failures: number, intervalMs: number, random: () => number): number {
  const longestMs = Math.min(maxRetryMs, intervalMs * 2 ** Math.min(failures, maxDoublings));
  return Math.ceil(longestMs * (0.5 + 0.5 * random()));
}
