import { InvalidArgumentError } from './api/storage-errors.ts';
import { type InputValue } from './api/input-values.ts';
import { isDate, timestampText } from './date-text.ts';
import { jsonText } from './json-text.ts';

const noParams: unknown[] = [];
const biggest = 2n ** 63n - 1n;
const smallest = -(2n ** 63n);

/** What SQLite makes of a value in a column: `text` and `number` columns convert, others keep it as it is bound. */
export type Affinity = 'text' | 'number' | 'none';

/** The affinity of a column, by the rules for declared types in SQLite's documentation ("Determination Of Column
 * Affinity"). */
export function affinityOf(type: string): Affinity {
  if (/INT/i.test(type)) return 'number';
  if (/CHAR|CLOB|TEXT/i.test(type)) return 'text';
  return type === '' || /BLOB/i.test(type) ? 'none' : 'number';
}

/** Values to bind. */
export function sqliteParams(params: readonly InputValue[] | undefined): unknown[] {
  if (params === undefined || params.length === 0) return noParams;
  return params.map((value) => sqliteCell(value, 'none'));
}

/**
 * A value as better-sqlite3 binds it.
 *
 * @param affinity of the column that it is for; `none` where it is for none.
 * @throws {InvalidArgumentError} for what SQLite can't store.
 */
export function sqliteCell(value: InputValue, affinity: Affinity): unknown {
  switch (typeof value) {
    case 'string':
      return value;
    case 'number':
      return sqliteNumber(value, affinity);
    case 'boolean':
      return affinity === 'text' ? String(value) : value ? 1n : 0n;
    case 'undefined':
      return null;
    case 'bigint':
      if (value <= biggest && value >= smallest) return value;
      if (affinity === 'text') return String(value);
      throw new InvalidArgumentError(
        'SQLite holds integers of 64 bits; found a larger one. Pass it as text.',
      );
    case 'object':
      return sqliteObject(value);
    default:
      throw new InvalidArgumentError(`A value of type ${typeof value} can't be stored.`);
  }
}

/** better-sqlite3 binds every number as a REAL: 1 would become '1.0' in a text column, and 5 / 2 would be 2.5. */
function sqliteNumber(value: number, affinity: Affinity): unknown {
  if (affinity === 'number') return value;
  if (affinity === 'text') return Object.is(value, -0) ? '-0' : String(value);
  return Number.isSafeInteger(value) && !Object.is(value, -0) ? BigInt(value) : value;
}

function sqliteObject(
  value: Exclude<InputValue, string | number | boolean | undefined | bigint>,
): unknown {
  if (value === null) return null;
  if (ArrayBuffer.isView(value)) {
    return Buffer.isBuffer(value)
      ? value
      : Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  }
  return isDate(value) ? timestampText(value) : jsonText(value);
}
