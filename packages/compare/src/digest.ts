import type { Digest, Row } from '@changeover/core';
import { RowHash } from './row-hash.ts';

/** Whether two results are the same, the same in another order, or different. */
export type DigestComparison = 'equal' | 'order' | 'different';

/** How many rows, and the sum of their digests: what adds up over writes. */
export type RowSum = Pick<Digest, 'count' | 'orderFree'>;

/** Digests rows one after the other in constant memory. Rows as objects and rows as lists give the same digest. */
export class RowsDigester {
  readonly #columns: readonly string[];
  readonly #hash = new RowHash();
  readonly #sum = new Uint32Array(2);
  readonly #chain = new Uint32Array(2);
  #count = 0;

  constructor(columns: readonly string[]) {
    this.#columns = columns;
  }

  addRow(row: Row): void {
    const hash = this.#hash;
    const columns = this.#columns;
    hash.start(columns.length);
    for (const column of columns) hash.add(row[column]);
    this.#add();
  }

  addValues(values: readonly unknown[]): void {
    const hash = this.#hash;
    hash.start(values.length);
    for (const value of values) hash.add(value);
    this.#add();
  }

  finish(): Digest {
    const names = new RowHash();
    names.start(this.#columns.length);
    for (const column of this.#columns) names.add(column);
    names.finish();
    return {
      kind: 'rows',
      columns: hexadecimal(names.high, names.low),
      count: this.#count,
      ordered: hexadecimal(this.#chain[1] ?? 0, this.#chain[0] ?? 0),
      orderFree: hexadecimal(this.#sum[1] ?? 0, this.#sum[0] ?? 0),
    };
  }

  #add(): void {
    const hash = this.#hash;
    hash.finish();
    const { low, high } = hash;
    const sum = this.#sum;
    const chain = this.#chain;
    const lowSum = (sum[0] ?? 0) + low;
    sum[0] = lowSum;
    sum[1] = (sum[1] ?? 0) + high + (lowSum > 0xffffffff ? 1 : 0);
    // Each row's digest goes through a multiplication that depends on all before it, so that order counts.
    const mixed = Math.imul((chain[0] ?? 0) ^ low, 0x9e3779b1) ^ (chain[1] ?? 0);
    chain[1] = Math.imul((chain[1] ?? 0) ^ high, 0x85ebca77) + (mixed >>> 15);
    chain[0] = Math.imul(mixed ^ (mixed >>> 16), 0xc2b2ae3d) + low;
    this.#count += 1;
  }
}

/** The digest of a list of rows. `columns` default to the first row's. */
export function digestRows(rows: readonly Row[], columns: readonly string[] = Object.keys(rows[0] ?? {})): Digest {
  const digester = new RowsDigester(columns);
  for (const row of rows) digester.addRow(row);
  return digester.finish();
}

/** The digest of anything but rows: lists count by their order, objects by their fields whatever their order. */
export function digestValue(value: unknown): Digest {
  const hash = new RowHash();
  hash.start(1);
  hash.add(value);
  hash.finish();
  const digest = hexadecimal(hash.high, hash.low);
  return { kind: 'value', columns: '', count: 1, ordered: digest, orderFree: digest };
}

/** The digest of an operation's result. `rows` takes a list of rows or `{columns, rows}`; whatever else came is a value. */
export function digestResult(result: unknown, kind: 'rows' | 'value'): Digest {
  if (kind === 'value') return digestValue(result);
  if (Array.isArray(result) && result.every(isRow)) return digestRows(result);
  if (isRow(result) && Array.isArray(result['rows']) && result['rows'].every(isRow) && isNames(result['columns'])) {
    return digestRows(result['rows'], result['columns']);
  }
  return digestValue(result);
}

/** Compares two results by their digests. */
export function compareDigests(a: Digest, b: Digest): DigestComparison {
  if (a.kind !== b.kind || a.columns !== b.columns || a.count !== b.count) return 'different';
  if (a.ordered === b.ordered && a.orderFree === b.orderFree) return 'equal';
  return a.orderFree === b.orderFree ? 'order' : 'different';
}

/** The digest of the rows of both, as far as it adds up. */
export function addOrderFree(a: RowSum, b: RowSum): RowSum {
  const sum = BigInt.asUintN(64, BigInt(`0x${a.orderFree}`) + BigInt(`0x${b.orderFree}`));
  return { count: a.count + b.count, orderFree: sum.toString(16).padStart(16, '0') };
}

function isRow(value: unknown): value is Row {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isNames(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((name) => typeof name === 'string');
}

function hexadecimal(high: number, low: number): string {
  return (high >>> 0).toString(16).padStart(8, '0') + (low >>> 0).toString(16).padStart(8, '0');
}
