import { describe, expect, test } from '@jest/globals';
import { describeArguments, rawValue, sampledCall, valueOfRaw } from './sampled-call.ts';

const secret = 's3cr3t';

describe("a call's arguments, redacted", () => {
  test('keep their structure and the names of options, and lose their values', () => {
    const args = ['inbox', 'select 1', [1, 'abc', null], { limit: 5, where: { a: true } }];
    expect(describeArguments(args, 'inbox')).toEqual([
      'key',
      'text(8)',
      ['number', 'text(3)', 'null'],
      { limit: 'number', where: { a: 'boolean' } },
    ]);
  });

  test.each<[string, unknown]>([
    ['a text', secret],
    ['a list', [[secret]]],
    ['an object', { a: { b: secret } }],
    ['a name that is no name of a field', { [`${secret}@example.org`]: 1 }],
    ['a map', new Map([[secret, secret]])],
    ['a set', new Set([secret])],
    ['bytes', Buffer.from(secret)],
    ['a date', new Date(secret)],
    ['an error', new Error(secret)],
    ['a function', () => secret],
    ['a symbol', Symbol(secret)],
    ['something deep', [[[[[[secret]]]]]]],
    ['a long list', Array.from({ length: 50 }, () => secret)],
    ['a key inside a list', ['inbox']],
    [
      'a getter that throws',
      Object.defineProperty({}, 'a', {
        enumerable: true,
        get: () => {
          throw new Error(secret);
        },
      }),
    ],
  ])('show nothing of %s', (_title, value) => {
    const text = JSON.stringify(describeArguments([value], 'inbox'));
    expect(text).not.toContain(secret);
    expect(text).not.toContain('inbox');
    expect(text.length).toBeLessThan(400);
  });

  test('are short however large they are', () => {
    const wide = Object.fromEntries(Array.from({ length: 500 }, (_, at) => [`f${String(at)}`, 1]));
    const rows = Array.from({ length: 10_000 }, () => [wide, wide, wide]);
    expect(JSON.stringify(describeArguments([rows, rows, rows], '')).length).toBeLessThan(20_000);
    expect(describeArguments([Array.from('abcdefghijkl')], '')).toEqual([
      [...Array.from({ length: 10 }, () => 'text(1)'), 'and 2 more'],
    ]);
  });
});

describe("a call's arguments, raw", () => {
  test('are the same again after JSON', () => {
    const args = [
      'inbox',
      1.5,
      -0,
      NaN,
      Infinity,
      2n ** 70n,
      null,
      undefined,
      true,
      new Date(12_345),
      Buffer.from([0, 255]),
      { limit: 5, nested: [{ at: new Date(0) }] },
    ];
    const again = valueOfRaw(JSON.parse(JSON.stringify(args.map(rawValue))));
    expect(again).toEqual(args);
    expect(Object.is((again as unknown[])[2], -0)).toBe(true);
  });

  test.each([
    ['a function', () => 1, /type function/],
    ['an object of a class', new URL('file:///x'), /type URL/],
    ['a map', new Map(), /type map/],
    ['an object with the mark of a type', { $: 'bigint' }, /type struct/],
    ['a long text', 'x'.repeat(20_000), /20013 characters of JSON/],
  ])('are redacted where there is %s, and it is said why', (_title, value, why) => {
    const call = { kind: 'read', args: [secret, value] } as const;
    const kept = sampledCall(call, '', 'raw');
    expect(kept).toMatchObject({
      values: 'redacted',
      unkept: expect.stringMatching(why) as unknown,
    });
    expect(JSON.stringify(kept)).not.toContain(secret);
  });

  test('are kept only where that is asked for', () => {
    const call = { kind: 'write', args: [secret], trace: 'a'.repeat(32) } as const;
    expect(sampledCall(call, '', 'redacted')).toEqual({
      ...call,
      values: 'redacted',
      args: ['text(6)'],
    });
    expect(sampledCall(call, '', 'raw')).toEqual({ ...call, values: 'raw' });
  });
});
