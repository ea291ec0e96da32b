import { inverseIncompleteBeta, studentQuantile } from './distributions.ts';

/** A figure from a sample, with what the sample says of the true one. */
export interface Estimate {
  readonly value: number;
  /** The true figure is above this with the given confidence. */
  readonly lower: number;
  /** The true figure is below this with the given confidence. */
  readonly upper: number;
  /** Observations it rests on. */
  readonly n: number;
}

/** Either a figure or the reason why there is none. Never zero for want of observations. */
export type Finding = ({ readonly kind: 'estimate' } & Estimate) | Inconclusive;

export interface Inconclusive {
  readonly kind: 'inconclusive';
  readonly n: number;
  readonly reason: string;
}

const defaultConfidence = 0.95;

/** Pairs below which a mean's interval isn't given: latencies are skewed, and its form rests on many. */
const smallestPairs = 30;

/**
 * A share (mismatches of comparisons, errors of calls) with its Clopper–Pearson bounds, each at the given confidence
 * by itself: 0 of n has the upper bound 1 - (1 - confidence)^(1/n).
 *
 * @throws {RangeError} for counts that are none, or a confidence outside 0.5 to 1.
 */
export function shareOf(count: number, n: number, confidence: number = defaultConfidence): Finding {
  if (!Number.isSafeInteger(n) || !Number.isSafeInteger(count) || count < 0 || count > n) {
    throw new RangeError(
      `${String(count)} of ${String(n)} is no share: give whole numbers, the first no greater`,
    );
  }
  checkConfidence(confidence);
  if (n === 0) return { kind: 'inconclusive', n, reason: 'nothing was observed' };
  const lower = lowerBound(count, n, confidence);
  return {
    kind: 'estimate',
    value: count / n,
    n,
    lower,
    upper: 1 - lowerBound(n - count, n, confidence),
  };
}

/** The upper bound of a share is what the lower one of the rest leaves. */
function lowerBound(count: number, n: number, confidence: number): number {
  // All of n has a closed form, and is what most shapes of a healthy key come to.
  if (count === n) return (1 - confidence) ** (1 / n);
  return count === 0 ? 0 : inverseIncompleteBeta(1 - confidence, count, n - count + 1);
}

/** How many observations without a single hit put the upper bound of a share below `threshold`. */
export function neededForBound(threshold: number, confidence: number = defaultConfidence): number {
  if (!(threshold > 0 && threshold < 1)) {
    throw new RangeError(`a share's bound is between 0 and 1, not ${String(threshold)}`);
  }
  checkConfidence(confidence);
  return Math.ceil(Math.log(1 - confidence) / Math.log1p(-threshold));
}

/**
 * The second share less the first, with bounds by Newcombe's hybrid of Wilson's score intervals (1998, method 10), each
 * at the given confidence by itself.
 */
export function shareDifference(
  first: { readonly count: number; readonly n: number },
  second: { readonly count: number; readonly n: number },
  confidence: number = defaultConfidence,
): Finding {
  const n = Math.min(first.n, second.n);
  const [a, b] = [
    shareOf(first.count, first.n, confidence),
    shareOf(second.count, second.n, confidence),
  ];
  if (a.kind === 'inconclusive' || b.kind === 'inconclusive') {
    return { kind: 'inconclusive', n, reason: 'nothing was observed on one side' };
  }
  const z = studentQuantile(confidence, 1e9);
  const [wilsonA, wilsonB] = [wilson(first.count, first.n, z), wilson(second.count, second.n, z)];
  const value = b.value - a.value;
  return {
    kind: 'estimate',
    value,
    n,
    lower: value - Math.hypot(b.value - wilsonB.lower, wilsonA.upper - a.value),
    upper: value + Math.hypot(wilsonB.upper - b.value, a.value - wilsonA.lower),
  };
}

function wilson(
  count: number,
  n: number,
  z: number,
): { readonly lower: number; readonly upper: number } {
  const share = count / n;
  const weight = 1 + (z * z) / n;
  const middle = (share + (z * z) / (2 * n)) / weight;
  const half = (z / weight) * Math.sqrt((share * (1 - share)) / n + (z * z) / (4 * n * n));
  return { lower: Math.max(0, middle - half), upper: Math.min(1, middle + half) };
}

/** What {@link PairedDifference} holds, as plain JSON. */
export interface PairedDifferenceJson {
  readonly n: number;
  readonly mean: number;
  readonly squares: number;
}

/**
 * The mean of the differences within pairs (pooled less legacy latency of one call, in ms), gathered one by one in
 * constant memory by Welford's method; merged by that of Chan, Golub and LeVeque.
 */
export class PairedDifference {
  #n = 0;
  #mean = 0;
  #squares = 0;

  get n(): number {
    return this.#n;
  }

  /** Adds one pair; one that is not finite is left out. */
  add(legacyMs: number, pooledMs: number): void {
    const difference = pooledMs - legacyMs;
    if (!Number.isFinite(difference)) return;
    this.#n += 1;
    const from = difference - this.#mean;
    this.#mean += from / this.#n;
    this.#squares += from * (difference - this.#mean);
  }

  merge(other: PairedDifference): void {
    const n = this.#n + other.#n;
    if (other.#n === 0) return;
    const apart = other.#mean - this.#mean;
    this.#squares += other.#squares + (apart * apart * this.#n * other.#n) / n;
    this.#mean += (apart * other.#n) / n;
    this.#n = n;
  }

  /** The mean with Student's t bounds, each at the given confidence by itself; none below {@link smallestPairs}. */
  estimate(confidence: number = defaultConfidence): Finding {
    checkConfidence(confidence);
    const n = this.#n;
    if (n < smallestPairs) {
      return {
        kind: 'inconclusive',
        n,
        reason: `${String(n)} pairs are too few: ${String(smallestPairs)} are needed`,
      };
    }
    const half = studentQuantile(confidence, n - 1) * Math.sqrt(this.#squares / (n - 1) / n);
    return {
      kind: 'estimate',
      value: this.#mean,
      lower: this.#mean - half,
      upper: this.#mean + half,
      n,
    };
  }

  toJSON(): PairedDifferenceJson {
    return { n: this.#n, mean: this.#mean, squares: this.#squares };
  }

  /** @throws {TypeError} for what {@link toJSON} doesn't write. */
  static fromJSON(json: PairedDifferenceJson): PairedDifference {
    if (!isPairedDifference(json))
      throw new TypeError('no paired difference: n, mean and squares are expected');
    const difference = new PairedDifference();
    difference.#n = json.n;
    difference.#mean = json.mean;
    difference.#squares = json.squares;
    return difference;
  }
}

function isPairedDifference(json: unknown): json is PairedDifferenceJson {
  if (typeof json !== 'object' || json === null) return false;
  const { n, mean, squares } = json as Partial<PairedDifferenceJson>;
  return (
    Number.isSafeInteger(n) &&
    Number(n) >= 0 &&
    Number.isFinite(mean) &&
    Number.isFinite(squares) &&
    Number(squares) >= 0
  );
}

function checkConfidence(confidence: number): void {
  if (!(confidence > 0.5 && confidence < 1)) {
    throw new RangeError(`a confidence is between 0.5 and 1, not ${String(confidence)}`);
  }
}
