import { afterAll, beforeAll, describe, expect, test as inTurn } from '@jest/globals';
import {
  InvalidArgumentError,
  InvalidNameError,
  ReadOnlyError,
  TableExistsError,
  ColumnNotFoundError,
} from '@changeover/engines/api';
import {
  DatasetExistsError,
  DatasetNotFoundError,
  type Engine,
  engines,
  type Row,
  type StorageApi,
  StorageError,
  TableNotFoundError,
} from 'changeover';
import { DuckDBTimestampTZValue } from '@duckdb/node-api';
import type { Harness } from './harness.ts';

/** Names are in one PostgreSQL for all test files, so each file's are its own. */
let lastName = 0;
function newName(): string {
  lastName += 1;
  return `conf_${process.pid.toString(36)}_${Date.now().toString(36)}_${lastName}`;
}

const rowsOf = (count: number, mark: string): Row[] =>
  Array.from({ length: count }, (_, id) => ({ id, mark }));

/** What `toString('hex')` says of a Buffer, and of no other class of bytes. */
function hexOf(value: unknown): string {
  return Buffer.isBuffer(value)
    ? value.toString('hex')
    : `not a Buffer: ${Object.prototype.toString.call(value)}`;
}

interface CountedStatement {
  readonly sql: string;
  readonly changed: number;
  readonly engines: readonly Engine[];
}

const all: readonly Engine[] = ['sqlite', 'duckdb', 'postgresql'];
const withMerge: readonly Engine[] = ['duckdb', 'postgresql'];
const merge =
  'MERGE INTO t USING (VALUES (2, 5), (3, 5), (4, 5), (5, 5)) s(id, n) ON t.id = s.id ' +
  'WHEN MATCHED THEN UPDATE SET n = s.n WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.n)';

/** Statements on a table `t (id, n)` of three rows, 1 to 3, and how many rows each changes. */
const countedStatements: readonly CountedStatement[] = [
  { sql: 'UPDATE t SET n = 2 WHERE id < 3', changed: 2, engines: all },
  { sql: 'UPDATE t SET n = 2 WHERE id > 9', changed: 0, engines: all },
  { sql: 'UPDATE t SET n = 2 RETURNING id', changed: 3, engines: all },
  { sql: 'UPDATE t SET n = 2 RETURNING id AS "Count"', changed: 3, engines: all },
  { sql: 'UPDATE t SET n = 2 WHERE id > 9 RETURNING id AS "Count"', changed: 0, engines: all },
  { sql: 'INSERT INTO t VALUES (7, 1), (8, 1) RETURNING 40 AS "Count"', changed: 2, engines: all },
  { sql: 'INSERT INTO t SELECT id + 10, n FROM t', changed: 3, engines: all },
  {
    sql: 'INSERT INTO t VALUES (2, 5), (3, 5), (4, 5) ON CONFLICT (id) DO UPDATE SET n = excluded.n',
    changed: 3,
    engines: all,
  },
  {
    sql: 'INSERT INTO t VALUES (2, 5), (4, 5) ON CONFLICT (id) DO UPDATE SET n = excluded.n RETURNING n AS "Count"',
    changed: 2,
    engines: all,
  },
  { sql: 'INSERT INTO t VALUES (2, 5), (4, 5) ON CONFLICT DO NOTHING', changed: 1, engines: all },
  {
    sql: 'INSERT INTO t VALUES (2, 5) ON CONFLICT DO NOTHING RETURNING id AS "Count"',
    changed: 0,
    engines: all,
  },
  {
    sql: 'INSERT OR REPLACE INTO t VALUES (2, 5), (4, 5)',
    changed: 2,
    engines: ['sqlite', 'duckdb'],
  },
  { sql: 'DELETE FROM t', changed: 3, engines: all },
  { sql: 'DELETE FROM t WHERE id = 1 RETURNING n AS "Count"', changed: 1, engines: all },
  {
    sql: 'WITH s AS (SELECT 2 AS id) UPDATE t SET n = 9 WHERE id IN (SELECT id FROM s)',
    changed: 1,
    engines: all,
  },
  { sql: merge, changed: 4, engines: withMerge },
  { sql: `${merge} RETURNING merge_action, t.id AS "Count"`, changed: 4, engines: ['duckdb'] },
  {
    sql: `${merge} RETURNING merge_action(), t.id AS "Count"`,
    changed: 4,
    engines: ['postgresql'],
  },
  { sql: 'CREATE TABLE u AS SELECT * FROM t', changed: 0, engines: all },
  { sql: 'SELECT count(*) AS "Count" FROM t', changed: 0, engines: all },
];

/** A call of each operation on what a dataset has in it. */
function callsOnDataset(storage: StorageApi, name: string): Promise<unknown>[] {
  return [
    storage.readData(name),
    storage.readTable(name, 't'),
    storage.query(name, 'SELECT 1'),
    storage.writeTable(name, 't', [{ a: 1 }]),
    storage.execute(name, 'CREATE TABLE t (a INTEGER)'),
    storage.transaction(name, () => 1),
    storage.getTableInfo(name, 't'),
    storage.getColumns(name, 't'),
    storage.listTables(name),
    storage.analyzeColumn(name, 't', 'a'),
    storage.getMetadata(name),
    storage.updateMetadata(name, { a: 1 }),
  ];
}

/** How the tests of a storage are run. */
interface SuiteOptions {
  /** One test after the other, for a storage that serves one dataset at a time. Default: several tests at once. */
  readonly serially?: boolean;
}

/**
 * The storage contract, held against any implementation: the legacy leg, the pooled leg, the drop-in at each stage.
 */
export function describeStorageBackend(
  title: string,
  engine: Engine,
  open: () => Promise<Harness>,
  { serially = false }: SuiteOptions = {},
): void {
  const test = serially ? inTurn : inTurn.concurrent;
  describe(title, () => {
    let harness: Harness;
    let storage: StorageApi;
    const made: string[] = [];

    async function dataset(table?: string, rows: Row[] = []): Promise<string> {
      const name = newName();
      await storage.createDataset(name);
      made.push(name);
      if (table !== undefined) await storage.writeTable(name, table, rows);
      return name;
    }

    const mark = (at: number): string => (engine === 'postgresql' ? `$${at}` : '?');

    beforeAll(async () => {
      harness = await open();
      storage = harness.storage;
      // Drivers are loaded by the first call on each leg, and Jest refuses that between tests that run at the same time.
      const first = newName();
      await storage.createDataset(first);
      await storage.query(first, 'SELECT 1 AS one');
      await harness.complaints();
      await storage.dropDataset(first);
    });
    afterAll(async () => {
      await Promise.all(made.map((name) => storage.dropDataset(name)));
      await harness.close();
    });

    describe('two datasets', () => {
      test('used alternately are never mixed up', async () => {
        const [a, b] = [
          await dataset('data', rowsOf(3, 'a')),
          await dataset('data', rowsOf(5, 'b')),
        ];
        for (let turn = 0; turn < 4; turn += 1) {
          expect((await storage.readData(a)).map((row) => row['mark'])).toEqual(['a', 'a', 'a']);
          expect((await storage.readData(b)).map((row) => row['mark'])).toEqual([
            'b',
            'b',
            'b',
            'b',
            'b',
          ]);
          if (turn === 1) await storage.closeConnections();
        }
      });

      test('used concurrently, reads and writes, are never mixed up', async () => {
        const names = [
          await dataset('data', rowsOf(2, 'x0')),
          await dataset('data', rowsOf(2, 'x1')),
          await dataset('data', rowsOf(2, 'x2')),
        ];
        await Promise.all(
          names.flatMap((name, which) =>
            Array.from({ length: 6 }, async (_, turn) => {
              await storage.execute(
                name,
                `INSERT INTO data (id, mark) VALUES (${mark(1)}, ${mark(2)})`,
                [100 + turn, `x${which}`],
              );
              const { rows } = await storage.query(name, 'SELECT DISTINCT mark FROM data');
              expect(rows).toEqual([{ mark: `x${which}` }]);
              expect(await storage.listTables(name)).toEqual(['data']);
            }),
          ),
        );
        for (const name of names)
          expect(await storage.getTableInfo(name, 'data')).toMatchObject({ rowCount: 8 });
      });

      test('keep their metadata and a write in one is not seen in the other', async () => {
        const [a, b] = [
          await dataset('data', rowsOf(1, 'a')),
          await dataset('data', rowsOf(1, 'b')),
        ];
        await Promise.all([
          storage.updateMetadata(a, { of: 'a' }),
          storage.updateMetadata(b, { of: 'b' }),
        ]);
        await storage.writeTable(a, 'data', rowsOf(1, 'new'), { ifExists: 'replace' });
        expect([await storage.getMetadata(a), await storage.getMetadata(b)]).toEqual([
          { of: 'a' },
          { of: 'b' },
        ]);
        expect((await storage.readData(b))[0]?.['mark']).toBe('b');
        expect((await storage.readData(a))[0]?.['mark']).toBe('new');
      });
    });

    describe('a dataset', () => {
      test('exists from its creation to its removal, under its lower-cased name', async () => {
        const name = newName();
        expect(await storage.datasetExists(name)).toBe(false);
        await storage.createDataset(name.toUpperCase());
        made.push(name);
        expect(await storage.datasetExists(name)).toBe(true);
        expect(await storage.listDatasets()).toContain(name);
        expect(await storage.listTables(name.toUpperCase())).toEqual([]);
        await expect(storage.createDataset(name)).rejects.toThrow(DatasetExistsError);
        await storage.dropDataset(name);
        expect(await storage.datasetExists(name)).toBe(false);
        expect(await storage.listDatasets()).not.toContain(name);
      });

      test('that is dropped leaves no file, and dropping it again is no error', async () => {
        const name = await dataset('data', rowsOf(10, 'a'));
        await storage.readData(name);
        await storage.dropDataset(name);
        await storage.dropDataset(name);
        await storage.dropDataset(newName());
        expect(harness.files().filter((file) => file.includes(name))).toEqual([]);
      });

      test('made again under its name holds nothing of the old one', async () => {
        const name = await dataset('data', rowsOf(10, 'old'));
        await storage.readData(name);
        await storage.dropDataset(name);
        await storage.createDataset(name);
        expect(await storage.listTables(name)).toEqual([]);
        await storage.writeTable(name, 'data', rowsOf(1, 'new'));
        expect(await storage.readData(name)).toEqual(rowsOf(1, 'new'));
      });

      // No other test makes files meanwhile.
      inTurn.each(['../x', 'a/b', '"; drop table', '', 'x'.repeat(300), '.', 'a\0b'])(
        'named %j is refused by every operation',
        async (name) => {
          const before = harness.files();
          const calls = [
            ...callsOnDataset(storage, name),
            storage.tableExists(name, 't'),
            storage.datasetExists(name),
            storage.createDataset(name),
            storage.dropDataset(name),
          ];
          for (const outcome of await Promise.allSettled(calls)) {
            expect(
              outcome.status === 'rejected' ? (outcome.reason as unknown) : 'resolved',
            ).toBeInstanceOf(InvalidNameError);
          }
          expect(harness.files()).toEqual(before);
        },
      );

      test('that does not exist is named by each operation, and nothing is left behind', async () => {
        const name = newName();
        for (const outcome of await Promise.allSettled(callsOnDataset(storage, name))) {
          const reason: unknown = outcome.status === 'rejected' ? outcome.reason : 'resolved';
          expect(reason).toBeInstanceOf(DatasetNotFoundError);
          expect((reason as Error).message).toContain(name);
        }
        expect(harness.files().filter((file) => file.includes(name))).toEqual([]);
        expect(await storage.datasetExists(name)).toBe(false);
      });
    });

    describe('reading a table', () => {
      let name: string;
      beforeAll(async () => {
        name = await dataset('data', [
          { id: 3, city: 'Oslo', size: 2.5 },
          { id: 1, city: null, size: 1 },
          { id: 2, city: 'Bonn', size: null },
          { id: 4, city: 'Bonn', size: 4 },
        ]);
      });
      const ids = (rows: Row[]): unknown[] => rows.map((row) => row['id']);

      test('gives all rows, the columns wanted, in the order wanted', async () => {
        expect(ids(await storage.readTable(name, 'data')).sort()).toEqual([1, 2, 3, 4]);
        const [row] = await storage.readTable(name, 'data', { columns: ['city', 'id'], limit: 1 });
        expect(Object.entries(row ?? {})).toEqual([
          ['city', 'Oslo'],
          ['id', 3],
        ]);
      });

      test.each([
        [{ limit: 2 }, [3, 1]],
        [{ limit: 0 }, []],
        [{ limit: 99 }, [3, 1, 2, 4]],
        [{ orderBy: 'id' }, [1, 2, 3, 4]],
        [{ orderBy: 'id desc', limit: 2 }, [4, 3]],
        [{ orderBy: [{ column: 'id', direction: 'desc' as const }] }, [4, 3, 2, 1]],
        [{ where: { id: 2 } }, [2]],
        [{ where: { id: [4, 1] }, orderBy: 'id' }, [1, 4]],
        [{ where: { city: null } }, [1]],
        [{ where: { city: 'Bonn', id: 4 } }, [4]],
        [{ where: { id: [] } }, []],
        [{ where: 'id > 2', orderBy: 'id' }, [3, 4]],
        [{ where: { city: 'Bonn' }, limit: 1 }, [2]],
      ])('with %j gives %j', async (options, expected) => {
        expect(ids(await storage.readTable(name, 'data', options))).toEqual(expected);
      });

      test.each([-1, 1.5, NaN, Infinity])('refuses a limit of %d', async (limit) => {
        await expect(storage.readTable(name, 'data', { limit })).rejects.toThrow(
          InvalidArgumentError,
        );
      });

      test('names an unknown table or column', async () => {
        await expect(storage.readTable(name, 'no such table')).rejects.toThrow(TableNotFoundError);
        await expect(storage.getTableInfo(name, 'nope')).rejects.toThrow(/nope/);
        await expect(storage.getColumns(name, 'nope')).rejects.toThrow(TableNotFoundError);
        await expect(storage.readTable(name, 'data', { columns: ['nope'] })).rejects.toThrow(
          ColumnNotFoundError,
        );
        await expect(storage.readTable(name, 'data', { where: { nope: 1 } })).rejects.toThrow(
          ColumnNotFoundError,
        );
        await expect(storage.analyzeColumn(name, 'data', 'nope')).rejects.toThrow(
          ColumnNotFoundError,
        );
        expect(await storage.listTables(name)).toEqual(['data']);
      });

      test('tells its columns, its rows and its statistics', async () => {
        const info = await storage.getTableInfo(name, 'data');
        expect([
          info.name,
          info.rowCount,
          info.columnCount,
          info.columns.map((column) => column.name),
        ]).toEqual(['data', 4, 3, ['id', 'city', 'size']]);
        expect(await storage.getColumns(name, 'data')).toEqual(['id', 'city', 'size']);
        expect([
          await storage.tableExists(name, 'data'),
          await storage.tableExists(name, 'nope'),
        ]).toEqual([true, false]);
        expect(await storage.analyzeColumn(name, 'data', 'id')).toMatchObject({
          count: 4,
          uniqueCount: 4,
          min: 1,
          max: 4,
          mean: 2.5,
        });
        const size = await storage.analyzeColumn(name, 'data', 'size');
        expect([size.count, size.std]).toEqual([3, expect.closeTo(1.5, 9)]);
        expect(await storage.analyzeColumn(name, 'data', 'city')).toMatchObject({
          count: 3,
          uniqueCount: 2,
          min: 'Bonn',
          max: 'Oslo',
          mean: null,
          std: null,
        });
      });

      test('the primary table is data, else train', async () => {
        const other = await dataset('train', rowsOf(2, 't'));
        expect(await storage.readData(other)).toHaveLength(2);
        await storage.writeTable(other, 'data', rowsOf(3, 'd'));
        expect(await storage.readData(other)).toHaveLength(3);
        await expect(storage.readData(await dataset())).rejects.toThrow(StorageError);
      });
    });

    describe('writing a table', () => {
      test('fails on one that is there, and any other word is refused', async () => {
        const name = await dataset('data', rowsOf(1, 'a'));
        await expect(storage.writeTable(name, 'data', rowsOf(1, 'b'))).rejects.toThrow(
          TableExistsError,
        );
        await expect(
          storage.writeTable(name, 'data', rowsOf(1, 'b'), { ifExists: 'fail' }),
        ).rejects.toThrow(TableExistsError);
        await expect(
          storage.writeTable(name, 'data', rowsOf(1, 'b'), { ifExists: 'upsert' as never }),
        ).rejects.toThrow(InvalidArgumentError);
        expect(await storage.readData(name)).toEqual(rowsOf(1, 'a'));
      });

      test('replaces or appends, from rows or from columns', async () => {
        const name = await dataset('data', rowsOf(3, 'a'));
        await storage.writeTable(name, 'data', rowsOf(1, 'b'), { ifExists: 'replace' });
        await storage.writeTable(
          name,
          'data',
          { id: [7, 8], mark: ['c', null] },
          { ifExists: 'append' },
        );
        expect(await storage.readTable(name, 'data', { limit: 9 })).toEqual([
          { id: 0, mark: 'b' },
          { id: 7, mark: 'c' },
          { id: 8, mark: null },
        ]);
        await storage.writeTable(name, 'fresh', rowsOf(1, 'd'), { ifExists: 'append' });
        expect(await storage.listTables(name)).toEqual(['data', 'fresh']);
      });

      test('appends by name: fewer columns are NULL, an unknown one is refused and nothing is written', async () => {
        const name = await dataset('data', rowsOf(1, 'a'));
        await storage.writeTable(name, 'data', [{ mark: 'only' }], { ifExists: 'append' });
        await storage.writeTable(name, 'data', [{ mark: 'turned', id: 5 }], { ifExists: 'append' });
        const unknown = [
          { id: 6, mark: 'x' },
          { id: 7, mark: 'y', other: 1 },
        ];
        await expect(
          storage.writeTable(name, 'data', unknown, { ifExists: 'append' }),
        ).rejects.toThrow(ColumnNotFoundError);
        expect(await storage.readTable(name, 'data', { limit: 9 })).toEqual([
          { id: 0, mark: 'a' },
          { id: null, mark: 'only' },
          { id: 5, mark: 'turned' },
        ]);
      });

      test('can be empty with columns, and not without', async () => {
        const name = await dataset('data', rowsOf(1, 'a'));
        await storage.writeTable(name, 'empty', { a: [], b: [] });
        expect([
          await storage.getColumns(name, 'empty'),
          await storage.readTable(name, 'empty'),
        ]).toEqual([['a', 'b'], []]);
        await expect(storage.writeTable(name, 'none', [])).rejects.toThrow(InvalidArgumentError);
        await expect(storage.writeTable(name, 'none', {})).rejects.toThrow(InvalidArgumentError);
        await expect(storage.writeTable(name, 'none', { a: [1], b: [] })).rejects.toThrow(
          InvalidArgumentError,
        );
        expect(await storage.tableExists(name, 'none')).toBe(false);
      });

      test('is whole or not at all, whoever reads meanwhile', async () => {
        const name = await dataset('data', rowsOf(500, 'old'));
        const seen = new Set<string>();
        const reads = Array.from({ length: 12 }, async () => {
          const rows = await storage.readData(name);
          seen.add(`${rows.length} ${[...new Set(rows.map((row) => String(row['mark'])))].join()}`);
        });
        await Promise.all([
          ...reads,
          storage.writeTable(name, 'data', rowsOf(700, 'new'), { ifExists: 'replace' }),
        ]);
        for (const state of seen) expect(['500 old', '700 new']).toContain(state);
        expect(await storage.readData(name)).toHaveLength(700);
      });

      test('keeps every value', async () => {
        const text = 'quote " \' ` back\\slash\nnew line\ttab é ñ 漢字 🎬 ';
        const at = new Date(Date.UTC(2024, 2, 31, 1, 30, 15, 250));
        const rows = [
          {
            whole: 42,
            big: 9_007_199_254_740_993n,
            least: -9_223_372_036_854_775_808n,
            real: 0.1,
            text,
            empty: '',
            none: null,
            bytes: new Uint8Array([0, 1, 255]),
            at,
            nested: { b: [1, { c: 'é' }] },
          },
        ];
        const name = await dataset();
        await storage.writeTable(name, 'data', rows);
        const [row] = await storage.readData(name);
        expect(row).toMatchObject({
          whole: 42,
          big: 9_007_199_254_740_993n,
          least: -9_223_372_036_854_775_808n,
          real: 0.1,
          text,
          empty: '',
          none: null,
        });
        expect(hexOf(row?.['bytes'])).toBe('0001ff');
        // Engines write the fraction in their own way; the instant is the same and not shifted by this machine's zone.
        expect(String(row?.['at'])).toMatch(/^2024-03-31 01:30:15\.25/);
        expect(JSON.parse(row?.['nested'] as string)).toEqual({ b: [1, { c: 'é' }] });
      });

      test('gives bytes of one class by every way, whoever answers', async () => {
        const rows = Array.from({ length: 8 }, (_, id) => ({
          id,
          bytes: Buffer.from('deadbeef', 'hex'),
        }));
        const name = await dataset('data', rows);
        const one = { columns: ['bytes'], where: { id: 1 } };
        const answers = await Promise.all([
          ...Array.from({ length: 8 }, () => storage.readTable(name, 'data', one)),
          ...Array.from(
            { length: 8 },
            async (_, at) =>
              (await storage.query(name, `SELECT bytes FROM data WHERE id = ${at}`)).rows,
          ),
          storage.readData(name),
          storage.transaction(name, (inside) => inside.readTable('data', one)),
          storage.transaction(
            name,
            async (inside) => (await inside.query('SELECT bytes FROM data')).rows,
          ),
        ]);
        const { min, max } = await storage.analyzeColumn(name, 'data', 'bytes');
        for (const value of [...answers.flat().map((row) => row['bytes']), min, max])
          expect(hexOf(value)).toBe('deadbeef');
      });

      if (engine !== 'sqlite') {
        test('gives bytes of that class inside lists too', async () => {
          const name = await dataset();
          const sql =
            engine === 'duckdb'
              ? "SELECT ['\\xDE\\xAD'::BLOB] AS list, {'inner': ['\\xDE\\xAD'::BLOB]} AS struct"
              : "SELECT ARRAY['\\xdead'::bytea] AS list";
          for (const row of [
            (await storage.query(name, sql)).rows[0],
            (await storage.transaction(name, (inside) => inside.query(sql))).rows[0],
          ]) {
            const { list, struct } = row as { list: unknown[]; struct?: { inner: unknown[] } };
            for (const value of [...list, ...(struct?.inner ?? [])])
              expect(hexOf(value)).toBe('dead');
          }
        });
      }

      test('works with names that are keywords, mixed-case, spaced, quoted or hostile', async () => {
        const name = await dataset();
        for (const table of [
          'select',
          'Mixed Case',
          'with "quotes"',
          "it's",
          '__proto__',
          'naïve 漢',
        ]) {
          await storage.writeTable(name, table, [
            { order: 1, 'two words': 2, 'a"b': 3, constructor: 4 },
          ]);
          expect(
            await storage.readTable(name, table, { orderBy: 'order', where: { 'two words': 2 } }),
          ).toEqual([{ order: 1, 'two words': 2, 'a"b': 3, constructor: 4 }]);
          expect(await storage.getColumns(name, table)).toEqual([
            'order',
            'two words',
            'a"b',
            'constructor',
          ]);
          expect(await storage.tableExists(name, table)).toBe(true);
        }
        expect(await storage.listTables(name)).toHaveLength(6);
      });
    });

    describe('query', () => {
      if (engine !== 'sqlite') {
        test("gives a moment in UTC, whatever the machine's zone is", async () => {
          // What the driver takes from the machine when it is loaded.
          Reflect.set(DuckDBTimestampTZValue, 'timezoneOffsetInMinutes', 90);
          const { rows } = await storage.query(
            await dataset(),
            "SELECT CAST('2026-01-31 12:00:00+02' AS timestamptz) AS moment",
          );
          expect(rows).toEqual([{ moment: '2026-01-31 10:00:00+00' }]);
        });
      }

      test('gives columns in order, renamed where a name comes twice, with parameters', async () => {
        const name = await dataset('data', rowsOf(3, 'a'));
        expect(
          await storage.query(
            name,
            `SELECT id, mark AS "M", id FROM data WHERE id >= ${mark(1)} ORDER BY id`,
            [1],
          ),
        ).toEqual({
          columns: ['id', 'M', 'id:1'],
          rows: [
            { id: 1, M: 'a', 'id:1': 1 },
            { id: 2, M: 'a', 'id:1': 2 },
          ],
        });
      });

      test.each([
        "INSERT INTO data VALUES (9, 'x')",
        'UPDATE data SET id = 9',
        'DELETE FROM data',
        'DROP TABLE data',
        'CREATE TABLE x (a INTEGER)',
        'UPDATE data SET id = 9 RETURNING id',
        "INSERT INTO data VALUES (9, 'x') RETURNING id",
        'SELECT 1; DELETE FROM data',
        '',
      ])('refuses %j and runs nothing', async (sql) => {
        const name = await dataset('data', rowsOf(2, 'a'));
        await expect(storage.query(name, sql)).rejects.toThrow(StorageError);
        expect(await storage.readTable(name, 'data', { orderBy: 'id' })).toEqual(rowsOf(2, 'a'));
        expect(await storage.listTables(name)).toEqual(['data']);
      });

      test("names the refusal of a write, and keeps the driver's error as cause", async () => {
        const name = await dataset('data', rowsOf(1, 'a'));
        await expect(storage.query(name, 'DELETE FROM data')).rejects.toThrow(ReadOnlyError);
        const error: unknown = await storage
          .query(name, 'SELECT 1 +')
          .catch((reason: unknown) => reason);
        expect(error).toBeInstanceOf(StorageError);
        expect((error as Error).cause).toBeDefined();
      });
    });

    describe('execute and transaction', () => {
      test('execute commits and tells the rows affected', async () => {
        const name = await dataset('data', rowsOf(3, 'a'));
        expect(
          await storage.execute(name, `UPDATE data SET mark = ${mark(1)} WHERE id > ${mark(2)}`, [
            'b',
            0,
          ]),
        ).toBe(2);
        await storage.closeConnections();
        expect(
          (await storage.readTable(name, 'data', { orderBy: 'id' })).map((row) => row['mark']),
        ).toEqual(['a', 'b', 'b']);
        expect(await storage.execute(name, 'DELETE FROM data WHERE id = 99')).toBe(0);
      });

      test.each(countedStatements.filter(({ engines: some }) => some.includes(engine)))(
        'execute counts the rows that were changed: $sql',
        async ({ sql, changed }) => {
          const name = await dataset();
          await storage.execute(name, 'CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)');
          expect(await storage.execute(name, 'INSERT INTO t VALUES (1, 1), (2, 1), (3, 1)')).toBe(
            3,
          );
          expect(await storage.execute(name, sql)).toBe(changed);
          expect(
            await storage.transaction(name, (inside) =>
              inside.execute('INSERT INTO t VALUES (98, 1), (99, 1)'),
            ),
          ).toBe(2);
        },
      );

      test('fifty at once are each applied once', async () => {
        const name = await dataset('data', rowsOf(1, 'a'));
        await Promise.all(
          Array.from({ length: 50 }, (_, at) =>
            storage.execute(name, `INSERT INTO data (id, mark) VALUES (${mark(1)}, 'n')`, [at]),
          ),
        );
        await Promise.all(
          Array.from({ length: 10 }, () =>
            storage.execute(name, "UPDATE data SET id = id + 1 WHERE mark = 'a'"),
          ),
        );
        const { rows } = await storage.query(
          name,
          "SELECT count(*) AS n, max(CASE WHEN mark = 'a' THEN id END) AS a FROM data",
        );
        expect(rows.map(({ n, a }) => [Number(n), Number(a)])).toEqual([[51, 10]]);
      });

      test('a failed write is not run a second time', async () => {
        const name = await dataset('data', rowsOf(1, 'a'));
        await storage.execute(name, 'CREATE UNIQUE INDEX once ON data (id)');
        await expect(
          storage.execute(name, "INSERT INTO data (id, mark) VALUES (5, 'x'), (0, 'y')"),
        ).rejects.toThrow(StorageError);
        expect(await storage.readData(name)).toHaveLength(1);
      });

      test('a transaction is committed when it returns and rolled back when it throws', async () => {
        const name = await dataset('data', rowsOf(1, 'a'));
        const result = await storage.transaction(name, async (transaction) => {
          await transaction.execute("INSERT INTO data (id, mark) VALUES (1, 'b')");
          await transaction.writeTable('other', rowsOf(2, 'c'));
          return (await transaction.readTable('data')).length;
        });
        expect(result).toBe(2);
        const changedMind = new Error('changed my mind');
        await expect(
          storage.transaction(name, async (transaction) => {
            await transaction.execute('DELETE FROM data');
            await transaction.writeTable('third', rowsOf(1, 'x'));
            throw changedMind;
          }),
        ).rejects.toBe(changedMind);
        expect([await storage.listTables(name), (await storage.readData(name)).length]).toEqual([
          ['data', 'other'],
          2,
        ]);
      });

      test('calls on the outer object inside take part in it; another inside is refused; use after its end is refused', async () => {
        const name = await dataset('data', rowsOf(1, 'a'));
        let kept: { execute(sql: string): Promise<number> } | undefined;
        await expect(
          storage.transaction(name, async (transaction) => {
            kept = transaction;
            await storage.execute(name, "INSERT INTO data (id, mark) VALUES (1, 'outer')");
            expect(await storage.readData(name)).toHaveLength(2);
            await expect(storage.transaction(name, () => 1)).rejects.toThrow(StorageError);
            throw new Error('back');
          }),
        ).rejects.toThrow('back');
        expect(await storage.readData(name)).toHaveLength(1);
        await expect(kept?.execute('DELETE FROM data')).rejects.toThrow(StorageError);
        expect(await storage.readData(name)).toHaveLength(1);
      });

      test('what a caller wrote it reads', async () => {
        const name = await dataset('data', rowsOf(1, 'a'));
        for (let turn = 1; turn <= 10; turn += 1) {
          await storage.execute(name, `INSERT INTO data (id, mark) VALUES (${mark(1)}, 'n')`, [
            turn,
          ]);
          expect((await storage.getTableInfo(name, 'data')).rowCount).toBe(turn + 1);
        }
      });
    });

    test('metadata merges by key', async () => {
      const name = await dataset();
      expect(await storage.getMetadata(name)).toEqual({});
      await storage.updateMetadata(name, { a: 1, b: { c: ['é', null] } });
      await storage.updateMetadata(name, { a: 2, d: true });
      expect(await storage.getMetadata(name)).toEqual({ a: 2, b: { c: ['é', null] }, d: true });
      expect(await storage.listTables(name)).toEqual([]);
    });

    test('closing connections is idempotent, and the next call opens again', async () => {
      const name = await dataset('data', rowsOf(2, 'a'));
      await storage.closeConnections();
      await Promise.all([storage.closeConnections(), storage.closeConnections()]);
      expect(await storage.readData(name)).toHaveLength(2);
    });

    inTurn('the legs never differed', async () => {
      expect(await harness.complaints()).toEqual([]);
    });
  });
}

inTurn('the suite is held against every engine', () => {
  expect(engines).toEqual(['sqlite', 'duckdb', 'postgresql']);
});
