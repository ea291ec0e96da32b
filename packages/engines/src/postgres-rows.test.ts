import { describe, expect, test } from '@jest/globals';
import type { Row, Value } from '@changeover/core';
import { cellsOf, rowOf, rowReader, shapeOf, TextWindow } from './postgres-rows.ts';

/** Types as the server numbers them. */
const [int8, int4, text, float8, bool] = [20, 23, 25, 701, 16];

/** The content of a row's message, with something before it and behind. */
function messageOf(texts: readonly (string | null)[]): Buffer {
  const count = Buffer.alloc(2);
  count.writeInt16BE(texts.length);
  const values = texts.map((value) => {
    const bytes = Buffer.from(value ?? '');
    const length = Buffer.alloc(4);
    length.writeInt32BE(value === null ? -1 : bytes.length);
    return Buffer.concat([length, bytes]);
  });
  return Buffer.concat([count, ...values]);
}

function readEach(columns: [name: string, type: number][], rows: (string | null)[][]) {
  const shape = shapeOf(columns.map(([name, dataTypeID]) => ({ name, dataTypeID })));
  const messages = rows.map(messageOf);
  // As they come: many in one piece of memory, or each in its own.
  const half = Math.floor(rows.length / 2);
  const pieces = [messages.slice(0, half), ...messages.slice(half).map((message) => [message])];
  const texts = new TextWindow();
  const many: Row[] = [];
  const single: Row[] = [];
  const cells: Value[][] = [];
  const read = rowReader(shape);
  for (const piece of pieces) {
    const bytes = Buffer.concat(piece);
    let at = 0;
    for (const message of piece) {
      if (read !== undefined) many.push(read(bytes, at, texts));
      single.push(rowOf(shape, bytes, at));
      cells.push(cellsOf(shape, bytes, at, texts));
      at += message.length;
    }
  }
  return { many, single, cells };
}

describe('rows of a result of many', () => {
  test('are those of one by one, whatever is in them', () => {
    const words = ['plain', '', 'é', 'naïve', '漢字', '😀 smile', 'a'.repeat(64), 'b'.repeat(65)];
    const more = ['c'.repeat(5_000), `${'d'.repeat(63)}é`, 'a\u0000b', '\u007f', '\u0080', null];
    const texts = [...words, ...more];
    const numbers = ['0', '-1', '2147483647', '-9007199254740993', '9223372036854775807', null];
    const doubles = ['1.25', '-0', 'NaN', 'Infinity', '1e300', '0.1', null];
    const rows = Array.from({ length: 3_000 }, (_, at) => [
      String(at),
      texts[at % texts.length] ?? null,
      numbers[at % numbers.length] ?? null,
      doubles[at % doubles.length] ?? null,
      at % 3 === 0 ? 't' : 'f',
      `${at} ${texts[(at * 7) % texts.length] ?? ''}`,
    ]);
    const { many, single, cells } = readEach(
      [
        ['id', int4],
        ['name', text],
        ['__proto__', int8],
        ['it\'s "quoted"', float8],
        ['7', bool],
        ['id', text],
      ],
      rows,
    );
    expect(many).toHaveLength(3_000);
    expect(many).toStrictEqual(single);
    expect(many.map((row) => Object.keys(row).join())).toEqual(
      single.map((row) => Object.keys(row).join()),
    );
    rows.forEach(([, name, , , , note], at) => {
      expect(many[at]?.['name']).toBe(name);
      expect(many[at]?.['id:1']).toBe(note);
      expect(Object.getOwnPropertyDescriptor(many[at], '__proto__')?.value).toBe(cells[at]?.[2]);
      expect(cells[at]?.[1]).toBe(name);
    });
  });

  test('very wide ones are read by their names', () => {
    const columns = Array.from({ length: 150 }, (_, at): [string, number] => [`c${at}`, int4]);
    const { many, single } = readEach(columns, [columns.map((_, at) => String(at))]);
    expect(many).toEqual([]);
    expect(Object.keys(single[0] ?? {})).toHaveLength(150);
  });
});
