import { CanonicalWriter, strictValues, type ValuePolicy } from './canonical.ts';
import { hexadecimal, WordHash } from './word-hash.ts';

/** Parts that a scan's rows are dealt out to by their digests. */
const buckets = 4_096;
/** Words of a bucket: the sum's lower and upper half, and the number of rows. */
const bucketWords = 3;

/** A {@link ScanDigest} as it can be stored. */
export interface StoredScanDigest {
  readonly rows: number;
  readonly segments: readonly string[];
  /** Base64. */
  readonly buckets: string;
}

/**
 * Digests a scan of a table so that two scans can be compared and, where they differ, the rows that do be found without
 * comparing all again. The memory that it takes doesn't grow with the rows but for eight bytes a segment.
 *
 * - By segments, each a given number of rows in turn: where two scans of one order differ, a few segments do.
 * - By buckets, to which each row goes by its own digest, with the sum of the digests in it: order plays no part, and
 *   where a few rows differ, a few buckets do.
 */
export class ScanDigest {
  readonly #columns: number;
  readonly #writer: CanonicalWriter;
  readonly #hash = new WordHash();
  readonly #total = new WordHash();
  readonly #rowDigest = new Uint32Array(2);
  readonly #buckets = new Uint32Array(buckets * bucketWords);
  readonly #segments: string[] = [];
  #rows = 0;
  #open = 0;
  #words = 0;

  constructor(columns: number, policy: ValuePolicy = strictValues, stored?: StoredScanDigest) {
    this.#columns = columns;
    this.#writer = new CanonicalWriter(policy);
    this.#total.start();
    if (stored === undefined) return;
    const bytes = Buffer.from(stored.buckets, 'base64');
    if (bytes.length !== this.#buckets.byteLength)
      throw new RangeError('the stored digest is of another size');
    for (let at = 0; at < this.#buckets.length; at += 1)
      this.#buckets[at] = bytes.readUInt32LE(at * 4);
    this.#segments.push(...stored.segments);
    this.#rows = stored.rows;
  }

  get rows(): number {
    return this.#rows;
  }

  /** About how many bytes the rows' values take that were added here, by their canonical encoding. */
  get bytes(): number {
    return this.#words * 4;
  }

  /** The digests of the segments that were ended. */
  get segments(): readonly string[] {
    return this.#segments;
  }

  /**
   * Adds a row.
   *
   * @returns the row's digest, cut to the 53 bits that a number holds.
   * @throws {RangeError} where there are more or fewer values than columns, and as {@link CanonicalWriter} does.
   */
  add(values: readonly unknown[]): number {
    const digest = this.digestOf(values);
    const { low, high } = this.#hash;
    const at = bucketAt(low) * bucketWords;
    const words = this.#buckets;
    const sum = (words[at] ?? 0) + low;
    words[at] = sum;
    words[at + 1] = (words[at + 1] ?? 0) + high + (sum > 0xffffffff ? 1 : 0);
    words[at + 2] = (words[at + 2] ?? 0) + 1;
    this.#rowDigest[0] = low;
    this.#rowDigest[1] = high;
    this.#total.add(this.#rowDigest, 2);
    this.#rows += 1;
    this.#open += 1;
    this.#words += this.#writer.length;
    return digest;
  }

  /** A row's digest, without adding it. @throws as {@link add} does. */
  digestOf(values: readonly unknown[]): number {
    if (values.length !== this.#columns) {
      throw new RangeError(
        `a row of ${String(this.#columns)} values was expected, one of ${String(values.length)} came`,
      );
    }
    const writer = this.#writer;
    writer.reset();
    writer.rowValues(values);
    const hash = this.#hash;
    hash.start();
    hash.add(writer.words, writer.length);
    hash.finish();
    return hash.low + (hash.high & 0x1fffff) * 2 ** 32;
  }

  /** Ends a segment. One without rows is none. */
  endSegment(): void {
    if (this.#open === 0) return;
    this.#total.finish();
    this.#segments.push(this.#total.toString());
    this.#total.start();
    this.#open = 0;
  }

  /** One digest of all rows whatever their order. */
  orderFree(): string {
    let sum = 0n;
    for (let at = 0; at < this.#buckets.length; at += bucketWords) {
      sum += (BigInt(this.#buckets[at + 1] ?? 0) << 32n) + BigInt(this.#buckets[at] ?? 0);
    }
    const whole = BigInt.asUintN(64, sum);
    return hexadecimal(Number(whole >> 32n), Number(whole & 0xffffffffn));
  }

  /** What can be stored between segments. */
  store(): StoredScanDigest {
    const bytes = Buffer.alloc(this.#buckets.byteLength);
    this.#buckets.forEach((word, at) => {
      bytes.writeUInt32LE(word, at * 4);
    });
    return { rows: this.#rows, segments: [...this.#segments], buckets: bytes.toString('base64') };
  }

  /** The buckets in which two scans differ. */
  differingBuckets(other: ScanDigest): ReadonlySet<number> {
    const differing = new Set<number>();
    for (let at = 0; at < this.#buckets.length; at += 1) {
      if (this.#buckets[at] !== other.#buckets[at]) differing.add(Math.floor(at / bucketWords));
    }
    return differing;
  }

  /** The numbers of the segments in which two scans differ, the first being 0. */
  differingSegments(other: ScanDigest): readonly number[] {
    const count = Math.max(this.#segments.length, other.#segments.length);
    return Array.from({ length: count }, (_, at) => at).filter(
      (at) => this.#segments[at] !== other.#segments[at],
    );
  }
}

/** The bucket of a row by its digest. */
export function bucketOf(digest: number): number {
  return bucketAt(digest % 2 ** 32);
}

function bucketAt(low: number): number {
  return low % buckets;
}
