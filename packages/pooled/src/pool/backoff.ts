/** A random number from 0 up to 1; injected, so that a test can choose it. */
export type Random = () => number;

/** The wait before the next attempt: exponential with full jitter, so that callers that failed together don't retry
 * together (the scheme of "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
 *
 * @param failures how many attempts have failed in a row, at least 1.
 * @returns milliseconds, at least 1. */
export function backoffMs(
  failures: number,
  initialMs: number,
  maxMs: number,
  random: Random,
): number {
  const ceilingMs = Math.min(maxMs, initialMs * 2 ** Math.min(failures - 1, 30));
  return Math.max(1, Math.ceil(random() * ceilingMs));
}
