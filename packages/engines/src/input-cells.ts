import { describe } from '@changeover/core';
import { InvalidArgumentError } from './api/storage-errors.ts';
import { type InputRows, type InputValue } from './api/input-values.ts';

/** Rows or columns to write, as a grid. */
export interface InputCells {
  readonly count: number;
  /** The value of a row in the column at `column` of the keys given; `undefined` where there is none. */
  value(row: number, column: number): InputValue;
}

type InputRow = Readonly<Record<string, InputValue>>;

/** The grid of some of the input's columns, in the order of `keys`. The input must have been checked by
 * {@link inputKeys}. */
export function inputCells(rows: InputRows, keys: readonly (string | undefined)[]): InputCells {
  if (isRowList(rows)) {
    return {
      count: rows.length,
      value(row, column) {
        const key = keys[column];
        const found = rows[row];
        // Own properties only: a column called `constructor` is absent, not a function.
        return key !== undefined && found !== undefined && Object.hasOwn(found, key)
          ? found[key]
          : undefined;
      },
    };
  }
  const columns = keys.map((key) =>
    key !== undefined && Object.hasOwn(rows, key) ? rows[key] : undefined,
  );
  return {
    count: Object.values(rows)[0]?.length ?? 0,
    value: (row, column) => columns[column]?.[row],
  };
}

/**
 * The columns of the input in first-seen order, over all rows.
 *
 * @throws {InvalidArgumentError} where the input is neither rows nor columns of equal length, or has no column.
 */
export function inputKeys(rows: InputRows): string[] {
  if (typeof rows !== 'object' || (rows as unknown) === null) {
    throw new InvalidArgumentError(`Expected rows or columns to write, found ${describe(rows)}.`);
  }
  const keys = isRowList(rows) ? rowKeys(rows) : columnKeys(rows);
  if (keys.length === 0) {
    throw new InvalidArgumentError(
      'A table needs at least one column: pass an empty list a column for an empty table.',
    );
  }
  return keys;
}

function isRowList(rows: InputRows): rows is readonly InputRow[] {
  return Array.isArray(rows);
}

function rowKeys(rows: readonly InputRow[]): string[] {
  const seen = new Set<string>();
  let last: string[] = [];
  rows.forEach((row, index) => {
    if (typeof row !== 'object' || (row as unknown) === null || Array.isArray(row)) {
      throw new InvalidArgumentError(
        `Expected an object a row, found ${describe(row)} as row ${index}.`,
      );
    }
    const keys = Object.keys(row);
    // Most rows have the keys of the one before.
    if (keys.length === last.length && keys.every((key, place) => key === last[place])) return;
    for (const key of keys) seen.add(key);
    last = keys;
  });
  return [...seen];
}

function columnKeys(columns: Readonly<Record<string, readonly InputValue[]>>): string[] {
  let count: number | undefined;
  for (const [key, values] of Object.entries(columns)) {
    if (!Array.isArray(values)) {
      throw new InvalidArgumentError(
        `Expected a list of values for column ${describe(key)}, found ${describe(values)}.`,
      );
    }
    count ??= values.length;
    if (values.length !== count) {
      throw new InvalidArgumentError(
        `Columns must be of equal length: column ${describe(key)} has ${values.length} values, the first has ${count}.`,
      );
    }
  }
  return Object.keys(columns);
}
