import { mkdir, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Engine, engines } from '@changeover/engines';
import { makeTestStores, numberedTable, type TestStores } from './test-kit/stores.ts';
import { verifyStore } from './verify-store.ts';
import type { VerifyOptions } from './verify-options.ts';
import type { TableResult, VerifyResult } from './verify-types.ts';

let stores: TestStores;

beforeAll(async () => {
  stores = await makeTestStores();
  await mkdir(stores.at('left').basePath);
  await mkdir(stores.at('right').basePath);
});

afterAll(async () => {
  await stores.close();
});

/** Names of datasets that no other test file uses; PostgreSQL's are in one server. */
const named = (name: string): string => `verify_${String(process.pid)}_${name}`;

function verify(
  engine: Engine,
  dataset: string,
  options: VerifyOptions = {},
): Promise<VerifyResult> {
  return verifyStore(
    { ...stores.at('left'), engine, dataset, ...options },
    { env: {}, segmentRows: 100 },
  );
}

/** A dataset and its copy, after changes to the copy. */
async function copies(
  engine: Engine,
  name: string,
  rows: number,
  changes: readonly string[],
): Promise<VerifyOptions & { dataset: string }> {
  const dataset = named(name);
  await stores.run(engine, stores.at('left'), dataset, numberedTable(engine, 't', rows));
  const copy = engine === 'postgresql' ? `${dataset}_copy` : dataset;
  await stores.run(engine, stores.at('right'), copy, [
    ...numberedTable(engine, 't', rows),
    ...changes,
  ]);
  return { dataset, against: { basePath: stores.at('right').basePath, dataset: copy } };
}

function only(result: VerifyResult): TableResult {
  expect(result.tables.length).toBe(1);
  const [table] = result.tables;
  if (table === undefined) throw new Error('one table was expected');
  return table;
}

describe.each(engines)('%s', (engine) => {
  test('a dataset through both legs is a match, by values, in one snapshot, in order', async () => {
    const dataset = named('legs');
    await stores.run(engine, stores.at('left'), dataset, [
      ...numberedTable(engine, 't', 1_200),
      'CREATE TABLE "odd name" (a INTEGER)',
    ]);
    const result = await verify(engine, dataset);
    expect(result).toMatchObject({
      verdict: 'match',
      counts: { match: 2, mismatch: 0 },
      rowsRead: 2_400,
    });
    expect(result.tables.map(({ table, rows, compared }) => [table, rows.left, compared])).toEqual([
      ['odd name', 0, { by: 'values', snapshot: 'shared', order: true, resumed: false }],
      ['t', 1_200, { by: 'values', snapshot: 'shared', order: true, resumed: false }],
    ]);
    expect(only(await verify(engine, dataset, { tables: ['t'] })).digest).toBe(
      result.tables[1]?.digest,
    );
  });

  test('a changed cell is found, with its row and column, and is not shown unless that is asked for', async () => {
    const { dataset, against } = await copies(engine, 'cell', 1_200, [
      "UPDATE t SET name = 'a secret' WHERE id = 1156",
    ]);
    const table = only(await verify(engine, dataset, { against }));
    expect(table.difference?.samples).toMatchObject([
      { row: 1_156, column: 'name', left: { type: 'string', length: 9 } },
    ]);
    expect(JSON.stringify(table)).not.toContain('secret');
    const shown = only(await verify(engine, dataset, { against, showValues: true }));
    expect(shown.difference?.samples[0]).toMatchObject({
      left: { value: 'name 1156' },
      right: { value: 'a secret' },
    });
  });

  test('a missing row, an extra row and a row twice are told apart', async () => {
    const { dataset, against } = await copies(engine, 'rows', 1_200, [
      'DELETE FROM t WHERE id = 17',
    ]);
    const missing = only(await verify(engine, dataset, { against }));
    expect(missing.difference).toMatchObject({
      class: 'missing-row',
      rows: { left: 1, right: 0 },
      samples: [{ row: 17 }],
    });
    expect(missing.rows).toEqual({ left: 1_200, right: 1_199 });
    await stores.run(engine, stores.at('right'), against?.dataset ?? '', [
      "INSERT INTO t VALUES (17, 'name 17', 17 / 7.0, 6)",
      "INSERT INTO t VALUES (1201, 'x', 1.0, NULL)",
    ]);
    const extra = only(await verify(engine, dataset, { against, order: false }));
    expect(extra.difference).toMatchObject({ class: 'extra-row', rows: { right: 1 } });
    await stores.run(engine, stores.at('right'), against?.dataset ?? '', [
      'DELETE FROM t WHERE id > 1200',
      "INSERT INTO t VALUES (5, 'name 5', 5 / 7.0, NULL)",
    ]);
    const twice = only(await verify(engine, dataset, { against, tables: ['t'] }));
    expect(twice.difference).toMatchObject({ class: 'extra-row', rows: { left: 0, right: 1 } });
  });

  test('another order is a mismatch only where the order counts', async () => {
    const { dataset, against } = await copies(engine, 'order', 1_200, [
      'CREATE TABLE u AS SELECT * FROM t',
      'DELETE FROM t',
      'INSERT INTO t SELECT * FROM u WHERE id <> 1100 ORDER BY id',
      'INSERT INTO t SELECT * FROM u WHERE id = 1100',
      'DROP TABLE u',
    ]);
    const ordered = only(await verify(engine, dataset, { against, order: true }));
    expect(ordered).toMatchObject({
      verdict: 'mismatch',
      difference: { class: 'order', samples: [{ row: 1_100 }] },
    });
    expect(only(await verify(engine, dataset, { against, by: 'values' }))).toMatchObject({
      verdict: 'match',
      reason: expect.any(String),
    });
  });

  test('other columns and a table on one side only are mismatches', async () => {
    const { dataset, against } = await copies(engine, 'tables', 10, [
      'ALTER TABLE t RENAME COLUMN part TO share',
      'CREATE TABLE more (a INTEGER)',
    ]);
    const result = await verify(engine, dataset, { against });
    expect(
      result.tables.map(({ table, difference }) => [table, difference?.class, difference?.columns]),
    ).toEqual([
      ['more', 'extra-table', []],
      ['t', 'columns', ['part', 'share']],
    ]);
  });

  test('a dataset that is on neither side is an error, one that is on one side a mismatch', async () => {
    await expect(verify(engine, named('nowhere'))).rejects.toThrow(/neither side/);
    const dataset = named('alone');
    await stores.run(engine, stores.at('left'), dataset, numberedTable(engine, 't', 1));
    const against = { basePath: stores.at('right').basePath, dataset: named('absent') };
    expect(only(await verify(engine, dataset, { against })).difference?.class).toBe(
      'missing-dataset',
    );
  });
});

test.each(['duckdb', 'postgresql'] as const)(
  '%s: equal copies need no row to be read where the engine has checksums',
  async (engine) => {
    const { dataset, against } = await copies(engine, 'checksum', 500, []);
    const result = await verify(engine, dataset, { against });
    expect(only(result)).toMatchObject({
      verdict: 'match',
      rows: { left: 500 },
      compared: { by: 'checksum', order: false },
    });
    expect(result.rowsRead).toBe(0);
  },
);

/** Tables of one row, its column's type, and two values of it that are told apart by whoever reads them. */
const alike: Readonly<
  Record<
    'duckdb' | 'postgresql',
    readonly (readonly [type: string, value: string, other: string])[]
  >
> = {
  duckdb: [
    ['DOUBLE', "'-0.0'", '0.0'],
    ['FLOAT', "'-0.0'", '0.0'],
    ['INTERVAL', "'24 hours'", "'1 day'"],
    ['INTERVAL', "'1 month'", "'30 days'"],
    ['INTEGER[]', '[]', 'NULL'],
    ['INTEGER[]', '[]', '[NULL]'],
    ['INTEGER[][]', '[[1], []]', '[[1], NULL]'],
    ['DOUBLE[]', "['-0.0'::DOUBLE]", '[0.0]'],
    ['STRUCT(a INTEGER)', "{'a': NULL}", 'NULL'],
    ['VARCHAR[]', "['NULL']", '[NULL]'],
    ['VARCHAR[]', "['a, b']", "['a', 'b']"],
    ['MAP(VARCHAR, INTEGER)', "MAP {'a': 1}", "MAP {'a': NULL}"],
    ['TIMETZ', "'12:00:00+02'", "'10:00:00+00'"],
    ['BIT', "'0101'", "'101'"],
    ['VARCHAR', "''", 'NULL'],
    ['VARCHAR', "'a'", "'a '"],
    ['VARCHAR', "'a' || chr(0)", "'a'"],
    ['BOOLEAN', 'false', 'NULL'],
    ['VARCHAR COLLATE NOCASE', "'a'", "'A'"],
    ['JSON', "'1'", "'1.0'"],
    ["ENUM('a', 'b')", "'a'", "'b'"],
    ['DECIMAL(18,2)', '1.5', '1.51'],
  ],
  postgresql: [
    ['float8', "'-0'", '0'],
    ['interval', "'24 hours'", "'1 day'"],
    ['text', "''", 'NULL'],
    ['text[]', "'{NULL}'", '\'{"NULL"}\''],
    ['int[]', "'{}'", 'NULL'],
    ['numeric', '1.50', '1.5'],
    ['timetz', "'12:00+02'", "'10:00+00'"],
    ['jsonb', "'1'", "'1.0'"],
    ['text', "'a'", "'a '"],
    ['bytea', "'\\x00'", "'\\x'"],
  ],
};

test.each(['duckdb', 'postgresql'] as const)(
  '%s: by checksums as by values, what a caller can tell apart differs',
  async (engine) => {
    const tables = (place: 1 | 2): string[] =>
      alike[engine].flatMap((row, at) => [
        `CREATE TABLE t${at} (a ${row[0]})`,
        `INSERT INTO t${at} VALUES (${row[place]})`,
      ]);
    const copy = engine === 'postgresql' ? named('alike_copy') : named('alike');
    await stores.run(engine, stores.at('left'), named('alike'), tables(1));
    await stores.run(engine, stores.at('right'), copy, tables(2));
    const against = { basePath: stores.at('right').basePath, dataset: copy };
    for (const by of ['checksum', 'values'] as const) {
      const { tables: found, counts } = await verify(engine, named('alike'), { against, by });
      expect([
        by,
        found
          .filter(({ verdict }) => verdict !== 'mismatch')
          .map(({ table }) => alike[engine][Number(table?.slice(1))]),
      ]).toEqual([by, []]);
      expect(counts.mismatch).toBe(alike[engine].length);
    }
  },
);

test.each(engines)(
  '%s: columns that are named as the engine names rows hide no difference',
  async (engine) => {
    const ids = '(-1, 1), (NULL, 2), (3, 3), (3, 4), (900, 5)';
    const tables = (value: number): string[] => [
      'CREATE TABLE rows_by_t (t INTEGER, v INTEGER)',
      `INSERT INTO rows_by_t VALUES ${ids}`,
      `UPDATE rows_by_t SET v = ${value} WHERE v = 2`,
      'CREATE TABLE numbered (rowid INTEGER, v INTEGER)',
      `INSERT INTO numbered VALUES ${ids}`,
      `UPDATE numbered SET v = ${value} WHERE v = 2`,
      'CREATE TABLE all_names (rowid INTEGER, oid INTEGER, _rowid_ INTEGER, v INTEGER)',
      `INSERT INTO all_names SELECT id, id, id, v FROM (SELECT rowid AS id, v FROM numbered) AS x ORDER BY v`,
    ];
    const copy = engine === 'postgresql' ? named('names_copy') : named('names');
    await stores.run(engine, stores.at('left'), named('names'), tables(2));
    await stores.run(engine, stores.at('right'), copy, tables(77));
    const against = { basePath: stores.at('right').basePath, dataset: copy };
    const columns = [
      ['all_names', 'mismatch', ['v'], 5],
      ['numbered', 'mismatch', ['v'], 5],
      ['rows_by_t', 'mismatch', ['v'], 5],
    ];
    for (const by of ['checksum', 'values'] as const) {
      const result = await verify(engine, named('names'), { against, by });
      expect(
        result.tables.map(({ table, verdict, difference, rows }) => [
          table,
          verdict,
          difference?.columns,
          rows.left,
        ]),
      ).toEqual(columns);
    }
    const legs = await verify(engine, named('names'));
    expect([legs.counts.match, legs.rowsRead]).toEqual([3, 30]);
  },
);

test('a type that changed is told from a value that did: SQLite keeps any in any column', async () => {
  const { dataset, against } = await copies('sqlite', 'type', 2_000, [
    "UPDATE t SET part = 'x' || part WHERE id = 901",
    "UPDATE t SET name = x'00' WHERE id = 902",
  ]);
  const table = only(await verify('sqlite', dataset, { against }));
  expect(table.difference).toMatchObject({
    class: 'type',
    columns: ['name', 'part'],
    rows: { left: 2, right: 2 },
  });
});

test('a column whose declared type is another one is a mismatch of that class', async () => {
  const { dataset, against } = await copies('duckdb', 'declared', 10, [
    'ALTER TABLE t ALTER COLUMN part TYPE INTEGER',
  ]);
  expect(only(await verify('duckdb', dataset, { against })).difference).toMatchObject({
    class: 'type',
    columns: ['part'],
  });
});

test('tables without row numbers are read by their keys', async () => {
  const rows = [
    'CREATE TABLE t (a TEXT, b INTEGER, c TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID',
    'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200) ' +
      "INSERT INTO t SELECT 'k' || (i % 7), i, 'c' || i FROM n",
  ];
  await stores.run('sqlite', stores.at('left'), named('keyed'), rows);
  await stores.run('sqlite', stores.at('right'), named('keyed'), [
    ...rows,
    "UPDATE t SET c = 'x' WHERE b = 1100",
  ]);
  expect(only(await verify('sqlite', named('keyed')))).toMatchObject({
    verdict: 'match',
    rows: { left: 1_200 },
  });
  const found = only(
    await verify('sqlite', named('keyed'), {
      against: { basePath: stores.at('right').basePath },
      showValues: true,
    }),
  );
  expect(found.difference).toMatchObject({
    class: 'value',
    columns: ['c'],
    samples: [{ key: { b: { value: '1100' } } }],
  });
});

test('a whole store is compared, dataset by dataset and engine by engine', async () => {
  const location = stores.at('whole');
  await mkdir(location.basePath);
  for (const engine of ['sqlite', 'duckdb'] as const) {
    for (const dataset of ['one', 'two'])
      await stores.run(engine, location, dataset, numberedTable(engine, 't', 100));
  }
  const result = await verifyStore({ basePath: location.basePath }, { env: {} });
  expect(result.tables.map(({ engine, dataset, verdict }) => [engine, dataset, verdict])).toEqual([
    ['sqlite', 'one', 'match'],
    ['sqlite', 'two', 'match'],
    ['duckdb', 'one', 'match'],
    ['duckdb', 'two', 'match'],
  ]);
});

test('a file that is no database is inconclusive in a store, and says why', async () => {
  const location = stores.at('broken');
  await mkdir(`${location.basePath}/bad`, { recursive: true });
  await writeFile(
    `${location.basePath}/bad/dataset.sqlite`,
    'not a database at all, but long enough to be looked at'.repeat(40),
  );
  await stores.run('sqlite', location, 'good', numberedTable('sqlite', 't', 3));
  const result = await verifyStore({ basePath: location.basePath, engine: 'sqlite' }, { env: {} });
  expect([result.verdict, result.counts]).toEqual([
    'inconclusive',
    { match: 1, mismatch: 0, raced: 0, inconclusive: 1 },
  ]);
  expect(result.tables.find(({ dataset }) => dataset === 'bad')?.reason).toMatch(/not a database/i);
});

test.each([
  [{ engine: 'oracle' }, /Supported: sqlite/],
  [{ pauseMs: -1 }, /pauseMs/],
  [{ mistyped: 1 }, /There is no option "mistyped"/],
  [{ against: { engine: 'duckdb' } }, /engine must be named/],
  [{ engine: 'sqlite', against: { dataset: 'x' } }, /one dataset is named/],
])('refuses %j', async (options, message) => {
  await expect(
    verifyStore({ basePath: stores.folder, ...options } as VerifyOptions, { env: {} }),
  ).rejects.toThrow(message);
});
