/** What precedes each value in the encoding, so that no two values of different kinds have one encoding. */
const tag = {
  null: 1, undefined: 2, true: 3, false: 4, integer: 5, double: 6, bigInteger: 7, text: 8, bytes: 9, list: 10,
  struct: 11, date: 12, map: 13, set: 14, opaque: 15,
} as const;

const double = new Float64Array(1);
const doubleWords = new Uint32Array(double.buffer);

/**
 * A 64-bit hash over the canonical encoding of values: each value's tag and length, then its content in 32-bit words.
 * The words go straight into two lanes of MurmurHash3's 32-bit mixing, without bytes in between and without allocating.
 */
export class RowHash {
  #a = 0;
  #b = 0;
  #words = 0;

  /** The result after {@link finish}, as two unsigned 32-bit halves. */
  get low(): number {
    return this.#a >>> 0;
  }

  get high(): number {
    return this.#b >>> 0;
  }

  start(values: number): void {
    this.#a = 0x2d51_9c3b;
    this.#b = 0x7a6f_0e85;
    this.#words = 0;
    this.#word(values);
  }

  add(value: unknown): void {
    switch (typeof value) {
      case 'number':
        this.#number(value);
        return;
      case 'string':
        this.#text(tag.text, value);
        return;
      case 'boolean':
        this.#word(value ? tag.true : tag.false);
        return;
      case 'bigint':
        this.#bigInteger(value);
        return;
      case 'undefined':
        this.#word(tag.undefined);
        return;
      case 'object':
        this.#object(value);
        return;
      default:
        throw new TypeError(`a ${typeof value} is no data and can't be compared`);
    }
  }

  finish(): void {
    let a = this.#a ^ this.#words;
    let b = this.#b ^ this.#words;
    a = (a + b) | 0;
    b = (b + a) | 0;
    a = finalMix(a);
    b = finalMix(b);
    this.#a = (a + b) | 0;
    this.#b = (b + this.#a) | 0;
  }

  #word(word: number): void {
    let k = Math.imul(word, 0xcc9e2d51);
    k = (k << 15) | (k >>> 17);
    let a = this.#a ^ Math.imul(k, 0x1b873593);
    a = (a << 13) | (a >>> 19);
    this.#a = (Math.imul(a, 5) + 0xe6546b64) | 0;
    let l = Math.imul(word, 0x239b961b);
    l = (l << 16) | (l >>> 16);
    let b = this.#b ^ Math.imul(l, 0xab0e9789);
    b = (b << 17) | (b >>> 15);
    this.#b = (Math.imul(b, 5) + 0x561ccd1b) | 0;
    this.#words += 1;
  }

  #number(value: number): void {
    // A whole number is the same value however a driver gives it; -0 is a double of its own.
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
      this.#word(tag.integer);
      this.#word(value | 0);
      this.#word(Math.floor(value / 0x1_0000_0000));
      return;
    }
    double[0] = Number.isNaN(value) ? NaN : value;
    this.#word(tag.double);
    this.#word(doubleWords[0] ?? 0);
    this.#word(doubleWords[1] ?? 0);
  }

  #bigInteger(value: bigint): void {
    if (value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER)) this.#number(Number(value));
    else this.#text(tag.bigInteger, value.toString(16));
  }

  #text(kind: number, value: string): void {
    const { length } = value;
    this.#word(kind);
    this.#word(length);
    let at = 0;
    for (; at + 1 < length; at += 2) this.#word(value.charCodeAt(at) | (value.charCodeAt(at + 1) << 16));
    if (at < length) this.#word(value.charCodeAt(at));
  }

  #object(value: object | null): void {
    if (value === null) this.#word(tag.null);
    else if (Array.isArray(value)) this.#list(tag.list, value);
    else if (ArrayBuffer.isView(value)) this.#bytes(value);
    else if (Object.prototype.toString.call(value) === '[object Date]') {
      this.#word(tag.date);
      this.#number((value as Date).getTime());
    } else if (value instanceof Map) this.#list(tag.map, [...value].flat());
    else if (value instanceof Set) this.#list(tag.set, [...value]);
    else this.#struct(value as Record<string, unknown>);
  }

  #list(kind: number, values: readonly unknown[]): void {
    this.#word(kind);
    this.#word(values.length);
    for (const value of values) this.add(value);
  }

  #bytes(view: ArrayBufferView): void {
    const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    this.#word(tag.bytes);
    this.#word(bytes.length);
    let at = 0;
    for (; at + 3 < bytes.length; at += 4) {
      this.#word((bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24));
    }
    for (; at < bytes.length; at += 1) this.#word(bytes[at] ?? 0);
  }

  #struct(fields: Record<string, unknown>): void {
    const names = Object.keys(fields).sort();
    this.#word(tag.struct);
    this.#word(names.length);
    for (const name of names) {
      this.#text(tag.text, name);
      this.add(fields[name]);
    }
  }
}

function finalMix(hash: number): number {
  let h = hash;
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}
