import { types } from 'node:util';

/** What can be chosen about which values are one. Everything else is fixed; see `docs/canonical-values.md`. */
export interface ValuePolicy {
  /** Whether -0 is another value than 0. `NaN` is always one value, and equals itself. */
  readonly negativeZero: 'distinct' | 'equal';
}

/** The policy where nothing is known of the store: what a caller can tell apart is different. */
export const strictValues: ValuePolicy = { negativeZero: 'distinct' };

/** How deep lists and structs may be nested. Deeper ones are refused, circular ones among them. */
export const maxDepth = 200;
/** The greatest length that fits beside a tag: 268 million characters, bytes or elements. */
const maxLength = 2 ** 28 - 1;
/** Texts above this length are copied by the platform, two characters a word; a call a text is what that costs. */
const longText = 96;
/** Words to begin with: 64 bytes is what the platform makes without going to the allocator. */
const firstWords = 16;
/** Words kept from one value to the next. */
const keptWords = 2 ** 18;

/** The low four bits of the word that begins each value. The other 28 hold its length, or the value itself. */
export const tag = {
  constant: 0,
  smallInteger: 1,
  integer: 2,
  double: 3,
  positive: 4,
  negative: 5,
  latinText: 6,
  text: 7,
  bytes: 8,
  list: 9,
  struct: 10,
  map: 11,
  set: 12,
  date: 13,
  instance: 14,
  row: 15,
} as const;

/** Values without content; `absent` is a field that isn't there, or a hole in a list. */
export const constant = { null: 0, undefined: 1, absent: 2, false: 3, true: 4 } as const;

const double = new Float64Array(1);
const doubleWords = new Uint32Array(double.buffer);

/**
 * Writes values as words, injectively: a tag and a length, then the content, so that from the words of a value it could
 * be read back, and no value's words are the beginning of another's. Two values have the same words exactly when they
 * are the same value, however a driver represents it:
 *
 * - an integer within ±2^53 is one value as `number` and as `bigint`, bytes are one as `Buffer` and as `Uint8Array`;
 * - structs, maps and sets don't depend on the order of their entries, lists do;
 * - text is compared by its UTF-16 units: normal forms differ, lone surrogates are kept;
 * - null, undefined, a missing field, `''`, `0`, `false` and `'0'` all differ.
 *
 * Instances of classes count by their class's name with their `toJSON()`, or their own fields where there is none.
 *
 * @throws {TypeError} for what is no data or hides it: symbols, functions, promises, objects without visible fields.
 * @throws {RangeError} for what is nested too deep or too long.
 */
export class CanonicalWriter {
  readonly #negativeZeroIsZero: boolean;
  #words: Uint32Array<ArrayBuffer> = new Uint32Array(firstWords);
  #length = 0;
  #depth = 0;

  constructor(policy: ValuePolicy = strictValues) {
    this.#negativeZeroIsZero = policy.negativeZero === 'equal';
  }

  /** The words written so far are the first {@link length} of these. Valid until the next write. */
  get words(): Uint32Array {
    return this.#words;
  }

  get length(): number {
    return this.#length;
  }

  /** Forgets what was written. */
  reset(): void {
    this.#length = 0;
    this.#depth = 0;
    if (this.#words.length > keptWords) this.#words = new Uint32Array(firstWords);
  }

  /** The words as bytes, little end first. */
  toBytes(): Uint8Array {
    const bytes = new DataView(new ArrayBuffer(this.#length * 4));
    for (let at = 0; at < this.#length; at += 1)
      bytes.setUint32(at * 4, this.#words[at] ?? 0, true);
    return new Uint8Array(bytes.buffer);
  }

  value(value: unknown): void {
    switch (typeof value) {
      case 'number':
        this.#number(value);
        return;
      case 'string':
        this.#text(value);
        return;
      case 'object':
        if (value === null) this.#word(constant.null << 4);
        else this.#object(value);
        return;
      case 'boolean':
        this.#word((value ? constant.true : constant.false) << 4);
        return;
      case 'undefined':
        this.#word(constant.undefined << 4);
        return;
      case 'bigint':
        this.#bigInteger(value);
        return;
      case 'function':
      case 'symbol':
        throw new TypeError(`a ${typeof value} is no data: it can't be compared`);
    }
  }

  /** A row by its columns' names. What it lacks and what it has beside them counts too.
   * @returns whether it has exactly the columns. */
  row(row: Readonly<Record<string, unknown>>, columns: readonly string[]): boolean {
    const start = this.#length;
    this.#header(tag.row, columns.length);
    let at = 0;
    // Drivers make all rows of a result alike, and reading an object's fields in their own order is far cheaper.
    for (const name in row) {
      if (name !== columns[at]) return this.#rowByName(row, columns, start);
      this.value(row[name]);
      at += 1;
    }
    return at === columns.length || this.#rowByName(row, columns, start);
  }

  /** The same row as a list of values in the columns' order. */
  rowValues(values: readonly unknown[]): void {
    this.#header(tag.row, values.length);
    for (const value of values) this.value(value);
  }

  #rowByName(
    row: Readonly<Record<string, unknown>>,
    columns: readonly string[],
    start: number,
  ): boolean {
    this.#length = start;
    this.#header(tag.row, columns.length);
    let complete = true;
    for (const column of columns) {
      if (Object.hasOwn(row, column)) this.value(row[column]);
      else {
        complete = false;
        this.#word(constant.absent << 4);
      }
    }
    const known = new Set(columns);
    const others = Object.keys(row).filter((name) => !known.has(name));
    if (others.length > 0) this.#fields(row, others);
    return complete && others.length === 0;
  }

  #word(word: number): void {
    if (this.#length === this.#words.length) this.#reserve(1);
    this.#words[this.#length] = word;
    this.#length += 1;
  }

  #header(kind: number, length: number): void {
    if (length > maxLength)
      throw new RangeError(`${String(length)} entries or bytes are too many to compare`);
    this.#word(kind | (length << 4));
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#words.length) return;
    const words = new Uint32Array(Math.max(needed, this.#words.length * 4));
    words.set(this.#words.subarray(0, this.#length));
    this.#words = words;
  }

  #number(value: number): void {
    const integer = (value << 4) >> 4;
    this.#reserve(3);
    const words = this.#words;
    const at = this.#length;
    if (integer === value && (integer !== 0 || this.#negativeZeroIsZero || !Object.is(value, -0))) {
      words[at] = tag.smallInteger | (integer << 4);
      this.#length = at + 1;
    } else if (Number.isSafeInteger(value) && value !== 0) {
      words[at] = tag.integer;
      words[at + 1] = value;
      words[at + 2] = Math.floor(value / 2 ** 32);
      this.#length = at + 3;
    } else {
      // A NaN's payload is nobody's data and depends on the processor.
      double[0] = value === value ? value : NaN;
      words[at] = tag.double;
      words[at + 1] = doubleWords[0] ?? 0;
      words[at + 2] = doubleWords[1] ?? 0;
      this.#length = at + 3;
    }
  }

  #bigInteger(value: bigint): void {
    if (value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER) {
      this.#number(Number(value));
      return;
    }
    const digits = (value < 0n ? -value : value).toString(16);
    this.#header(value < 0n ? tag.negative : tag.positive, digits.length);
    for (let end = digits.length; end > 0; end -= 8) {
      this.#word(Number.parseInt(digits.slice(Math.max(0, end - 8), end), 16));
    }
  }

  /** Four characters a word where all are below 256, else two: which of the two follows from the text alone. */
  #text(value: string): void {
    const { length } = value;
    if (length > longText) {
      this.#longText(value);
      return;
    }
    this.#reserve(1 + ((length + 1) >> 1));
    const words = this.#words;
    const start = this.#length;
    words[start] = tag.latinText | (length << 4);
    let seen = 0;
    let at = 0;
    let to = start + 1;
    for (; at + 3 < length; at += 4) {
      const first = value.charCodeAt(at);
      const second = value.charCodeAt(at + 1);
      const third = value.charCodeAt(at + 2);
      const fourth = value.charCodeAt(at + 3);
      seen |= first | second | third | fourth;
      words[to] = first | (second << 8) | (third << 16) | (fourth << 24);
      to += 1;
    }
    if (at < length) {
      let rest = 0;
      for (let shift = 0; at < length; at += 1, shift += 8) {
        const unit = value.charCodeAt(at);
        seen |= unit;
        rest |= unit << shift;
      }
      words[to] = rest;
      to += 1;
    }
    this.#length = to;
    if (seen > 0xff) this.#wideText(value, start);
  }

  #wideText(value: string, start: number): void {
    const { length } = value;
    const words = this.#words;
    let to = start;
    words[to] = tag.text | (length << 4);
    for (let at = 0; at < length; at += 2) {
      to += 1;
      words[to] = value.charCodeAt(at) | (at + 1 < length ? value.charCodeAt(at + 1) << 16 : 0);
    }
    this.#length = to + 1;
  }

  #longText(value: string): void {
    this.#header(tag.text, value.length);
    const count = (value.length + 1) >> 1;
    this.#reserve(count);
    const start = this.#length;
    const end = start + count;
    this.#words[end - 1] = 0;
    Buffer.from(this.#words.buffer, start * 4, count * 4).write(value, 'utf16le');
    this.#length = end;
  }

  #object(value: object): void {
    if (this.#depth >= maxDepth) {
      throw new RangeError(
        `nested deeper than ${String(maxDepth)} levels, or in a circle: it can't be compared`,
      );
    }
    this.#depth += 1;
    if (Array.isArray(value)) this.#list(value);
    else if (ArrayBuffer.isView(value)) this.#view(value);
    else if (isPlain(value)) this.#struct(tag.struct, value as Readonly<Record<string, unknown>>);
    else this.#instance(value);
    this.#depth -= 1;
  }

  #list(list: readonly unknown[]): void {
    this.#header(tag.list, list.length);
    for (let at = 0; at < list.length; at += 1) {
      const item = list[at];
      if (item === undefined && !Object.hasOwn(list, at)) this.#word(constant.absent << 4);
      else this.value(item);
    }
  }

  #struct(kind: number, struct: Readonly<Record<string, unknown>>): void {
    this.#fields(struct, Object.keys(struct), kind);
  }

  #fields(
    struct: Readonly<Record<string, unknown>>,
    names: string[],
    kind: number = tag.struct,
  ): void {
    this.#header(kind, names.length);
    for (const name of names.sort()) {
      this.#text(name);
      this.value(struct[name]);
    }
  }

  #view(view: ArrayBufferView): void {
    const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    if (!types.isUint8Array(view)) {
      this.#header(tag.instance, 1);
      this.#text(className(view));
    }
    this.#bytes(bytes);
  }

  #bytes(bytes: Uint8Array): void {
    this.#header(tag.bytes, bytes.length);
    const count = (bytes.length + 3) >> 2;
    this.#reserve(count);
    const end = this.#length + count;
    if (count > 0) this.#words[end - 1] = 0;
    new Uint8Array(this.#words.buffer, this.#length * 4, bytes.length).set(bytes);
    this.#length = end;
  }

  #instance(value: object): void {
    if (types.isDate(value)) {
      this.#word(tag.date);
      this.#number(value.getTime());
    } else if (types.isMap(value)) {
      this.#unordered(
        tag.map,
        value.size,
        Array.from(value, ([key, item]: [unknown, unknown]) => [key, item]),
      );
    } else if (types.isSet(value)) {
      this.#unordered(
        tag.set,
        value.size,
        Array.from(value, (item: unknown) => [item]),
      );
    } else this.#classInstance(value);
  }

  #classInstance(value: object): void {
    this.#header(tag.instance, 0);
    this.#text(className(value));
    if (types.isAnyArrayBuffer(value)) this.#bytes(new Uint8Array(value));
    else if (types.isBoxedPrimitive(value) || types.isRegExp(value)) this.#text(String(value));
    else if (isError(value)) this.#text(`${value.name}: ${value.message}`);
    else if (typeof (value as { toJSON?: unknown }).toJSON === 'function') {
      this.value((value as { toJSON(): unknown }).toJSON());
    } else {
      const names = Object.keys(value);
      if (names.length === 0)
        throw new TypeError(`a ${className(value)} shows no fields: it can't be compared`);
      this.#fields(value as Readonly<Record<string, unknown>>, names);
    }
  }

  /** Sorts the entries by their own encodings, which takes no order of values for granted. */
  #unordered(kind: number, size: number, entries: readonly (readonly unknown[])[]): void {
    const encoded = entries.map((entry) => {
      const writer = new CanonicalWriter({
        negativeZero: this.#negativeZeroIsZero ? 'equal' : 'distinct',
      });
      writer.#depth = this.#depth;
      for (const item of entry) writer.value(item);
      return writer.words.subarray(0, writer.length);
    });
    this.#header(kind, size);
    for (const words of encoded.sort(compareWords)) {
      this.#reserve(words.length);
      this.#words.set(words, this.#length);
      this.#length += words.length;
    }
  }
}

/**
 * The canonical encoding of a value: the definition that digests are made by, as bytes.
 *
 * @throws as {@link CanonicalWriter} does.
 */
export function encodeCanonical(value: unknown, policy: ValuePolicy = strictValues): Uint8Array {
  const writer = new CanonicalWriter(policy);
  writer.value(value);
  return writer.toBytes();
}

/** Whether an object is a plain one, of whichever realm: its prototype is null or the root of all prototypes. */
export function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === null || prototype === Object.prototype) return true;
  return (
    Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype as object, 'isPrototypeOf')
  );
}

/** Whether an object is an error, of whichever realm. */
function isError(value: object): value is Error {
  return Object.prototype.toString.call(value) === '[object Error]';
}

/** The name of an object's class; a word for it where the class has none. */
export function className(value: object): string {
  const { constructor } = value as { constructor?: unknown };
  return typeof constructor === 'function' && constructor.name !== ''
    ? constructor.name
    : 'nameless class';
}

function compareWords(a: Uint32Array, b: Uint32Array): number {
  const shared = Math.min(a.length, b.length);
  for (let at = 0; at < shared; at += 1) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}
