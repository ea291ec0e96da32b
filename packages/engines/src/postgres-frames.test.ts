import { expect, test } from '@jest/globals';
import { FrameSplitter } from './postgres-frames.ts';

function message(code: string, content: Buffer): Buffer {
  const header = Buffer.alloc(5);
  header.write(code, 0, 'latin1');
  header.writeUInt32BE(content.length + 4, 1);
  return Buffer.concat([header, content]);
}

const sent = [
  message('T', Buffer.from('columns')),
  message('D', Buffer.from('one')),
  message('D', Buffer.from('')),
  message('D', Buffer.alloc(300, 'x')),
  message('C', Buffer.from('SELECT 3')),
  message('Z', Buffer.from('I')),
  message('2', Buffer.alloc(0)),
  message('D', Buffer.from('four')),
  message('Z', Buffer.from('I')),
];
const whole = Buffer.concat(sent);
const told = [
  'T columns',
  'row one',
  'row ',
  `row ${'x'.repeat(300)}`,
  'C SELECT 3',
  'Z I',
  '2 ',
  'row four',
  'Z I',
];

/** What came out, in its order, of chunks put in. */
function split(chunks: readonly Buffer[], reads = true): string[] {
  const out: string[] = [];
  const parse = (bytes: Buffer): void => {
    for (let at = 0; at < bytes.length;) {
      const end = at + 1 + bytes.readUInt32BE(at + 1);
      if (end > bytes.length) throw new Error('the parser was given half a message');
      const code = bytes.toString('latin1', at, at + 1);
      out.push(`${code === 'D' ? 'row' : code} ${bytes.toString('latin1', at + 5, end)}`);
      at = end;
    }
  };
  const reader = {
    readRow: (bytes: Buffer, at: number) => {
      out.push(`row ${bytes.toString('latin1', at, at - 4 + bytes.readUInt32BE(at - 4))}`);
    },
  };
  const splitter = new FrameSplitter(parse, () => (reads ? reader : undefined));
  for (const chunk of chunks) splitter.take(chunk);
  return out;
}

test('rows and all else come out whole and in their order, wherever what was sent is cut', () => {
  expect(split([whole])).toEqual(told);
  for (let at = 1; at < whole.length; at += 1)
    expect(split([whole.subarray(0, at), whole.subarray(at)])).toEqual(told);
  for (const size of [1, 2, 3, 7, 64, 299]) {
    const chunks = Array.from({ length: Math.ceil(whole.length / size) }, (_, index) =>
      whole.subarray(index * size, (index + 1) * size),
    );
    expect(split(chunks)).toEqual(told);
  }
});

test('where nobody reads rows the parser has them, in their place', () => {
  expect(split([whole], false)).toEqual(told);
  expect(split([whole.subarray(0, 40), whole.subarray(40)], false)).toEqual(told);
});

test('a row is asked for when all before it was parsed, since that says whose it is', () => {
  let parsed = 0;
  const at: number[] = [];
  const splitter = new FrameSplitter(
    (bytes) => {
      parsed += bytes.length;
    },
    () => {
      at.push(parsed);
      return { readRow: () => undefined };
    },
  );
  splitter.take(whole);
  const [
    columns = Buffer.alloc(0),
    ,
    ,
    ,
    complete = Buffer.alloc(0),
    ready = Buffer.alloc(0),
    bound = Buffer.alloc(0),
  ] = sent;
  expect(at).toEqual([
    columns.length,
    columns.length + complete.length + ready.length + bound.length,
  ]);
});
