import { expect, test } from '@jest/globals';
import { digestResult } from '@changeover/compare';
import { copyAnswer, snapshotArguments } from './copy-answer.ts';

test('a change to the original is not seen in the copy, at any depth', () => {
  const rows = [{ a: 1, nested: { list: [1, 2] }, bytes: new Uint8Array([1, 2]), at: new Date(0) }];
  const copy = snapshotArguments(['d', rows, { where: { a: [1] } }]);
  const [row] = rows;
  if (row === undefined) throw new Error('no row');
  row.a = 2;
  row.nested.list.push(3);
  row.bytes[0] = 9;
  row.at.setTime(5);
  rows.push({ ...row });
  expect(copy).toEqual([
    'd',
    [{ a: 1, nested: { list: [1, 2] }, bytes: new Uint8Array([1, 2]), at: new Date(0) }],
    { where: { a: [1] } },
  ]);
});

test('functions and objects of classes are passed as they are', () => {
  class Policy {
    limit = 1;
  }
  const policy = new Policy();
  const work = (): number => 1;
  expect(snapshotArguments([work, policy])).toEqual([work, policy]);
  expect(snapshotArguments([policy])[0]).toBe(policy);
});

test('a column named __proto__ stays a column', () => {
  const row = JSON.parse('{"__proto__": 5, "a": 1}') as object;
  const [copy] = snapshotArguments([row]);
  expect(Object.entries(copy as object)).toEqual([
    ['__proto__', 5],
    ['a', 1],
  ]);
});

test('a cycle, or a part shared a million times over, is copied once', () => {
  interface Node {
    left?: Node;
    right?: Node;
  }
  let node: Node = {};
  node.left = node;
  for (let level = 0; level < 60; level += 1) node = { left: node, right: node };
  const seen = new Set<Node>();
  const collect = (at: Node | undefined): void => {
    if (at === undefined || seen.has(at)) return;
    seen.add(at);
    collect(at.left);
    collect(at.right);
  };
  const [copy] = snapshotArguments([node]);
  collect(copy as Node);
  // The first levels are copied without a memory, each part as often as it is reached.
  expect(seen.size).toBeLessThan(61 * 2 ** 4);
  collect(node);
  expect(seen.has(node)).toBe(true);
});

test('an answer of data is copied whole, to the same digest, and no change of the caller is seen in it', () => {
  const hole: unknown[] = [1, 2, 3];
  Reflect.deleteProperty(hole, 1);
  const bare = Object.assign(Object.create(null) as object, { id: 9 });
  const rows = [
    {
      id: 1,
      at: new Date(5),
      bytes: new Uint8Array([1]),
      list: [{ deep: [1] }],
      hole,
      none: undefined,
      big: 5n,
    },
    bare,
    JSON.parse('{"__proto__": {"id": 3}}') as object,
  ];
  for (const answer of [
    rows,
    { columns: ['id'], rows: [{ id: 1 }] },
    { count: 3 },
    null,
    5,
    'text',
    [],
  ]) {
    const { value, whole } = copyAnswer(answer);
    expect(whole).toBe(true);
    expect(digestResult(value, 'rows')).toEqual(digestResult(answer, 'rows'));
  }
  const { value } = copyAnswer(rows);
  const before = digestResult(rows, 'rows');
  const [first] = rows as [{ id: number; at: Date; bytes: Uint8Array; list: { deep: number[] }[] }];
  first.at.setTime(6);
  first.bytes[0] = 2;
  first.list[0]?.deep.push(2);
  rows.pop();
  expect(digestResult(rows, 'rows')).not.toEqual(before);
  expect(digestResult(value, 'rows')).toEqual(before);
});

test('an answer with anything that can not be copied is said not to be copied whole', () => {
  class Money {
    amount = 1;
  }
  for (const part of [new Money(), new Map(), new Float64Array(1), (): number => 1]) {
    expect(copyAnswer([{ part }]).whole).toBe(false);
    expect(copyAnswer([{ nested: [part] }]).whole).toBe(false);
    expect(copyAnswer(part).whole).toBe(false);
  }
});
