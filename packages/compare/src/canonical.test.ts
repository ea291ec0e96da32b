import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import equal from 'fast-deep-equal/es6/index.js';
import { runInNewContext } from 'node:vm';
import { encodeCanonical, maxDepth } from './canonical.ts';

const encoded = (value: unknown): string => Buffer.from(encodeCanonical(value)).toString('hex');

class Point {
  readonly x: number;
  constructor(x: number) {
    this.x = x;
  }
}

class Sealed {
  readonly #secret: number;
  constructor(secret: number) {
    this.#secret = secret;
  }
  reveal(): number {
    return this.#secret;
  }
}

/** Groups: all values of one are the same, values of two differ. */
const groups: readonly (readonly unknown[])[] = [
  [null],
  [undefined],
  [''],
  ['<null>'],
  ['null'],
  ['undefined'],
  ['NULL'],
  ['\0'],
  [' '],
  [[]],
  [[null]],
  [[undefined]],
  [new Array(1)],
  [[[]]],
  [[[], []]],
  [{}, Object.create(null), runInNewContext('({})')],
  [[{}]],
  [0, 0n],
  [-0],
  ['0'],
  ['-0'],
  [false],
  [true],
  ['false'],
  ['true'],
  [1, 1n],
  ['1'],
  [1.5],
  ['1.5'],
  [-1, -1n],
  ['1n'],
  [2 ** 27 - 1, BigInt(2 ** 27 - 1)],
  [2 ** 27],
  [-(2 ** 27)],
  [-(2 ** 27) - 1],
  [2 ** 31],
  [-(2 ** 31)],
  [2 ** 32],
  [2 ** 32 + 1],
  [Number.MAX_SAFE_INTEGER, 9007199254740991n],
  [Number.MIN_SAFE_INTEGER, -9007199254740991n],
  [2n ** 53n],
  [2 ** 53],
  [2n ** 53n + 1n],
  [2n ** 64n],
  [-(2n ** 64n)],
  [2n ** 127n - 1n],
  [-(2n ** 127n)],
  [String(2n ** 64n)],
  [NaN, -NaN, new Float64Array(new Uint32Array([1, 0x7ff80000]).buffer)[0]],
  ['NaN'],
  [Infinity],
  [-Infinity],
  ['Infinity'],
  [Number.MIN_VALUE],
  [-Number.MIN_VALUE],
  [Number.MAX_VALUE],
  [0.1 + 0.2],
  [0.3],
  [1e21],
  [1e-7],
  ['\u00e9'],
  ['e\u0301'],
  ['\ud800'],
  ['\udc00'],
  ['\ufffd'],
  ['\ud83d\ude00'],
  ['\ufeffa'],
  ['a'],
  ['a '],
  ['A'],
  ['\u00c4'],
  ['\u0100'],
  // Packed as bytes, each of these would spill into the next character and be the same as the one after.
  ['\u0100a'],
  ['\0a'],
  ['\u6100\0'],
  ['\u0161b'],
  ['ab'],
  ['a|b'],
  ['a\0'],
  ['a\0\0'],
  ['abc'],
  ['abcd'],
  ['abcde'],
  ['x'.repeat(96)],
  ['x'.repeat(97)],
  ['x'.repeat(98)],
  [`${'x'.repeat(97)}\0`],
  [`${'x'.repeat(96)}\u0100`],
  [`${'x'.repeat(95)}\u0100`],
  [`${'x'.repeat(96)}\ud800`],
  [
    Buffer.from('abc'),
    new Uint8Array([97, 98, 99]),
    new Uint8Array([0, 97, 98, 99, 0]).subarray(1, 4),
  ],
  [new Uint8Array()],
  [new Uint8Array(1)],
  [new Uint8Array(4)],
  [new Uint8Array(5)],
  [[97, 98, 99]],
  [new Uint8ClampedArray([97, 98, 99])],
  [new Int8Array([97, 98, 99])],
  [new Float32Array([1])],
  [new Float64Array([1])],
  [new Uint8Array([97, 98, 99]).buffer],
  [new DataView(new Uint8Array([97, 98, 99]).buffer)],
  [new Date(0), runInNewContext('new Date(0)')],
  [new Date(1)],
  [new Date(NaN)],
  ['1970-01-01T00:00:00.000Z'],
  [['a', 'b']],
  [['b', 'a']],
  [['ab']],
  [['a', ['b']]],
  [[['a'], 'b']],
  [['a', 'b', null]],
  [{ a: 1 }],
  [{ a: 1, b: undefined }],
  [{ a: 1, b: null }],
  [{ a: '1' }],
  [
    { a: 1, b: 2 },
    { b: 2, a: 1 },
    { b: 2n, a: 1 },
  ],
  [{ ab: 12 }],
  [{ a: { b: 1 } }],
  [{ 'a.b': 1 }],
  [JSON.parse('{"__proto__":1}')],
  [[['a', 1]]],
  [
    new Map<unknown, unknown>([
      ['a', 1],
      ['b', 2],
    ]),
    new Map<unknown, unknown>([
      ['b', 2],
      ['a', 1],
    ]),
  ],
  [new Map([['a', 1]])],
  [new Map([['a', 'b']])],
  [new Map([['b', 'a']])],
  [new Map()],
  [new Map([[1, 'a']])],
  [new Map([['1', 'a']])],
  [new Map([[{ a: 1 }, 1]])],
  [new Set([1, 2]), new Set([2, 1]), runInNewContext('new Set([2, 1])')],
  [[1, 2]],
  [new Set()],
  [new Set(['1', 2])],
  [new Set([[1, 2]])],
  [new Point(1)],
  [new Point(2)],
  [{ x: 1 }],
  [/a/g],
  [/a/i],
  ['/a/g'],
  [new Error('a')],
  [new Error('b')],
  [new TypeError('a')],
  [new URL('http://a.example/')],
  [new URL('http://b.example/')],
  ['http://a.example/'],
];

describe('encodeCanonical', () => {
  test.each(groups.map((group, at) => [at, group] as const))(
    'gives group %i one encoding',
    (_at, group) => {
      expect(new Set(group.map(encoded)).size).toBe(1);
    },
  );

  test('tells each group from all others, alone and inside a list, a struct and a map', () => {
    const wraps: ((value: unknown) => unknown)[] = [
      (value) => value,
      (value) => [value],
      (value) => ({ a: value }),
      (value) => new Map([['a', value]]),
      (value) => [[], value, 1],
    ];
    for (const wrap of wraps) {
      const seen = new Map<string, number>();
      for (const [at, [value]] of groups.entries()) {
        const bytes = encoded(wrap(value));
        expect([at, seen.get(bytes)]).toEqual([at, undefined]);
        seen.set(bytes, at);
      }
    }
  });

  test('of no two values is one the beginning of the other', () => {
    const all = groups.map(([value]) => encoded(value)).sort();
    for (const [at, bytes] of all.entries())
      expect([at, all[at + 1]?.startsWith(bytes) ?? false]).toEqual([at, false]);
  });

  test.each([
    ['a symbol', Symbol('a')],
    ['a function', () => 1],
    ['a symbol in a list', [Symbol('a')]],
    ['a promise', Promise.resolve()],
    ['an object that hides its content', new Sealed(1)],
    ['a weak map', new WeakMap()],
  ])('refuses %s', (_name, value) => {
    expect(() => encodeCanonical(value)).toThrow(TypeError);
  });

  test('refuses what is circular, or nested too deep', () => {
    const circle: unknown[] = [];
    circle.push(circle);
    expect(() => encodeCanonical(circle)).toThrow(RangeError);
    const set = new Set<unknown>();
    set.add([set]);
    expect(() => encodeCanonical(set)).toThrow(RangeError);
    let deep: unknown = 1;
    for (let level = 0; level < maxDepth; level += 1) deep = [deep];
    expect(() => encodeCanonical(deep)).not.toThrow();
    expect(() => encodeCanonical([deep])).toThrow(RangeError);
  });

  test('makes zeros one value where the policy says so, at any depth', () => {
    const one = (value: unknown): string =>
      Buffer.from(encodeCanonical(value, { negativeZero: 'equal' })).toString('hex');
    expect(one(-0)).toBe(one(0));
    expect(one([new Set([[-0]])])).toBe(one([new Set([[0]])]));
    expect(one(-0)).not.toBe(one('0'));
  });
});

describe('two random values', () => {
  /** What both fast-deep-equal and the encoding hold to be data; -0 and the integer types are in the groups above. */
  const value = fc.anything({
    key: fc.constantFrom('a', 'b', '', '\u00e9', '0', '1', 'length'),
    values: [
      fc.constantFrom(null, undefined, true, false, '', '0', 'a', 'b', 0, 1, 2, NaN, Infinity, -1),
      fc.integer(),
      fc.double({ noNaN: true }).map((double) => double + 0),
      fc.string({ unit: 'binary', maxLength: 6 }),
      fc.uint8Array({ maxLength: 5 }),
      fc.bigInt({ min: 2n ** 53n, max: 2n ** 70n }),
      fc.date({ noInvalidDate: true }),
    ],
    maxDepth: 3,
    maxKeys: 3,
    withNullPrototype: false,
    withSparseArray: false,
    withMap: false,
    withSet: false,
  });

  test('have one encoding exactly when they are deeply equal', () => {
    fc.assert(
      fc.property(value, value, (a, b) => {
        expect(encoded(a) === encoded(b)).toBe(equal(a, b));
      }),
      { seed: 1, numRuns: 3_000 },
    );
  });

  test('have one encoding when one is a copy of the other', () => {
    fc.assert(
      fc.property(value, (a) => {
        expect(encoded(structuredClone(a))).toBe(encoded(a));
      }),
      { seed: 2, numRuns: 1_000 },
    );
  });

  test('differ when one place in a list of texts is cut elsewhere', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'binary' }), { minLength: 2, maxLength: 4 }),
        fc.nat(),
        (texts, at) => {
          const whole = texts.join('');
          const cut = at % (whole.length + 1);
          const other = [whole.slice(0, cut), whole.slice(cut)];
          expect(encoded(other) === encoded(texts)).toBe(
            other.length === texts.length && other.every((text, i) => text === texts[i]),
          );
        },
      ),
      { seed: 3, numRuns: 1_000 },
    );
  });
});
