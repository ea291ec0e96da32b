import type { Row, Value } from '@changeover/core';

/** A row of one result, from its list of values or from the lists of its columns' values. */
interface RowMakers {
  readonly cells: (values: readonly Value[]) => Row;
  readonly vectors: (vectors: readonly ArrayLike<Value>[], index: number) => Row;
}

/** Rows below which a function made for their columns gains nothing. */
const fewestRows = 200;
/** Columns beyond which the engine keeps an object as a table of names, however it is made. */
const mostColumns = 100;
/** Functions kept; the next one begins anew. */
const mostMakers = 200;

const makers = new Map<string, RowMakers[keyof RowMakers]>();

/**
 * A function that makes rows of these columns and no others: one million values take 6 ms, and 25 ms where each is set by its name.
 *
 * @returns undefined where rows are few, or the program is run without making code of text.
 */
export function rowMaker<From extends keyof RowMakers>(
  from: From,
  columns: readonly string[],
  rows: number,
): RowMakers[From] | undefined {
  if (rows < fewestRows || columns.length > mostColumns) return undefined;
  const key = `${from}${JSON.stringify(columns)}`;
  const known = makers.get(key);
  if (known !== undefined) return known as RowMakers[From];
  const made = makeRowMaker(from, columns);
  if (made === undefined) return undefined;
  if (makers.size >= mostMakers) makers.clear();
  makers.set(key, made);
  return made;
}

function makeRowMaker<From extends keyof RowMakers>(
  from: From,
  columns: readonly string[],
): RowMakers[From] | undefined {
  const value = (at: number): string => (from === 'cells' ? `list[${at}]` : `list[${at}][index]`);
  const fields = columns.map((name, at) => `${propertyName(name)}: ${value(at)}`);
  try {
    // eslint-disable-next-line @typescript-eslint/no-implied-eval -- of names that are quoted, as the drivers do it
    return new Function('list', 'index', `return { ${fields.join(', ')} };`) as RowMakers[From];
  } catch {
    return undefined;
  }
}

/** In brackets it is a property like any other; without, it would be what the object inherits from. */
export function propertyName(column: string): string {
  return column === '__proto__' ? `["__proto__"]` : JSON.stringify(column);
}
