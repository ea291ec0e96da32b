import { LatencyHistogram } from '@changeover/compare';
import type { Steps } from '../steps.ts';
import { type CellKey, cellKeyText } from './cell.ts';
import type { RecentLatencies, RecentLatency } from './report-data.ts';

const hourMs = 3_600_000;
/** An hour that began less long ago says too little by itself: the one before is added. */
const shortestHourMs = 10 * 60_000;
/** So does one with fewer measured calls on either leg. */
const fewestCalls = 100;
/** Sums that are looked at in the time of one part of a step. */
const sumsAPart = 10;

/** A median lies between the values that have this many standard deviations of their number more and fewer below them, at 99 %. */
const medianDeviations = 2.58;

interface Latencies {
  readonly legacy: LatencyHistogram;
  readonly pooled: LatencyHistogram;
}

interface HourSum extends Latencies {
  readonly key: CellKey;
  readonly hour: number;
}

/**
 * How quick both legs were lately where the pooled one answers, by key, operation and stage: in this hour, and the one before where this
 * one has too little. Gates would not see a change of which all that came before takes no notice.
 */
export class RecentBook {
  readonly #nowMs: number;
  readonly #sums = new Map<string, HourSum>();

  /** @param nowMs milliseconds since 1970. */
  constructor(nowMs: number) {
    this.#nowMs = nowMs;
  }

  /** @param hour in which it was measured, since 1970. */
  add(key: CellKey, hour: number, more: Latencies): void {
    if (hour < this.#hour - 1 || key.stage !== 'reverse') return;
    const name = nameAt(key, hour);
    let sum = this.#sums.get(name);
    if (sum === undefined) {
      sum = { key, hour, legacy: new LatencyHistogram(), pooled: new LatencyHistogram() };
      this.#sums.set(name, sum);
    }
    mergeInto(sum, more);
  }

  *latencies(): Steps<readonly RecentLatencies[]> {
    const found: RecentLatencies[] = [];
    for (const sum of this.#sums.values()) {
      yield 1 / sumsAPart;
      if (sum.hour === this.#hour) {
        found.push(told(this.#withEnough(sum)));
      } else if (!this.#sums.has(nameAt(sum.key, sum.hour + 1))) {
        found.push(told(sum));
      }
    }
    return found;
  }

  get #hour(): number {
    return Math.floor(this.#nowMs / hourMs);
  }

  #withEnough(sum: HourSum): HourSum {
    const before = this.#sums.get(nameAt(sum.key, sum.hour - 1));
    const isShort = this.#nowMs - sum.hour * hourMs < shortestHourMs;
    if (before === undefined || !(isShort || measured(sum) < fewestCalls)) return sum;
    const both = {
      ...before,
      legacy: new LatencyHistogram(),
      pooled: new LatencyHistogram(),
    };
    mergeInto(both, before);
    mergeInto(both, sum);
    return both;
  }
}

function nameAt(key: CellKey, hour: number): string {
  return `${String(hour)}\0${cellKeyText(key)}`;
}

function mergeInto(sum: Latencies, { legacy, pooled }: Latencies): void {
  sum.legacy.merge(legacy);
  sum.pooled.merge(pooled);
}

function measured({ legacy, pooled }: Latencies): number {
  return Math.min(legacy.count, pooled.count);
}

function told({ key, hour, legacy, pooled }: HourSum): RecentLatencies {
  const { backend, dataset, operation, stage } = key;
  return {
    ...{ backend, dataset, operation, stage },
    since: hour * hourMs,
    legacy: latencyOf(legacy),
    pooled: latencyOf(pooled),
  };
}

function latencyOf(histogram: LatencyHistogram): RecentLatency {
  const { count } = histogram;
  const spread = (50 * medianDeviations) / Math.sqrt(count);
  const at = (percent: number): number | undefined =>
    histogram.percentile(Math.min(100, Math.max(0, percent)));
  return count === 0
    ? { count, p50Ms: undefined, lowMs: undefined, highMs: undefined }
    : { count, p50Ms: at(50), lowMs: at(50 - spread), highMs: at(50 + spread) };
}
