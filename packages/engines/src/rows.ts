import type { Row, Value } from '@changeover/core';
import { rowMaker } from './row-maker.ts';

/** Columns' names made unique: where one comes twice, the later ones are `name:1`, `name:2`, …, so that no value is lost. */
export function uniqueColumns(names: readonly string[]): string[] {
  if (new Set(names).size === names.length) return [...names];
  const taken = new Set(names);
  const seen = new Set<string>();
  return names.map((name) => {
    if (!seen.has(name)) {
      seen.add(name);
      return name;
    }
    let number = 1;
    while (taken.has(`${name}:${number}`)) number += 1;
    const unique = `${name}:${number}`;
    taken.add(unique);
    return unique;
  });
}

/** Objects from lists of values. `columns` must be unique. */
export function rowsFromCells(
  columns: readonly string[],
  cells: readonly (readonly Value[])[],
): Row[] {
  const make = rowMaker('cells', columns, cells.length);
  if (make !== undefined) return cells.map(make);
  return cells.map((values) => {
    const row: Row = {};
    for (let index = 0; index < columns.length; index += 1)
      setOwn(row, columns[index] as string, values[index] as Value);
    return row;
  });
}

/** Sets a property of its own even where it is called `__proto__`, which an assignment would not. */
export function setOwn(row: Row, column: string, value: Value): void {
  if (column !== '__proto__') {
    row[column] = value;
    return;
  }
  Object.defineProperty(row, column, {
    value,
    writable: true,
    enumerable: true,
    configurable: true,
  });
}

/** Adds rows made of columns' values. `columns` must be unique. */
export function appendRows(
  rows: Row[],
  columns: readonly string[],
  vectors: readonly ArrayLike<Value>[],
  count: number,
): void {
  const make = rowMaker('vectors', columns, count);
  for (let index = 0; index < count; index += 1) {
    if (make !== undefined) {
      rows.push(make(vectors, index));
      continue;
    }
    const row: Row = {};
    for (let column = 0; column < columns.length; column += 1)
      setOwn(row, columns[column] as string, (vectors[column] as ArrayLike<Value>)[index] as Value);
    rows.push(row);
  }
}

/** Adds lists of values made of columns' values. */
export function appendCells(cells: Value[][], vectors: readonly Value[][], count: number): void {
  for (let index = 0; index < count; index += 1)
    cells.push(vectors.map((values) => values[index] as Value));
}

/** The text in a column that holds nothing else. */
export function textIn(row: Row, column: string): string {
  const value = row[column];
  return typeof value === 'string' ? value : '';
}
