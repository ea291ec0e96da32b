import { describe, expect, test } from '@jest/globals';
import type { StorageBackendFactoryOptions } from './factory-options.ts';
import { parseFactoryOptions } from './factory-options.ts';
import { StorageBackendFactory } from './storage-backend-factory.ts';

describe("a factory's options", () => {
  test('get their defaults: as many connections as the engines are good for, under a budget for all datasets', () => {
    const { engines, breaker, callTimeoutMs, sqlite } = parseFactoryOptions({
      basePath: 'datasets',
    });
    expect(
      Object.entries(engines).map(([engine, { pool, budget, shadowBudget }]) => [
        engine,
        pool.max,
        budget,
        shadowBudget,
      ]),
    ).toEqual([
      ['sqlite', 5, 200, 20],
      ['duckdb', 10, 100, 10],
      ['postgresql', 25, 75, 5],
    ]);
    expect(breaker).toEqual({
      threshold: 0.5,
      calls: 20,
      minimumCalls: 5,
      openMs: 250,
      maxOpenMs: 2_000,
    });
    expect(callTimeoutMs).toBe(120_000);
    expect(sqlite.inlineReaders).toBe(200);
    expect(
      parseFactoryOptions({ basePath: 'datasets', budgets: { sqlite: 1_000 } }).sqlite
        .inlineReaders,
    ).toBe(1_000);
  });

  test.each<[unknown, string]>([
    [{ basePath: '' }, 'Option basePath is ""'],
    [{ poolsize: 3 }, 'Option poolsize is no option of the factory: known are basePath'],
    [
      { pools: { mysql: {} } },
      'Option pools.mysql is no engine: known are sqlite, duckdb, postgresql',
    ],
    [{ pools: { sqlite: { max: 0 } } }, 'Option pools.sqlite.max is 0'],
    [{ pools: { duckdb: { maximum: 3 } } }, 'Option pools.duckdb.maximum is no option of a pool'],
    [
      { budgets: { postgresql: 0 } },
      'Option budgets.postgresql is 0: use a whole number from 1 to 100000.',
    ],
    [{ budgets: 75 }, 'Option budgets is of type number: pass an object.'],
    [{ shadowBudgets: { postgres: 5 } }, 'Option shadowBudgets.postgres is no engine'],
    [{ callTimeoutMs: -1 }, 'Option callTimeoutMs is -1'],
    [{ lockWaitMs: Number.NaN }, 'Option lockWaitMs is NaN'],
    [
      { breaker: { threshold: 1 } },
      'Option breaker.threshold is 1: use a number from 0.01 to 0.99.',
    ],
    [
      { breaker: { minimumCalls: 9, calls: 5 } },
      'Option breaker.minimumCalls is 9, more than calls (5)',
    ],
    [
      { breaker: { openMs: 500, maxOpenMs: 100 } },
      'Option breaker.openMs is 500, more than maxOpenMs (100)',
    ],
    [{ breaker: { timeout: 1 } }, 'Option breaker.timeout is no option of a breaker'],
    [{ sqlite: { workers: 0 } }, 'Option sqlite.workers is 0'],
    [{ sqlite: { inlineReaders: 0 } }, 'Option sqlite.inlineReaders is 0'],
    [{ sqlite: { threads: 2 } }, 'Option sqlite.threads is no option of SQLite'],
    [{ duckdb: { memoryBudgetMib: 1 } }, 'Option duckdb.memoryBudgetMib is 1'],
    [{ duckdb: { threads: 2 } }, 'Option duckdb.threads is no option of DuckDB'],
    [{ postgresql: { statementTimeoutMs: '1s' } }, 'Option postgresql.statementTimeoutMs is "1s"'],
    [{ postgresql: { shortReadMs: -1 } }, 'Option postgresql.shortReadMs is -1'],
    [{ postgresql: { ssl: true } }, 'Option postgresql.ssl is no option of PostgreSQL'],
  ])('%j is refused by a message that names the option', (options, message) => {
    const given = { basePath: 'datasets', ...(options as Partial<StorageBackendFactoryOptions>) };
    expect(() => new StorageBackendFactory(given)).toThrow(message);
  });
});

test.each([-1, Number.NaN, Infinity])(
  'closing within %d ms is refused, and leaves the factory as it is',
  async (deadlineMs) => {
    const factory = new StorageBackendFactory({ basePath: 'datasets' });
    await expect(factory.close({ deadlineMs })).rejects.toThrow('Option deadlineMs is');
    await factory.close({ deadlineMs: 1_000 });
  },
);
