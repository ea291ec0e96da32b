import { Readable } from 'node:stream';
import { afterEach, describe, expect, test } from '@jest/globals';
import { bridgeOf, createBridge, createStaticStageSource, read, silentLogger } from '../index.ts';

const open: object[] = [];
afterEach(async () => {
  for (const object of open.splice(0)) await bridgeOf(object).close();
});

const rows = [1, 2, 3];

/** Reads that are given functions, and what can be read once. */
class Store {
  each(work: (row: number) => void, _options?: object): number {
    rows.forEach(work);
    return rows.length;
  }
  find(filter: { readonly where: (row: number) => boolean }): number[] {
    return rows.filter(filter.where);
  }
  async sum(numbers: AsyncIterable<number> | Iterable<number>): Promise<number> {
    let sum = 0;
    for await (const number of numbers) sum += number;
    return sum;
  }
}

function bridged(stage: 'shadow' | 'reverse', functions?: 'pure'): Store {
  const made = createBridge({
    name: 'store',
    legacy: () => new Store(),
    pooled: () => new Store(),
    operations: {
      each: read({ functions }),
      find: read.rows({ functions }),
      sum: read({ functions }),
    },
    storePath: ':memory:',
    logger: silentLogger,
    stages: createStaticStageSource(() => stage),
  });
  open.push(made);
  return made;
}

describe.each(['shadow', 'reverse'] as const)('a read at %s', (stage) => {
  test('runs a function that it is given for the caller alone, and counts that it was not compared', async () => {
    const store = bridged(stage);
    const seen: number[] = [];
    expect(store.each((row) => seen.push(row), {})).toBe(3);
    expect(store.find({ where: (row) => seen.push(row) > 4 })).toEqual([2, 3]);
    await bridgeOf(store).idle();
    expect(seen).toEqual([1, 2, 3, 1, 2, 3]);
    expect(bridgeOf(store).recorder.summary().totals).toMatchObject({ match: 0, shed: 2 });
  });

  test('is compared with a function that is said to change nothing', async () => {
    const store = bridged(stage, 'pure');
    expect(store.find({ where: (row) => row > 1 })).toEqual([2, 3]);
    await bridgeOf(store).idle();
    expect(bridgeOf(store).recorder.summary().totals).toMatchObject({ match: 1, shed: 0 });
  });

  test.each([
    ['a stream', () => Readable.from([1, 2, 3])],
    ['an iterator', () => [1, 2, 3][Symbol.iterator]()],
    [
      'a generator',
      function* () {
        yield* [1, 2, 3];
      },
    ],
  ] as const)(
    'leaves %s to the caller',
    async (_what, make: () => AsyncIterable<number> | Iterable<number>) => {
      const store = bridged(stage, 'pure');
      await expect(store.sum(make())).resolves.toBe(6);
      await bridgeOf(store).idle();
      expect(bridgeOf(store).recorder.summary().totals).toMatchObject({ mismatch: 0, shed: 1 });
    },
  );
});
