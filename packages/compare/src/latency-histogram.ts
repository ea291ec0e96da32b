/** Buckets a doubling; the widest bucket is then 2^(1/32) - 1 = 2.2 % of its value, and its middle is 1.1 % off. */
const bucketsPerDoubling = 32;
/** The smallest latency told apart, in ms: a microsecond. */
const smallestMs = 0.001;
/** Up to 2^30 µs, or 18 minutes; longer ones count in the last bucket. */
const bucketCount = 30 * bucketsPerDoubling + 1;

/** A histogram's content as plain JSON: bucket numbers with their counts, in order. */
export interface LatencyHistogramJson {
  readonly buckets: readonly (readonly [bucket: number, count: number])[];
  readonly sumMs: number;
  readonly maxMs: number;
}

/** Counts latencies in buckets of equal ratio. Recording allocates nothing once the first latency is in. */
export class LatencyHistogram {
  #counts: Float64Array | undefined;
  #count = 0;
  #sumMs = 0;
  #maxMs = 0;

  get count(): number {
    return this.#count;
  }

  get maxMs(): number {
    return this.#maxMs;
  }

  /** Counts one latency. Negative ones and what is no number count as zero. */
  record(ms: number): void {
    const counts = (this.#counts ??= new Float64Array(bucketCount));
    const bucket = ms > smallestMs ? Math.min(bucketCount - 1, Math.ceil(Math.log2(ms / smallestMs) * bucketsPerDoubling)) : 0;
    counts[bucket] = (counts[bucket] ?? 0) + 1;
    this.#count += 1;
    if (ms > 0) this.#sumMs += ms;
    if (ms > this.#maxMs) this.#maxMs = ms;
  }

  /** The latency that `percent` (0 to 100) of all do not exceed, in ms; undefined where none was recorded. */
  percentile(percent: number): number | undefined {
    if (this.#counts === undefined || this.#count === 0) return undefined;
    let left = Math.max(1, Math.ceil((percent / 100) * this.#count));
    for (const [bucket, count] of this.#counts.entries()) {
      left -= count;
      if (left <= 0) return Math.min(this.#maxMs, smallestMs * 2 ** ((bucket - 0.5) / bucketsPerDoubling));
    }
    return this.#maxMs;
  }

  /** Adds what another histogram has counted. */
  merge(other: LatencyHistogram): void {
    if (other.#counts === undefined) return;
    const counts = (this.#counts ??= new Float64Array(bucketCount));
    for (const [bucket, count] of other.#counts.entries()) counts[bucket] = (counts[bucket] ?? 0) + count;
    this.#count += other.#count;
    this.#sumMs += other.#sumMs;
    this.#maxMs = Math.max(this.#maxMs, other.#maxMs);
  }

  toJSON(): LatencyHistogramJson {
    const buckets = [...(this.#counts ?? []).entries()].filter(([, count]) => count > 0);
    return { buckets, sumMs: this.#sumMs, maxMs: this.#maxMs };
  }

  /** @throws {TypeError} for what {@link toJSON} doesn't write. */
  static fromJSON(json: LatencyHistogramJson): LatencyHistogram {
    const histogram = new LatencyHistogram();
    const counts = (histogram.#counts = new Float64Array(bucketCount));
    for (const [bucket, count] of json.buckets) {
      if (!(bucket >= 0 && bucket < bucketCount && count >= 0)) throw new TypeError('not a latency histogram');
      counts[bucket] = count;
      histogram.#count += count;
    }
    histogram.#sumMs = json.sumMs;
    histogram.#maxMs = json.maxMs;
    return histogram;
  }
}
