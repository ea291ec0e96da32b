import { CanonicalWriter, constant, strictValues, tag, type ValuePolicy } from './canonical.ts';

/**
 * A value's canonical encoding, read back and written for people in the notation of `docs/canonical-values.md`, such as
 * `list 2 [integer 1, text 1 "a"]`. That it can be read back is what makes the encoding injective.
 *
 * @throws as {@link CanonicalWriter} does.
 */
export function canonicalNotation(value: unknown, policy: ValuePolicy = strictValues): string {
  const writer = new CanonicalWriter(policy);
  writer.value(value);
  return new CanonicalReader(writer.words.subarray(0, writer.length)).read();
}

class CanonicalReader {
  readonly #words: Uint32Array;
  #at = 0;

  constructor(words: Uint32Array) {
    this.#words = words;
  }

  read(): string {
    const text = this.#value();
    const left = this.#words.length - this.#at;
    if (left !== 0) throw new Error(`${String(left)} words were left over`);
    return text;
  }

  #next(): number {
    const word = this.#words[this.#at];
    if (word === undefined) throw new Error('the words end inside a value');
    this.#at += 1;
    return word;
  }

  #value(): string {
    const header = this.#next();
    const length = header >>> 4;
    switch (header & 15) {
      case tag.constant:
        return Object.entries(constant).find(([, number]) => number === length)?.[0] ?? 'unknown';
      case tag.smallInteger:
        return `integer ${String((header | 0) >> 4)}`;
      case tag.integer:
        return `integer ${String(this.#next() + (this.#next() | 0) * 2 ** 32)}`;
      case tag.positive:
      case tag.negative:
        return `integer ${(header & 15) === tag.negative ? '-' : ''}${String(this.#hexadecimal(length))}`;
      case tag.double:
        return `double ${this.#double()}`;
      case tag.latinText:
        return `text ${String(length)} ${quote(String.fromCharCode(...this.#bytes(length)))}`;
      case tag.text:
        return `text ${String(length)} ${quote(Buffer.from(this.#bytes(length * 2)).toString('utf16le'))}`;
      case tag.bytes:
        return `bytes ${String(length)}${length === 0 ? '' : ' '}${Buffer.from(this.#bytes(length)).toString('hex')}`;
      case tag.date:
        return `date ${this.#value()}`;
      case tag.instance:
        return `instance ${this.#value()} ${this.#value()}`;
      default:
        return this.#container(header & 15, length);
    }
  }

  #container(kind: number, length: number): string {
    const entry = (): string => {
      if (kind === tag.struct)
        return `${this.#value().replace(/^text \d+ /, '')}: ${this.#value()}`;
      return kind === tag.map ? `${this.#value()} => ${this.#value()}` : this.#value();
    };
    const entries = Array.from({ length }, entry).join(', ');
    switch (kind) {
      case tag.list:
        return `list ${String(length)} [${entries}]`;
      case tag.struct:
        return `struct ${String(length)} {${entries}}`;
      case tag.map:
        return `map ${String(length)} {${entries}}`;
      case tag.set:
        return `set ${String(length)} {${entries}}`;
      default:
        throw new Error(`${String(kind)} is no tag`);
    }
  }

  #double(): string {
    const words = Uint32Array.of(this.#next(), this.#next());
    const [value = 0] = new Float64Array(words.buffer);
    return Object.is(value, -0) ? '-0' : String(value);
  }

  #hexadecimal(digits: number): bigint {
    let value = 0n;
    for (let shift = 0n; shift < digits * 4; shift += 32n) value |= BigInt(this.#next()) << shift;
    return value;
  }

  #bytes(count: number): Uint8Array {
    const bytes = new Uint8Array(count);
    let word = 0;
    for (let at = 0; at < count; at += 1) {
      if (at % 4 === 0) word = this.#next();
      bytes[at] = (word >>> ((at % 4) * 8)) & 0xff;
    }
    return bytes;
  }
}

/** JSON's way, which keeps lone surrogates, and what can't be seen or would end a table's cell as an escape. */
function quote(text: string): string {
  const escape = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(text).replaceAll(/[^\u0020-\u007e]|\|/g, (found) =>
    found.split('').map(escape).join(''),
  );
}
