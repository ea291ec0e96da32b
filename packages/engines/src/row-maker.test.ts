import { spawnSync } from 'node:child_process';
import { describe, expect, test } from '@jest/globals';
import { rowMaker } from './row-maker.ts';
import { appendRows, rowsFromCells } from './rows.ts';
import type { Row, Value } from '@changeover/core';

/** Names that mean something in code, and one of a number, which an object lists first. */
const columns = [
  'id',
  '__proto__',
  'it\'s "quoted"',
  '\\',
  '`${1}`',
  'a\n\u2028b',
  '7',
  '',
  '*/ //',
];

function cellsOf(count: number): Value[][] {
  return Array.from({ length: count }, (_, row) => columns.map((name) => `${name} of ${row}`));
}

function expectWhole(rows: readonly Row[], cells: readonly (readonly Value[])[]): void {
  expect(rows).toHaveLength(cells.length);
  rows.forEach((row, at) => {
    expect(Object.getPrototypeOf(row)).toBe(Object.prototype);
    expect(Object.keys(row)).toEqual(['7', ...columns.filter((name) => name !== '7')]);
    for (const [index, name] of columns.entries())
      expect(Object.getOwnPropertyDescriptor(row, name)).toEqual({
        value: cells[at]?.[index],
        writable: true,
        enumerable: true,
        configurable: true,
      });
  });
}

describe('rows of a result', () => {
  test.each([1, 300])(
    'hold each value under its own name, whatever that is: %i of them',
    (count) => {
      const cells = cellsOf(count);
      expectWhole(rowsFromCells(columns, cells), cells);
      const vectors = columns.map((_, index) => cells.map((values) => values[index] as Value));
      const rows: Row[] = [];
      appendRows(rows, columns, vectors, count);
      expectWhole(rows, cells);
    },
  );

  test('many are made by a function of their columns, few and very wide ones by their names', () => {
    expect(rowMaker('cells', ['a', 'b'], 300)?.([1, 2])).toEqual({ a: 1, b: 2 });
    expect(rowMaker('cells', ['b', 'a'], 300)?.([1, 2])).toEqual({ a: 2, b: 1 });
    expect(rowMaker('vectors', ['a'], 300)?.([[1, 2]], 1)).toEqual({ a: 2 });
    expect(rowMaker('cells', ['a'], 10)).toBeUndefined();
    const wide = Array.from({ length: 200 }, (_, at) => `column ${at}`);
    expect(rowMaker('cells', wide, 300)).toBeUndefined();
  });

  test('are made all the same where a program may make no code of text', () => {
    const program = `
      import { rowsFromCells } from ${JSON.stringify(new URL('rows.ts', import.meta.url).href)};
      const rows = rowsFromCells(['a', 'b'], Array.from({ length: 300 }, (_, at) => [at, -at]));
      console.log(JSON.stringify([rows.length, rows[299]]));`;
    const { stdout, stderr } = spawnSync(
      process.execPath,
      ['--disallow-code-generation-from-strings', '--input-type=module', '-e', program],
      { encoding: 'utf8' },
    );
    expect({ stdout, stderr }).toEqual({ stdout: '[300,{"a":299,"b":-299}]\n', stderr: '' });
  });
});
