import type { Row, Value } from '@changeover/core';
import { ColumnFunctions, propertyName } from './column-functions.ts';

/** A row of one result, from its list of values or from the lists of its columns' values. */
interface RowMakers {
  readonly cells: (values: readonly Value[]) => Row;
  readonly vectors: (vectors: readonly ArrayLike<Value>[], index: number) => Row;
}

/** Rows below which a function made for their columns gains nothing. */
const fewestRows = 200;

const makers: { readonly [From in keyof RowMakers]: ColumnFunctions<RowMakers[From]> } = {
  cells: new ColumnFunctions(),
  vectors: new ColumnFunctions(),
};

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
  if (rows < fewestRows) return undefined;
  return makers[from].get(JSON.stringify(columns), columns.length, () =>
    makeRowMaker(from, columns),
  );
}

function makeRowMaker<From extends keyof RowMakers>(
  from: From,
  columns: readonly string[],
): RowMakers[From] {
  const value = (at: number): string => (from === 'cells' ? `list[${at}]` : `list[${at}][index]`);
  const fields = columns.map((name, at) => `${propertyName(name)}: ${value(at)}`);
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- of names that are quoted, as the drivers do it
  return new Function('list', 'index', `return { ${fields.join(', ')} };`) as RowMakers[From];
}
