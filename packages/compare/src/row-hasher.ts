import type { Row } from '@changeover/core';
import { CanonicalWriter } from './canonical.ts';
import { WordHash } from './word-hash.ts';

/** Hashes rows and values to keys of a `Map`: 53 bits of their digests, which a number holds. */
export class RowHasher {
  readonly #writer = new CanonicalWriter();
  readonly #hash = new WordHash();

  /** @param columns those that count; what else a row has counts too. */
  row(row: Row, columns: readonly string[]): number {
    this.#writer.reset();
    this.#writer.row(row, columns);
    return this.#key();
  }

  /** Only these columns of a row. */
  cells(row: Row, columns: readonly string[]): number {
    this.#writer.reset();
    for (const column of columns) this.#writer.value(row[column]);
    return this.#key();
  }

  #key(): number {
    const hash = this.#hash;
    hash.start();
    hash.add(this.#writer.words, this.#writer.length);
    hash.finish();
    return hash.low + (hash.high & 0x1fffff) * 2 ** 32;
  }
}

/** Whether two values are one by their canonical encodings. */
export function sameValue(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  const simple = (value: unknown): boolean =>
    typeof value !== 'object' && typeof value !== 'bigint';
  if (simple(a) && simple(b)) return false;
  const [first, second] = [new CanonicalWriter(), new CanonicalWriter()];
  first.value(a);
  second.value(b);
  if (first.length !== second.length) return false;
  for (let at = 0; at < first.length; at += 1)
    if (first.words[at] !== second.words[at]) return false;
  return true;
}
