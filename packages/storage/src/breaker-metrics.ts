import type { GuardrailWatch } from '@changeover/bridge';
import { type PoolMetrics, silentMetrics } from '@changeover/pooled';

/** Tells the watch of the breakers of those pools that serve callers, beside what is measured. */
export function breakerMetrics(
  watch: GuardrailWatch,
  measured: PoolMetrics = silentMetrics,
): PoolMetrics {
  return {
    observer: (scope, dataset) => measured.observer(scope, dataset),
    breakerChanged: (scope, dataset, state) => {
      measured.breakerChanged(scope, dataset, state);
      if (scope.purpose === 'callers') watch.breakerChanged(scope.engine, dataset, state);
    },
    retried: (scope, dataset, action) => {
      measured.retried(scope, dataset, action);
    },
    operation: measured.operation,
    threadWaited: (durationMs) => {
      measured.threadWaited(durationMs);
    },
    observe: (stats) => measured.observe(stats),
  };
}
