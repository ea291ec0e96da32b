import { expect, test } from '@jest/globals';
import { lazyModule } from './lazy-module.ts';

test('a module is loaded once, and again only after it could not be', async () => {
  let loads = 0;
  const load = lazyModule(() => {
    loads += 1;
    return loads === 1 ? Promise.reject(new Error('not installed')) : Promise.resolve(loads);
  });
  await expect(load()).rejects.toThrow('not installed');
  expect(await Promise.all([load(), load()])).toEqual([2, 2]);
  expect(await load()).toBe(2);
});
