import { describe } from '@changeover/core';
import { InvalidArgumentError } from './api/storage-errors.ts';
import { type InputRows, type InputValue } from './api/input-values.ts';
import { isDate } from './date-text.ts';
import { inputCells } from './input-cells.ts';

/** What a new column is made for; each dialect has a type for it. */
export type ColumnKind =
  'boolean' | 'integer' | 'hugeint' | 'double' | 'text' | 'blob' | 'timestamp' | 'json';

const maxInt64 = 2n ** 63n - 1n;
const minInt64 = -(2n ** 63n);

/** The kind of one value; undefined for NULL. A -0 is a double, because an integer would lose its sign. */
function valueKind(value: InputValue): ColumnKind | undefined {
  switch (typeof value) {
    case 'undefined':
      return undefined;
    case 'string':
      return 'text';
    case 'boolean':
      return 'boolean';
    case 'number':
      return Number.isSafeInteger(value) && !Object.is(value, -0) ? 'integer' : 'double';
    case 'bigint':
      return value <= maxInt64 && value >= minInt64 ? 'integer' : 'hugeint';
    case 'object':
      if (value === null) return undefined;
      if (ArrayBuffer.isView(value)) return 'blob';
      return isDate(value) ? 'timestamp' : 'json';
    default:
      throw new InvalidArgumentError(`A value of type ${typeof value} can't be stored.`);
  }
}

/**
 * The kinds of the columns, over all of their values: numbers of several kinds widen without losing a digit, anything
 * else that is mixed becomes text, and a column without values is text.
 *
 * @throws {InvalidArgumentError} where bytes are mixed with other values, for these have no text.
 */
export function columnKinds(rows: InputRows, keys: readonly (string | undefined)[]): ColumnKind[] {
  const cells = inputCells(rows, keys);
  return keys.map((key, column) => {
    let kind: ColumnKind | undefined;
    let bigints = false;
    for (let row = 0; row < cells.count; row += 1) {
      const value = cells.value(row, column);
      const found = valueKind(value);
      if (found === undefined) continue;
      if (typeof value === 'bigint' && !Number.isSafeInteger(Number(value))) bigints = true;
      if (found !== kind) kind = kind === undefined ? found : widen(kind, found, key ?? '');
    }
    // A double would cut the digits of an integer past 2^53.
    return kind === 'double' && bigints ? 'text' : (kind ?? 'text');
  });
}

function widen(a: ColumnKind, b: ColumnKind, key: string): ColumnKind {
  if (a === 'blob' || b === 'blob') {
    throw new InvalidArgumentError(
      `Column ${describe(key)} mixes bytes with other values: pass either.`,
    );
  }
  const pair = new Set([a, b]);
  if (pair.has('integer') && pair.has('double')) return 'double';
  if (pair.has('integer') && pair.has('hugeint')) return 'hugeint';
  return 'text';
}
