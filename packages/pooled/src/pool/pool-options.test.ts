import { describe, expect, test } from '@jest/globals';
import type { PoolOptions } from './pool-options.ts';
import { parsePoolOptions } from './pool-options.ts';

describe("a pool's options", () => {
  test('get their defaults in one place and can not be changed', () => {
    const parsed = parsePoolOptions(
      { acquireTimeoutMs: 900, validationTimeoutMs: 900 },
      { max: 25 },
      'pools.postgresql',
    );
    expect(parsed).toMatchObject({
      max: 25,
      min: 0,
      connectTimeoutMs: 900,
      maxPending: 1_000,
      leakReclaimMs: 300_000,
    });
    expect(Object.isFrozen(parsed)).toBe(true);
  });

  test.each<[PoolOptions, string]>([
    [{ max: 0 }, 'Option pool.max is 0: use a whole number from 1 to 10000.'],
    [{ max: 1.5 }, 'Option pool.max is 1.5'],
    [{ max: Number.NaN }, 'Option pool.max is NaN'],
    [{ max: '5' } as unknown as PoolOptions, 'Option pool.max is "5"'],
    [{ maxPending: -1 }, 'Option pool.maxPending is -1'],
    [{ min: 3, max: 2 }, 'Option pool.min is 3, more than max (2)'],
    [
      { connectTimeoutMs: 200, acquireTimeoutMs: 100 },
      'Option pool.connectTimeoutMs is 200, more than acquireTimeoutMs',
    ],
    [{ backoffInitialMs: 50, backoffMaxMs: 10 }, 'Option pool.backoffInitialMs is 50'],
    [{ leakReclaimMs: 10 }, 'Option pool.leakReclaimMs is 10, less than leakDetectionThresholdMs'],
    [{ leakStacks: 1 } as unknown as PoolOptions, 'Option pool.leakStacks is 1: use true or false'],
    [
      { maximum: 4 } as unknown as PoolOptions,
      'Option pool.maximum is no option of a pool: known are max, min',
    ],
  ])('%j is refused by a message that names the option', (options, message) => {
    expect(() => parsePoolOptions(options, {}, 'pool')).toThrow(message);
  });
});
