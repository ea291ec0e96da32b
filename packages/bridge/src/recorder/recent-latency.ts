import type { LatencyHistogram } from '@changeover/compare';
import type { RecentLatency } from './report-data.ts';
import {
  noLatency,
  sparseCount,
  type SparseLatency,
  sparseOf,
  sparsePercentile,
} from './sparse-latency.ts';

/** For the bounds of a median: it lies between those of all values that have this many standard deviations of their number more and
 * fewer below them, at 99 %. */
const medianDeviations = 2.58;

/** Of a histogram, with its resolution. */
export function latencyOf(histogram: LatencyHistogram): RecentLatency {
  const { count } = histogram;
  return count === 0
    ? nothing
    : bounded(count, sparseOf(histogram), (percent) => histogram.percentile(percent));
}

/** Of what several minutes or keys have together; each figure is up to 4.4 % off. */
export function recentLatency(latencies: SparseLatency): RecentLatency {
  const count = sparseCount(latencies);
  return count === 0
    ? nothing
    : bounded(count, latencies, (percent) => sparsePercentile(latencies, percent, count));
}

const nothing: RecentLatency = Object.freeze({
  count: 0,
  p50Ms: undefined,
  lowMs: undefined,
  highMs: undefined,
  latencies: noLatency,
});

function bounded(
  count: number,
  latencies: SparseLatency,
  percentile: (percent: number) => number | undefined,
): RecentLatency {
  const spread = (50 * medianDeviations) / Math.sqrt(count);
  return {
    count,
    p50Ms: percentile(50),
    lowMs: percentile(Math.max(0, 50 - spread)),
    highMs: percentile(Math.min(100, 50 + spread)),
    latencies,
  };
}
