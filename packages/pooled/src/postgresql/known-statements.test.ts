import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { StorageBackend } from '@changeover/engines/api';
import { StorageBackendFactory } from '../storage-backend-factory.ts';

// A statement that a connection has run before is sent without asking again what its result looks like. That is right only as
// long as the server itself refuses it once its result has changed.
const dataset = `known_${process.pid.toString(36)}`;
const basePath = mkdtempSync(join(tmpdir(), 'changeover-known-'));
let factory: StorageBackendFactory;
let storage: StorageBackend;
const schema = `"mdm_${dataset}"`;

beforeAll(async () => {
  factory = new StorageBackendFactory({
    basePath,
    databaseUrl: process.env['CHANGEOVER_TEST_DATABASE_URL'] ?? '',
    pools: { postgresql: { max: 1 } },
  });
  storage = factory.storage('postgresql');
  await storage.createDataset(dataset);
});
afterAll(async () => {
  await storage.dropDataset(dataset);
  await factory.close({ deadlineMs: 2_000 });
  rmSync(basePath, { recursive: true, force: true });
});
beforeEach(async () => {
  await storage.execute(dataset, 'DROP TABLE IF EXISTS t');
  await storage.execute(dataset, 'CREATE TABLE t (a bigint, b text, c bytea)');
  await storage.execute(dataset, `INSERT INTO t VALUES (1, 'x', '\\x01')`);
});

const changes: readonly (readonly [change: string, statements: readonly string[], row: object])[] =
  [
    [
      'a column was renamed',
      ['ALTER TABLE t RENAME COLUMN a TO z'],
      { z: 1, b: 'x', c: Buffer.of(1) },
    ],
    [
      'two columns changed names',
      ['ALTER TABLE t RENAME a TO q', 'ALTER TABLE t RENAME b TO a', 'ALTER TABLE t RENAME q TO b'],
      { b: 1, a: 'x', c: Buffer.of(1) },
    ],
    [
      'a column was added',
      ['ALTER TABLE t ADD COLUMN d boolean DEFAULT true'],
      { a: 1, b: 'x', c: Buffer.of(1), d: true },
    ],
    ['a column was dropped', ['ALTER TABLE t DROP COLUMN b'], { a: 1, c: Buffer.of(1) }],
    [
      'a column has another type',
      ['ALTER TABLE t ALTER COLUMN a TYPE text'],
      { a: '1', b: 'x', c: Buffer.of(1) },
    ],
    [
      'the table was made anew with its columns in another order',
      ['DROP TABLE t', 'CREATE TABLE t (b bigint, a text)', `INSERT INTO t VALUES (7, 'y')`],
      { b: 7, a: 'y' },
    ],
    [
      'a view took its place',
      ['DROP TABLE t', 'CREATE VIEW t AS SELECT true AS a, 2 AS b'],
      { a: true, b: 2 },
    ],
  ];

test.each(changes)(
  'a statement that was run before is read as the table is now: %s',
  async (_change, statements, row) => {
    const read = async (): Promise<unknown[]> => [
      await storage.readTable(dataset, 't'),
      await storage.readTable(dataset, 't', { limit: 5 }),
      (await storage.query(dataset, `SELECT * FROM ${schema}.t`)).rows,
    ];
    await read();
    await read();
    for (const statement of statements) await storage.execute(dataset, statement);
    expect(await read()).toEqual([[row], [row], [row]]);
    expect(await read()).toEqual([[row], [row], [row]]);
    await storage.execute(
      dataset,
      statements.some((statement) => statement.includes('VIEW')) ? 'DROP VIEW t' : 'DROP TABLE t',
    );
  },
);

test('a statement takes 65,535 values, and more are refused before anything is sent', async () => {
  const sum = (count: number): Promise<unknown> =>
    storage.query(
      dataset,
      `SELECT count(*) AS n FROM (VALUES ${Array.from({ length: count }, (_, at) => `($${at + 1}::text)`).join(', ')}) v`,
      Array.from({ length: count }, (_, at) => String(at)),
    );
  expect(await sum(65_535)).toMatchObject({ rows: [{ n: 65_535 }] });
  await expect(sum(65_536)).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining('65536'),
  });
  expect(await storage.query(dataset, 'SELECT 1 AS one')).toMatchObject({ rows: [{ one: 1 }] });
});

test('values of every length and kind arrive as they were sent', async () => {
  const texts = ['', 'ä€😀', 'a'.repeat(70_000), 'tab\tline\n'];
  for (const text of texts) {
    for (let again = 0; again < 2; again += 1) {
      const { rows } = await storage.query(
        dataset,
        'SELECT $1::text AS t, $2::bytea AS b, $3::bigint AS n, $4::text AS nothing',
        [text, Buffer.from(text), 2n ** 62n, null],
      );
      expect(rows).toEqual([{ t: text, b: Buffer.from(text), n: 2n ** 62n, nothing: null }]);
    }
  }
});

test('numbers of every size and a row larger than many chunks are read as the server means them', async () => {
  const numbers = [
    '0',
    '-1',
    '32767',
    '-32768',
    '999999999999999',
    '-999999999999999',
    '9007199254740991',
    '-9007199254740991',
    '9007199254740992',
    '9223372036854775807',
    '-9223372036854775808',
  ];
  const { rows } = await storage.query(
    dataset,
    `SELECT unnest(ARRAY[${numbers.join(', ')}]::bigint[]) AS n, repeat('ä', 1000000) AS long`,
  );
  expect(rows.map(({ n }) => n)).toEqual(
    numbers.map((text) => (Number.isSafeInteger(Number(text)) ? Number(text) : BigInt(text))),
  );
  for (const { long } of rows) expect(long === 'ä'.repeat(1_000_000)).toBe(true);
  const doubles = [
    '0',
    '-0',
    '1.1',
    '-1.1',
    '0.1',
    '0.000001',
    '12345.6789012345',
    '123456789012345',
    '999999999999.999',
    '1e-7',
    '1e22',
    '1.7976931348623157e+308',
    '5e-324',
    '0.30000000000000004',
    'NaN',
    'Infinity',
    '-Infinity',
    '8.41',
    '1234.5625',
  ];
  const read = await storage.query(
    dataset,
    `SELECT unnest('{${doubles.join(',')}}'::float8[]) AS f`,
  );
  expect(read.rows.map(({ f }) => f)).toEqual(doubles.map(Number));
  const cents = await storage.query(
    dataset,
    'SELECT i AS n, (i / 100.0)::float8 AS f FROM generate_series(-3000, 3000) i',
  );
  for (const { n, f } of cents.rows) expect(Object.is(f, Number(n) / 100)).toBe(true);
  const edges =
    'SELECT (-32768)::smallint AS s, 2147483647 AS i, (-2147483648)::int AS m, NULL::int AS nothing, 1.5::float8 AS f';
  expect((await storage.query(dataset, edges)).rows).toEqual([
    { s: -32_768, i: 2_147_483_647, m: -2_147_483_648, nothing: null, f: 1.5 },
  ]);
});
