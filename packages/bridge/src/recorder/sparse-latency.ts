import { LatencyHistogram } from '@changeover/compare';

/**
 * Latencies of a minute: bucket, count, bucket, count and so on, in the order of the buckets. Some dozen calls fall in a few of
 * them, so that a minute is a text of some ten bytes.
 */
export type SparseLatency = readonly number[];

/** Buckets of a histogram that are one here: eight a doubling are left, of which the middle is 4.4 % off. */
const bucketsTogether = 4;
const bucketsPerDoubling = 32;
const smallestMs = 0.001;

/** Nothing measured. */
export const noLatency: SparseLatency = Object.freeze([]);

/** What a histogram has counted. */
export function sparseOf(histogram: LatencyHistogram): SparseLatency {
  const pairs: number[] = [];
  for (const [bucket, count] of histogram.toJSON().buckets) {
    const coarse = Math.ceil(bucket / bucketsTogether);
    const last = pairs.length - 2;
    if (pairs[last] === coarse) pairs[last + 1] = (pairs[last + 1] ?? 0) + count;
    else pairs.push(coarse, count);
  }
  return pairs;
}

/** Both together; with a `sign` of -1 the first without the second, which it grew from. */
export function addSparse(
  one: SparseLatency,
  other: SparseLatency,
  sign: 1 | -1 = 1,
): SparseLatency {
  if (other.length === 0) return one;
  if (one.length === 0 && sign === 1) return other;
  const pairs: number[] = [];
  for (let left = 0, right = 0; left < one.length || right < other.length;) {
    const a = one[left] ?? Infinity;
    const b = other[right] ?? Infinity;
    const count =
      (a <= b ? (one[left + 1] ?? 0) : 0) + (b <= a ? sign * (other[right + 1] ?? 0) : 0);
    if (count > 0) pairs.push(Math.min(a, b), count);
    if (a <= b) left += 2;
    if (b <= a) right += 2;
  }
  return pairs;
}

/** Adds up very many: in place of a new list for each, one place a bucket. */
export class SparseSum {
  readonly #counts: number[] = [];

  add(pairs: SparseLatency): void {
    const counts = this.#counts;
    for (let at = 0; at < pairs.length; at += 2) {
      const bucket = pairs[at] ?? 0;
      counts[bucket] = (counts[bucket] ?? 0) + (pairs[at + 1] ?? 0);
    }
  }

  get latency(): SparseLatency {
    return this.#counts.flatMap((count, bucket) => (count > 0 ? [bucket, count] : []));
  }
}

/** A histogram of the same, each in the middle of its bucket. */
export function histogramOf(pairs: SparseLatency): LatencyHistogram {
  const buckets: (readonly [number, number])[] = [];
  for (let at = 0; at < pairs.length; at += 2)
    buckets.push([middleOf(pairs[at] ?? 0), pairs[at + 1] ?? 0]);
  const longest = buckets.at(-1)?.[0] ?? 0;
  return LatencyHistogram.fromJSON({ buckets, sumMs: 0, maxMs: msOf(longest) });
}

/** How many were measured. */
export function sparseCount(pairs: SparseLatency): number {
  let count = 0;
  for (let at = 1; at < pairs.length; at += 2) count += pairs[at] ?? 0;
  return count;
}

/** The latency that `percent` of all do not exceed, in ms, at most 4.4 % off; undefined where none was measured. */
export function sparsePercentile(
  pairs: SparseLatency,
  percent: number,
  count: number = sparseCount(pairs),
): number | undefined {
  if (count === 0) return undefined;
  let left = Math.max(1, Math.ceil((percent / 100) * count));
  let at = 0;
  while (at + 2 < pairs.length && (left -= pairs[at + 1] ?? 0) > 0) at += 2;
  return msOf(middleOf(pairs[at] ?? 0));
}

/** In buckets of a histogram. */
function middleOf(coarse: number): number {
  return Math.max(0, coarse * bucketsTogether - bucketsTogether / 2);
}

function msOf(bucket: number): number {
  return smallestMs * 2 ** (bucket / bucketsPerDoubling);
}

/** As {@link sparseFrom} reads it: `30:4 31:10`. */
export function sparseText(pairs: SparseLatency): string {
  let text = '';
  for (let at = 0; at < pairs.length; at += 2)
    text += `${at === 0 ? '' : ' '}${String(pairs[at])}:${String(pairs[at + 1])}`;
  return text;
}

/** What {@link sparseText} wrote; of another text something that means nothing. Read digit by digit: there are a hundred thousand. */
export function sparseFrom(text: string): SparseLatency {
  if (text === '') return noLatency;
  const pairs: number[] = [];
  let value = 0;
  for (let at = 0; at < text.length; at += 1) {
    const digit = text.charCodeAt(at) - 48;
    if (digit >= 0 && digit <= 9) value = value * 10 + digit;
    else {
      pairs.push(value);
      value = 0;
    }
  }
  pairs.push(value);
  return pairs;
}
