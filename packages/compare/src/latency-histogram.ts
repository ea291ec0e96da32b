/** Buckets a doubling; the widest bucket is then 2^(1/32) - 1 = 2.2 % of its value, and its middle is 1.1 % off. */
const bucketsPerDoubling = 32;
const doublingShift = Math.log2(bucketsPerDoubling);
/** The smallest latency told apart, in ms: a microsecond. */
const smallestMs = 0.001;
/** Doublings from the smallest to the longest latency told apart, 2^30 µs or 18 minutes. */
const doublings = 30;
const longestMs = smallestMs * 2 ** doublings;
const bucketCount = doublings * bucketsPerDoubling + 1;

/** A histogram's content as plain JSON: bucket numbers with their counts, in order. */
export interface LatencyHistogramJson {
  readonly buckets: readonly (readonly [bucket: number, count: number])[];
  readonly sumMs: number;
  readonly maxMs: number;
}

/** Counts latencies in buckets of equal ratio. Of a doubling's buckets nothing is held until a latency falls among them: most
 * histograms see a few doublings, and a process holds some for each dataset. */
export class LatencyHistogram {
  #doublings: (Float64Array | undefined)[] = [];
  #count = 0;
  #sumMs = 0;
  #maxMs = 0;

  get count(): number {
    return this.#count;
  }

  get maxMs(): number {
    return this.#maxMs;
  }

  /** All of them together, in ms. */
  get sumMs(): number {
    return this.#sumMs;
  }

  /** The mean of all, in ms, exact but for rounding; undefined where none was recorded. */
  get meanMs(): number | undefined {
    return this.#count === 0 ? undefined : this.#sumMs / this.#count;
  }

  /** Counts one latency. Negative ones and what is no number count as zero, ones above 18 minutes as 18 minutes. */
  record(ms: number): void {
    const latencyMs = ms > 0 ? (ms < longestMs ? ms : longestMs) : 0;
    this.#add(
      latencyMs > smallestMs
        ? Math.ceil(Math.log2(latencyMs / smallestMs) * bucketsPerDoubling)
        : 0,
      1,
    );
    this.#sumMs += latencyMs;
    if (latencyMs > this.#maxMs) this.#maxMs = latencyMs;
  }

  /**
   * The latency that `percent` of all do not exceed, in ms, at most 1.1 % off; undefined where none was recorded.
   *
   * @throws {RangeError} where `percent` is not from 0 to 100.
   */
  percentile(percent: number): number | undefined {
    if (!(percent >= 0 && percent <= 100)) {
      throw new RangeError(`a percentile is from 0 to 100, not ${String(percent)}`);
    }
    if (this.#count === 0) return undefined;
    let left = Math.max(1, Math.ceil((percent / 100) * this.#count));
    for (const [bucket, count] of this.#buckets()) {
      left -= count;
      if (left <= 0)
        return Math.min(this.#maxMs, smallestMs * 2 ** ((bucket - 0.5) / bucketsPerDoubling));
    }
    return this.#maxMs;
  }

  /** Adds what another histogram has counted. */
  merge(other: LatencyHistogram): void {
    for (const [bucket, count] of other.#buckets()) this.#add(bucket, count);
    this.#sumMs += other.#sumMs;
    this.#maxMs = Math.max(this.#maxMs, other.#maxMs);
  }

  toJSON(): LatencyHistogramJson {
    return { buckets: this.#buckets(), sumMs: this.#sumMs, maxMs: this.#maxMs };
  }

  /** @throws {TypeError} for what {@link toJSON} doesn't write. */
  static fromJSON(json: LatencyHistogramJson): LatencyHistogram {
    const histogram = new LatencyHistogram();
    if (!isHistogram(json))
      throw new TypeError('not a latency histogram: buckets, sumMs and maxMs are expected');
    for (const [bucket, count] of json.buckets) histogram.#add(bucket, count);
    histogram.#sumMs = json.sumMs;
    histogram.#maxMs = json.maxMs;
    return histogram;
  }

  #add(bucket: number, count: number): void {
    const doubling = (this.#doublings[bucket >>> doublingShift] ??= new Float64Array(
      bucketsPerDoubling,
    ));
    const at = bucket & (bucketsPerDoubling - 1);
    doubling[at] = (doubling[at] ?? 0) + count;
    this.#count += count;
  }

  /** The buckets that hold anything, in order. */
  #buckets(): (readonly [bucket: number, count: number])[] {
    const buckets: (readonly [number, number])[] = [];
    // Plain loops: iterators over all buckets took ten times as long.
    for (let doubling = 0; doubling < this.#doublings.length; doubling += 1) {
      const counts = this.#doublings[doubling];
      for (let at = 0; counts !== undefined && at < bucketsPerDoubling; at += 1) {
        const count = counts[at] ?? 0;
        if (count > 0) buckets.push([(doubling << doublingShift) + at, count]);
      }
    }
    return buckets;
  }
}

function isHistogram(json: unknown): json is LatencyHistogramJson {
  if (typeof json !== 'object' || json === null) return false;
  const { buckets, sumMs, maxMs } = json as { buckets?: unknown; sumMs?: unknown; maxMs?: unknown };
  const isLatency = (value: unknown): boolean => Number.isFinite(value) && (value as number) >= 0;
  return isLatency(sumMs) && isLatency(maxMs) && Array.isArray(buckets) && buckets.every(isBucket);
}

function isBucket(entry: unknown): boolean {
  if (!Array.isArray(entry) || entry.length !== 2) return false;
  const [bucket, count] = entry as [unknown, unknown];
  const isCount = (value: unknown): value is number =>
    Number.isSafeInteger(value) && (value as number) >= 0;
  return isCount(bucket) && bucket < bucketCount && isCount(count);
}
