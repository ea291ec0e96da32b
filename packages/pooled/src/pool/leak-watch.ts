import type { Lease } from './lease.ts';
import type { LeakReport, PoolObserver } from './pool-observer.ts';
import type { ParsedPoolOptions } from './pool-options.ts';

/** Reports a lease on which nothing has run for long, once, and later takes it back. */
export function watchLease<Resource extends object>(
  lease: Lease<Resource>,
  nowMs: number,
  { leakDetectionThresholdMs, leakReclaimMs }: ParsedPoolOptions,
  observer: PoolObserver,
): void {
  const unusedMs = lease.unusedMs(nowMs);
  if (leakDetectionThresholdMs === 0 || unusedMs < leakDetectionThresholdMs) return;
  const report: LeakReport = {
    takenFor: lease.takenFor,
    takenAt: lease.stack,
    heldMs: nowMs - lease.takenAtMs,
    unusedMs,
  };
  if (!lease.leakReported) {
    lease.leakReported = true;
    observer.leaked(report);
  }
  if (leakReclaimMs === 0 || unusedMs < leakReclaimMs) return;
  observer.reclaimed(report);
  lease.discard('reclaimed');
}
