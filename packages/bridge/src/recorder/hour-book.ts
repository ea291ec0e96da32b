import { LatencyHistogram } from '@changeover/compare';
import { inOneGo, type Steps } from '../steps.ts';
import type { Counts } from './counts.ts';
import { MinuteSums } from './minute-sums.ts';
import { histogramOf, sparseFrom } from './sparse-latency.ts';
import { keptHours, type StoredHour } from './stored-hours.ts';
import type { SliceLatency, TimeSlice, TimeSlices } from './report-data.ts';

export const hourMs = 3_600_000;

/** Keys and hours that are looked at in the time of one part of a step. */
const sumsAPart = 10;

/** One key's counts and latencies in one hour, as they stand. */
interface HourSum {
  readonly backend: string;
  readonly dataset: string;
  readonly hour: number;
  calls: number;
  failed: number;
  compared: number;
  mismatch: number;
  readonly legacy: LatencyHistogram;
  readonly pooled: LatencyHistogram;
}

/** Adds up what was counted by key and hour, for as long back as it is shown. */
export class HourBook {
  /** Milliseconds since 1970 of the moment at which the recording was read. */
  readonly at: number;
  /** What is stored by the minute. */
  readonly minutes: MinuteSums;
  readonly #firstHour: number;
  readonly #sums = new Map<string, HourSum>();

  /** @param nowMs milliseconds since 1970. */
  constructor(nowMs: number) {
    this.at = nowMs;
    this.minutes = new MinuteSums(nowMs);
    this.#firstHour = Math.floor(nowMs / hourMs) - keptHours + 1;
  }

  add(
    { backend, dataset }: { readonly backend: string; readonly dataset: string },
    hour: number,
    more: {
      readonly counts: Counts;
      readonly legacy: LatencyHistogram;
      readonly pooled: LatencyHistogram;
    },
  ): void {
    if (hour >= this.#firstHour)
      addTo(this.#sums, { backend, dataset, hour }, { ...more.counts, ...more });
  }

  addStored(
    { backend, dataset }: { readonly backend: string; readonly dataset: string },
    [hour, calls, failed, compared, mismatch, legacy, pooled]: StoredHour,
  ): void {
    if (hour < this.#firstHour) return;
    const counts = { calls, failed, compared, mismatch };
    const latencies = {
      legacy: histogramOf(sparseFrom(legacy)),
      pooled: histogramOf(sparseFrom(pooled)),
    };
    addTo(this.#sums, { backend, dataset, hour }, { ...counts, ...latencies });
  }

  slices(): TimeSlices {
    return inOneGo(this.slicesInSteps());
  }

  /** The same in steps. */
  slicesInSteps(): Steps<TimeSlices> {
    return slicesOf(this.#sums);
  }

  /** What was counted since an earlier look at the same recording: slices from then to now, two where an hour began in between. */
  slicesSince(earlier: HourBook): TimeSlices {
    const grown = new Map<string, HourSum>();
    for (const [name, sum] of this.#sums) {
      const before = earlier.#sums.get(name);
      if (before === undefined) grown.set(name, sum);
      else if (sum.calls > before.calls || sum.compared > before.compared)
        grown.set(name, growth(sum, before));
    }
    return inOneGo(slicesOf(grown, { from: earlier.at, to: this.at }));
  }
}

function* slicesOf(
  sums: ReadonlyMap<string, HourSum>,
  within?: { readonly from: number; readonly to: number },
): Steps<TimeSlices> {
  const byBackend = new Map<string, HourSum>();
  for (const sum of sums.values()) {
    yield 1 / sumsAPart;
    addTo(byBackend, { backend: sum.backend, dataset: '', hour: sum.hour }, sum);
  }
  const parts = [yield* sliced(byBackend), yield* sliced(sums)];
  const [backends, datasets] = parts.map((slices) =>
    slices.map((slice) =>
      within === undefined
        ? slice
        : {
            ...slice,
            from: Math.max(slice.from, within.from),
            to: Math.min(slice.to, within.to),
          },
    ),
  );
  return { byBackend: backends ?? [], byDataset: datasets ?? [] };
}

/** A recording only grows, but that what processes counted that are gone is added up elsewhere. */
function growth(sum: HourSum, before: HourSum): HourSum {
  const more = (field: 'calls' | 'failed' | 'compared' | 'mismatch'): number =>
    Math.max(0, sum[field] - before[field]);
  return {
    backend: sum.backend,
    dataset: sum.dataset,
    hour: sum.hour,
    calls: more('calls'),
    failed: more('failed'),
    compared: more('compared'),
    mismatch: more('mismatch'),
    legacy: addedTo(before.legacy, sum.legacy),
    pooled: addedTo(before.pooled, sum.pooled),
  };
}

function addedTo(before: LatencyHistogram, now: LatencyHistogram): LatencyHistogram {
  const known = new Map(before.toJSON().buckets);
  const { buckets, sumMs, maxMs } = now.toJSON();
  return LatencyHistogram.fromJSON({
    buckets: buckets.flatMap(([bucket, count]) => {
      const more = count - (known.get(bucket) ?? 0);
      return more > 0 ? [[bucket, more] as const] : [];
    }),
    sumMs: Math.max(0, sumMs - before.sumMs),
    maxMs,
  });
}

type SumKey = Pick<HourSum, 'backend' | 'dataset' | 'hour'>;

function addTo(sums: Map<string, HourSum>, key: SumKey, more: Omit<HourSum, keyof SumKey>): void {
  const name = `${key.backend}\0${key.dataset}\0${String(key.hour)}`;
  let sum = sums.get(name);
  if (sum === undefined) {
    const nothing = { calls: 0, failed: 0, compared: 0, mismatch: 0 };
    sum = { ...key, ...nothing, legacy: new LatencyHistogram(), pooled: new LatencyHistogram() };
    sums.set(name, sum);
  }
  sum.calls += more.calls;
  sum.failed += more.failed;
  sum.compared += more.compared;
  sum.mismatch += more.mismatch;
  sum.legacy.merge(more.legacy);
  sum.pooled.merge(more.pooled);
}

function* sliced(sums: ReadonlyMap<string, HourSum>): Steps<TimeSlice[]> {
  const inOrder = [...sums.values()].sort(
    (a, b) => compare(a.backend, b.backend) || compare(a.dataset, b.dataset) || a.hour - b.hour,
  );
  const slices: TimeSlice[] = [];
  for (const { hour, legacy, pooled, ...sum } of inOrder) {
    yield 1 / sumsAPart;
    slices.push({
      ...sum,
      from: hour * hourMs,
      to: (hour + 1) * hourMs,
      legacy: sliceLatency(legacy),
      pooled: sliceLatency(pooled),
    });
  }
  return slices;
}

function sliceLatency(histogram: LatencyHistogram): SliceLatency {
  return {
    count: histogram.count,
    p50Ms: histogram.percentile(50),
    p99Ms: histogram.percentile(99),
  };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
