import type { Digest, Row } from '@changeover/core';
import { CanonicalWriter, isPlain, strictValues, type ValuePolicy } from './canonical.ts';
import { hexadecimal, WordHash } from './word-hash.ts';

/** Whether two results are the same, the same in another order, or different. */
export type DigestComparison = 'equal' | 'order' | 'different';

/** How many rows, and the sum of their digests: what adds up over writes. */
export type RowSum = Pick<Digest, 'count' | 'orderFree'>;

/**
 * Digests rows one after the other in constant memory. Each row's digest is a 64-bit hash of its canonical encoding;
 * the ordered total is a hash of these in turn, the order-free one their sum. Rows as objects and as lists of values
 * give the same digest. A row that lacks a column or has another beside them gives another digest than any that fits.
 */
export class RowsDigester {
  readonly #columns: readonly string[];
  readonly #writer: CanonicalWriter;
  readonly #hash = new WordHash();
  readonly #total = new WordHash();
  readonly #rowDigest = new Uint32Array(2);
  #sumLow = 0;
  #sumHigh = 0;
  #count = 0;

  /** @param columns the names in the result's order. */
  constructor(columns: readonly string[], policy: ValuePolicy = strictValues) {
    this.#columns = columns;
    this.#writer = new CanonicalWriter(policy);
    this.#total.start();
  }

  /**
   * @returns whether the row has exactly the columns.
   * @throws as {@link CanonicalWriter} does; nothing was added then.
   */
  addRow(row: Row): boolean {
    const writer = this.#writer;
    writer.reset();
    const fits = writer.row(row, this.#columns);
    this.#add();
    return fits;
  }

  /** @throws {RangeError} where there are more or fewer values than columns, and as {@link CanonicalWriter} does. */
  addValues(values: readonly unknown[]): void {
    const columns = this.#columns.length;
    if (values.length !== columns) {
      throw new RangeError(
        `a row of ${String(columns)} values was expected, one of ${String(values.length)} came`,
      );
    }
    const writer = this.#writer;
    writer.reset();
    writer.rowValues(values);
    this.#add();
  }

  /** The digest of the rows so far; more can follow. */
  finish(): Digest {
    this.#total.finish();
    return {
      kind: 'rows',
      columns: hashNames(this.#columns, this.#writer, this.#hash),
      count: this.#count,
      ordered: this.#total.toString(),
      orderFree: hexadecimal(this.#sumHigh, this.#sumLow),
    };
  }

  #add(): void {
    const hash = this.#hash;
    const writer = this.#writer;
    hash.start();
    hash.add(writer.words, writer.length);
    hash.finish();
    const { low, high } = hash;
    const sum = this.#sumLow + low;
    this.#sumLow = sum >>> 0;
    this.#sumHigh = (this.#sumHigh + high + (sum > 0xffffffff ? 1 : 0)) >>> 0;
    this.#rowDigest[0] = low;
    this.#rowDigest[1] = high;
    this.#total.add(this.#rowDigest, 2);
    this.#count += 1;
  }
}

/**
 * The digest of a list of rows.
 *
 * @param columns default: the first row's keys. Where rows then turn out to have different keys, each counts as a
 * struct and the columns are all their names, sorted.
 */
export function digestRows(
  rows: readonly Row[],
  columns?: readonly string[],
  policy: ValuePolicy = strictValues,
): Digest {
  return lastOf(rowsInSteps(rows, columns, policy, Infinity));
}

function* rowsInSteps(
  rows: readonly Row[],
  columns: readonly string[] | undefined,
  policy: ValuePolicy,
  rowsPerStep: number,
): DigestSteps {
  const digester = new RowsDigester(columns ?? Object.keys(rows[0] ?? {}), policy);
  let left = rowsPerStep;
  for (const row of rows) {
    if (!digester.addRow(row) && columns === undefined)
      return yield* mixedRowsInSteps(rows, policy, rowsPerStep);
    left -= 1;
    if (left > 0) continue;
    left = rowsPerStep;
    yield;
  }
  const digest = digester.finish();
  return columns === undefined && rows.length === 0 ? { ...digest, columns: '' } : digest;
}

/** Each row as the one value of a row, so that the order of keys doesn't matter and none is lost. */
function* mixedRowsInSteps(
  rows: readonly Row[],
  policy: ValuePolicy,
  rowsPerStep: number,
): DigestSteps {
  const names = new Set<string>();
  const digester = new RowsDigester(['row'], policy);
  let left = rowsPerStep;
  for (const row of rows) {
    for (const name of Object.keys(row)) names.add(name);
    digester.addValues([row]);
    left -= 1;
    if (left > 0) continue;
    left = rowsPerStep;
    yield;
  }
  return {
    ...digester.finish(),
    columns: hashNames([...names].sort(), new CanonicalWriter(), new WordHash()),
  };
}

/** The digest of anything but rows: lists count by their order, objects by their fields whatever their order. */
export function digestValue(value: unknown, policy: ValuePolicy = strictValues): Digest {
  const writer = new CanonicalWriter(policy);
  writer.value(value);
  const hash = new WordHash();
  hash.start();
  hash.add(writer.words, writer.length);
  hash.finish();
  const digest = hash.toString();
  return { kind: 'value', columns: '', count: 1, ordered: digest, orderFree: digest };
}

/**
 * The digest of an operation's result.
 *
 * @param kind what the operation promises. `rows` takes a list of plain objects or `{columns, rows}` of such; what
 * isn't either is taken as a value.
 * @throws as {@link CanonicalWriter} does.
 */
export function digestResult(
  result: unknown,
  kind: 'rows' | 'value',
  policy: ValuePolicy = strictValues,
): Digest {
  return lastOf(digestInSteps(result, kind, Infinity, policy));
}

/** A digest that is being made: each step ends after some rows, the last one with the digest. */
export type DigestSteps = Generator<undefined, Digest, undefined>;

/**
 * As {@link digestResult}, for whoever has an event loop to share: nothing is done but between one `next` and the other.
 *
 * @param rowsPerStep how many rows are digested in one step. What isn't rows takes one.
 */
export function* digestInSteps(
  result: unknown,
  kind: 'rows' | 'value',
  rowsPerStep: number,
  policy: ValuePolicy = strictValues,
): DigestSteps {
  const table = kind === 'rows' ? asTable(result) : undefined;
  return table === undefined
    ? digestValue(result, policy)
    : yield* rowsInSteps(table.rows, table.columns, policy, rowsPerStep);
}

function lastOf(steps: DigestSteps): Digest {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/**
 * Compares two results by their digests.
 *
 * @param ordered false where the operation promises no order: `order` is then `equal`.
 */
export function compareDigests(a: Digest, b: Digest, ordered = true): DigestComparison {
  if (a.kind !== b.kind || a.count !== b.count || !sameColumns(a, b)) return 'different';
  if (a.ordered === b.ordered && a.orderFree === b.orderFree) return 'equal';
  if (a.orderFree !== b.orderFree) return 'different';
  return ordered ? 'order' : 'equal';
}

/** An empty list of rows shows no columns; a leg that digests where the rows are knows them all the same. */
function sameColumns(a: Digest, b: Digest): boolean {
  return a.columns === b.columns || (a.count === 0 && (a.columns === '' || b.columns === ''));
}

/** What both hold together. */
export function addOrderFree(a: RowSum, b: RowSum): RowSum {
  return {
    count: a.count + b.count,
    orderFree: wrap(BigInt(`0x${a.orderFree}`) + BigInt(`0x${b.orderFree}`)),
  };
}

/** What came on top of `before`: an append's effect. A negative count says that rows went. */
export function subtractOrderFree(after: RowSum, before: RowSum): RowSum {
  return {
    count: after.count - before.count,
    orderFree: wrap(BigInt(`0x${after.orderFree}`) - BigInt(`0x${before.orderFree}`)),
  };
}

function wrap(sum: bigint): string {
  return BigInt.asUintN(64, sum).toString(16).padStart(16, '0');
}

/** A result that is a list of rows, with its columns where it names them; undefined where it is anything else. */
export interface Table {
  readonly rows: readonly Row[];
  readonly columns: readonly string[] | undefined;
}

/** Takes a list of plain objects, or an object of exactly `columns` and `rows`, for a table. */
export function asTable(result: unknown): Table | undefined {
  if (isRows(result)) return { rows: result, columns: undefined };
  if (typeof result !== 'object' || result === null || !isPlain(result)) return undefined;
  const { rows, columns } = result as { rows?: unknown; columns?: unknown };
  if (!isRows(rows) || !isNames(columns) || Object.keys(result).length !== 2) return undefined;
  return { rows, columns };
}

function isRows(value: unknown): value is readonly Row[] {
  if (!Array.isArray(value)) return false;
  let prototype: unknown;
  for (let at = 0; at < value.length; at += 1) {
    const row: unknown = value[at];
    if (typeof row !== 'object' || row === null) return false;
    const own: unknown = Object.getPrototypeOf(row);
    // Rows are alike, so that one look at the prototype does for all that share it.
    if (at > 0 && own === prototype) continue;
    if (Array.isArray(row) || !isPlain(row)) return false;
    prototype = own;
  }
  return true;
}

function isNames(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((name) => typeof name === 'string');
}

/** The names' encodings in turn. */
function hashNames(names: readonly string[], writer: CanonicalWriter, hash: WordHash): string {
  hash.start();
  for (const name of names) {
    writer.reset();
    writer.value(name);
    hash.add(writer.words, writer.length);
  }
  hash.finish();
  return hash.toString();
}
