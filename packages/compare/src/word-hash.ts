/**
 * A 64-bit hash over 32-bit words: two lanes of 32 bits, since plain JavaScript multiplies no wider. Each word is
 * spread once, then taken up by each lane with a multiplication of its own; the lanes rotate by different amounts, so
 * that a pair of words that cancels out in one doesn't in the other. The end mixes each bit into all 64, by the
 * finalizer of MurmurHash3 (Austin Appleby, public domain). Not for keys that an adversary chooses.
 */
export class WordHash {
  #a = 0;
  #b = 0;
  #count = 0;
  #low = 0;
  #high = 0;

  /** The lower half of what the last {@link finish} made, unsigned. */
  get low(): number {
    return this.#low;
  }

  /** The upper half, unsigned. */
  get high(): number {
    return this.#high;
  }

  start(): void {
    this.#a = 0x2d519c3b;
    this.#b = 0x7a6f0e85;
    this.#count = 0;
  }

  /** Takes up the first `length` of `words`. */
  add(words: Uint32Array, length: number): void {
    let a = this.#a;
    let b = this.#b;
    for (let at = 0; at < length; at += 1) {
      let word = Math.imul(words[at] ?? 0, 0xcc9e2d51);
      word ^= word >>> 15;
      a = Math.imul(a ^ word, 0x9e3779b1);
      a = (a << 13) | (a >>> 19);
      b = Math.imul((b + word) | 0, 0x85ebca77);
      b = (b << 19) | (b >>> 13);
    }
    this.#a = a;
    this.#b = b;
    this.#count += length;
  }

  /** Makes the hash of all words since {@link start}; more can follow. */
  finish(): void {
    const a = this.#a ^ this.#count;
    const both = (a + (this.#b ^ this.#count)) | 0;
    const left = spread(both);
    const right = spread(((this.#b ^ this.#count) + both) | 0);
    const low = (left + right) | 0;
    this.#low = low >>> 0;
    this.#high = (right + low) >>> 0;
  }

  /** The last hash as 16 hexadecimal digits. */
  toString(): string {
    return hexadecimal(this.#high, this.#low);
  }
}

const digits: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  byte.toString(16).padStart(2, '0'),
);

/** 64 bits as 16 hexadecimal digits. Looked up, since a digest of one row would else be mostly `toString(16)`. */
export function hexadecimal(high: number, low: number): string {
  return half(high) + half(low);
}

function half(word: number): string {
  const at = (shift: number): string => digits[(word >>> shift) & 0xff] ?? '';
  return at(24) + at(16) + at(8) + at(0);
}

/** Each bit of the result depends on each bit of `word`. */
function spread(word: number): number {
  let mixed = word ^ (word >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
