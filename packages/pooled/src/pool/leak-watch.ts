import type { WatchedLease } from './connection.ts';
import type { LeakReport, PoolObserver } from './pool-observer.ts';
import type { ParsedPoolOptions } from './pool-options.ts';

/** Reports a lease on which nothing has run for `leakDetectionThresholdMs`, once, and takes it back after
 * `leakReclaimMs`. A pinned lease is no leak. */
export function watchLease(
  lease: WatchedLease,
  nowMs: number,
  { leakDetectionThresholdMs, leakReclaimMs }: ParsedPoolOptions,
  observer: PoolObserver,
): void {
  const unusedMs = lease.unusedMs(nowMs);
  if (lease.pinned || leakDetectionThresholdMs === 0 || unusedMs < leakDetectionThresholdMs) return;
  const { takenFor, takenAtMs, stack } = lease.terms;
  const report: LeakReport = { takenFor, takenAt: stack, heldMs: nowMs - takenAtMs, unusedMs };
  if (!lease.leakReported) {
    lease.leakReported = true;
    observer.leaked(report);
  }
  if (leakReclaimMs === 0 || unusedMs < leakReclaimMs) return;
  observer.reclaimed(report);
  lease.discard('reclaimed');
}
