import { mkdir } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { makeTestStores, type TestStores } from './test-kit/stores.ts';
import { verifyStore } from './verify-store.ts';

let stores: TestStores;

beforeAll(async () => {
  stores = await makeTestStores();
  await mkdir(stores.at('a').basePath);
});

afterAll(async () => {
  await stores.close();
});

test('a table of more columns than fit into the limit of memory gets the room it needs', async () => {
  const columns = Array.from(
    { length: 150 },
    (_, at) => `'text ' || hash(range * ${String(at + 1)}) AS c${String(at)}`,
  ).join(', ');
  await stores.run('duckdb', stores.at('a'), 'wide', [
    `CREATE TABLE wide AS SELECT ${columns} FROM range(1500)`,
  ]);
  const result = await verifyStore({
    ...stores.at('a'),
    engine: 'duckdb',
    dataset: 'wide',
    by: 'values',
    stateFile: false,
    duckdb: { memoryLimitMib: 12, threads: 1 },
  });
  expect(result.verdict).toBe('match');
});

test('every type that DuckDB has compares clean through both legs, by checksum and value by value', async () => {
  await stores.run('duckdb', stores.at('a'), 'types', [
    'CREATE TABLE everything AS SELECT * FROM test_all_types()',
  ]);
  for (const by of ['values', 'checksum'] as const) {
    const result = await verifyStore({
      ...stores.at('a'),
      engine: 'duckdb',
      dataset: 'types',
      by,
      stateFile: false,
    });
    expect(result).toMatchObject({
      verdict: 'match',
      tables: [{ table: 'everything', verdict: 'match' }],
    });
  }
});
