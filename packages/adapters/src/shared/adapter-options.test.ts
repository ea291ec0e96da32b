import { describe, expect, test } from '@jest/globals';
import { bridgePartOf, keyOf } from './adapter-options.ts';

describe('options of adapters', () => {
  test('what is the bridge’s is handed on, what is the adapter’s is not', () => {
    const options = { name: 'db', storePath: ':memory:', pure: ['f'], key: () => 'a', max: 3 };
    expect(bridgePartOf(options, ['max'])).toEqual({
      name: 'db',
      storePath: ':memory:',
      shareServices: true,
    });
  });

  test('an option that there is not is refused with the one that was meant', () => {
    expect(() => bridgePartOf({ name: 'db', puer: [] } as never, ['max'])).toThrow(/puer.*pure/s);
  });

  test.each([
    [undefined, "must be an object, such as { name: 'db' }, but are undefined"],
    ['db', "but are 'db'"],
    [
      { name: 'db', key: 'tenant' },
      "Option key must be a function, such as ({ sql }) => 'berlin', but is 'tenant'",
    ],
    [
      { name: 'db', pure: 'slug' },
      "Option pure must be a list of names of functions, such as ['slug'], but is 'slug'",
    ],
    [{ name: 'db', pure: [5] }, 'but is [ 5 ]'],
    [
      { name: 'db', spreadWrites: 'yes' },
      "Option spreadWrites must be true or false, but is 'yes'",
    ],
  ])('%j is refused with what was expected and what was found', (options, said) => {
    expect(() => bridgePartOf(options as never, ['spreadWrites'])).toThrow(said);
  });

  test('a key is a text of 1 to 200 characters; none is the key of all', () => {
    const statement = { sql: 'select 1', values: undefined };
    expect(keyOf({})).toBeUndefined();
    expect(keyOf({ key: ({ sql }) => sql })?.(statement)).toBe('select 1');
    expect(keyOf({ key: () => undefined })?.(statement)).toBe('all');
    for (const bad of ['', 'x'.repeat(201), 7])
      expect(() => keyOf({ key: () => bad as string })?.(statement)).toThrow('The key of');
  });
});
