import type { SliceLatency, TimeSlice, TimeSlices } from './report-data.ts';
import { keptMinutes, minuteMs, type MinuteRow } from './minute-rows.ts';
import {
  addSparse,
  noLatency,
  sparseCount,
  sparseFrom,
  type SparseLatency,
  sparsePercentile,
  SparseSum,
} from './sparse-latency.ts';

interface Counts {
  readonly backend: string;
  readonly dataset: string;
  calls: number;
  failed: number;
  compared: number;
  mismatch: number;
}

interface Sum extends Counts {
  legacy: SparseLatency;
  pooled: SparseLatency;
}

/** Of a whole backend: thousands of rows a minute. */
interface WholeSum {
  readonly counts: Counts;
  readonly legacy: SparseSum;
  readonly pooled: SparseSum;
}

const nothing = Object.freeze({ calls: 0, failed: 0, compared: 0, mismatch: 0 });

/** Adds up what all processes stored by key and minute. Rows come minute by minute, the oldest first. */
export class MinuteSums {
  /** The first minute that is shown. */
  readonly firstMinute: number;
  /** A clock that was ahead for a while leaves minutes that are none yet. */
  readonly #lastMinute: number;
  readonly #byDataset: TimeSlice[] = [];
  readonly #byBackend: TimeSlice[] = [];
  /** Of the minute whose rows are coming. */
  readonly #datasets = new Map<string, Sum>();
  readonly #backends = new Map<string, WholeSum>();
  #minute = 0;

  /** @param nowMs milliseconds since 1970. */
  constructor(nowMs: number) {
    this.#lastMinute = Math.floor(nowMs / minuteMs) + 1;
    this.firstMinute = this.#lastMinute - keptMinutes;
  }

  add(row: MinuteRow): void {
    const { minute, backend, dataset } = row;
    if (minute < this.firstMinute || minute > this.#lastMinute) return;
    if (minute !== this.#minute) this.#end();
    this.#minute = minute;
    const sum = sumOf(row);
    addTo(this.#datasets, `${backend}\0${dataset}`, sum);
    this.#addToBackend(sum);
  }

  slices(): TimeSlices {
    this.#end();
    return { byBackend: this.#byBackend, byDataset: this.#byDataset };
  }

  #addToBackend(sum: Sum): void {
    const { backend } = sum;
    let whole = this.#backends.get(backend);
    if (whole === undefined) {
      const counts = { ...nothing, backend, dataset: '' };
      whole = { counts, legacy: new SparseSum(), pooled: new SparseSum() };
      this.#backends.set(backend, whole);
    }
    addCounts(whole.counts, sum);
    whole.legacy.add(sum.legacy);
    whole.pooled.add(sum.pooled);
  }

  #end(): void {
    for (const sum of this.#datasets.values()) this.#byDataset.push(sliceOf(sum, this.#minute));
    for (const { counts, legacy, pooled } of this.#backends.values()) {
      const sum = { ...counts, legacy: legacy.latency, pooled: pooled.latency };
      this.#byBackend.push(sliceOf(sum, this.#minute));
    }
    this.#datasets.clear();
    this.#backends.clear();
  }
}

function sumOf(row: MinuteRow): Sum {
  const { backend, dataset, calls, failed, compared, mismatch, legacy, pooled } = row;
  const latencies = { legacy: sparseFrom(legacy), pooled: sparseFrom(pooled) };
  return { backend, dataset, calls, failed, compared, mismatch, ...latencies };
}

function addTo(sums: Map<string, Sum>, name: string, more: Sum): void {
  const sum = sums.get(name);
  if (sum === undefined) {
    sums.set(name, more);
    return;
  }
  addCounts(sum, more);
  sum.legacy = addSparse(sum.legacy, more.legacy);
  sum.pooled = addSparse(sum.pooled, more.pooled);
}

function addCounts(sum: Counts, more: Counts): void {
  sum.calls += more.calls;
  sum.failed += more.failed;
  sum.compared += more.compared;
  sum.mismatch += more.mismatch;
}

function sliceOf(sum: Sum, minute: number): TimeSlice {
  return {
    ...sum,
    from: minute * minuteMs,
    to: (minute + 1) * minuteMs,
    legacy: latencyOf(sum.legacy),
    pooled: latencyOf(sum.pooled),
  };
}

const noFigures: SliceLatency = Object.freeze({ count: 0, p50Ms: undefined, p99Ms: undefined });

function latencyOf(latency: SparseLatency): SliceLatency {
  if (latency === noLatency) return noFigures;
  const count = sparseCount(latency);
  return {
    count,
    p50Ms: sparsePercentile(latency, 50, count),
    p99Ms: sparsePercentile(latency, 99, count),
  };
}
