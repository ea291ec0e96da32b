import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { datasetFile } from './api/store-location.ts';
import { type Engine, engines } from './api/engine.ts';
import { type InputRows } from './api/input-values.ts';
import {
  connectPostgres,
  type DatasetPrograms,
  datasetPrograms,
  type DatasetStore,
  fileStore,
  inTransaction,
  openDuckdbSession,
  openSqliteSession,
  type Program,
  schemaStore,
} from './index.ts';

interface TestSession {
  run<T>(program: Program<T>): Promise<T>;
  close(): Promise<void>;
}

const url = process.env['CHANGEOVER_TEST_DATABASE_URL'] ?? '';
const dataset = `programs_${process.pid}_${Date.now().toString(36)}`;
let basePath: string;

async function openStore(engine: Engine): Promise<{ store: DatasetStore; close(): Promise<void> }> {
  if (engine !== 'postgresql')
    return { store: fileStore(engine, { basePath }), close: () => Promise.resolve() };
  const session = await connectPostgres({ url });
  return { store: schemaStore((program) => session.run(program)), close: () => session.close() };
}

async function openSession(engine: Engine): Promise<TestSession> {
  switch (engine) {
    case 'postgresql':
      return connectPostgres({ url, dataset });
    case 'duckdb':
      return openDuckdbSession({ file: datasetFile({ basePath }, engine, dataset) });
    case 'sqlite': {
      const session = openSqliteSession({ file: datasetFile({ basePath }, engine, dataset) });
      return {
        run: async (program) => session.run(program),
        close: async () => {
          session.close();
        },
      };
    }
  }
}

beforeAll(async () => {
  basePath = await mkdtemp(join(tmpdir(), 'changeover-programs-'));
});

afterAll(async () => {
  await rm(basePath, { recursive: true, force: true });
});

describe.each(engines)('On %s', (engine) => {
  const programs: DatasetPrograms = datasetPrograms({ engine, dataset });
  const mark = (position: number): string => (engine === 'sqlite' ? '?' : `$${position}`);
  let session: TestSession;
  let stores: Awaited<ReturnType<typeof openStore>>;

  beforeAll(async () => {
    stores = await openStore(engine);
    await stores.store.create(dataset);
    session = await openSession(engine);
  });

  afterAll(async () => {
    await session.close();
    await stores.store.drop(dataset);
    await stores.close();
  });

  const write = (
    table: string,
    rows: InputRows,
    ifExists?: 'fail' | 'replace' | 'append',
  ): Promise<void> => session.run(programs.writeTable(table, rows, { ifExists }));
  const read = async (table: string): Promise<unknown[]> =>
    (await session.run(programs.readTable(table))).rows;

  describe('writing a table', () => {
    test('keeps every kind of value', async () => {
      await write('kinds', [
        {
          integer: 1,
          large: 9007199254740993n,
          double: 0.1,
          text: 'é😀\n\'"\t\\',
          flag: true,
          bytes: new Uint8Array([0, 255, 92]),
          time: new Date('2020-02-29T12:34:56.789Z'),
          nested: { a: [1, null, 'x'] },
          nothing: null,
          empty: '',
        },
        {
          integer: -5,
          large: -3n,
          double: -1e300,
          text: null,
          flag: false,
          bytes: null,
          time: undefined,
          nested: null,
          nothing: undefined,
          empty: null,
        },
      ]);
      const [first, second] = (await read('kinds')) as Record<string, unknown>[];
      expect(first).toMatchObject({
        integer: 1,
        large: 9007199254740993n,
        double: 0.1,
        text: 'é😀\n\'"\t\\',
        time: '2020-02-29 12:34:56.789',
        nothing: null,
        empty: '',
      });
      expect(first?.['flag']).toBe(engine === 'sqlite' ? 1 : true);
      expect(Buffer.from(first?.['bytes'] as Uint8Array).toString('hex')).toBe('00ff5c');
      expect(JSON.parse(String(first?.['nested']))).toEqual({ a: [1, null, 'x'] });
      expect(second).toMatchObject({
        integer: -5,
        large: -3,
        double: -1e300,
        text: null,
        bytes: null,
        time: null,
        empty: null,
      });
    });

    test("infers a column's type over all rows, and takes the union of their keys in first-seen order", async () => {
      await write('inferred', [
        { a: 1 },
        { b: 'x', a: 1.5 },
        { c: true },
        { a: null, mixed: 1 },
        { mixed: 'one' },
      ]);
      expect(await session.run(programs.getColumns('inferred'))).toEqual(['a', 'b', 'c', 'mixed']);
      const rows = await read('inferred');
      expect(rows).toHaveLength(5);
      expect(rows[1]).toMatchObject({ a: 1.5, b: 'x', c: null, mixed: null });
      expect(rows[3]).toMatchObject({ mixed: '1' });
    });

    test('takes columns as well as rows', async () => {
      await write('columns', { id: [1, 2, 3], name: ['a', null, 'c'] });
      expect(await read('columns')).toEqual([
        { id: 1, name: 'a' },
        { id: 2, name: null },
        { id: 3, name: 'c' },
      ]);
    });

    test('makes an empty table of columns without values, and refuses one without columns', async () => {
      await write('empty', { a: [], b: [] });
      expect(await session.run(programs.getTableInfo('empty'))).toMatchObject({
        rowCount: 0,
        columnCount: 2,
      });
      for (const nothing of [[], {}, [{}, {}]]) {
        await expect(write('none', nothing)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
      }
      expect(await session.run(programs.tableExists('none'))).toBe(false);
    });

    test.each([
      ['lists of unequal length', { a: [1, 2], b: [1] }],
      ['a column that is no list', { a: 5 }],
      ['a row that is no object', [{ a: 1 }, 7]],
      ['no rows at all', null],
      ['bytes mixed with text', [{ a: new Uint8Array([1]) }, { a: 'x' }]],
      ['an invalid date', [{ a: new Date(Number.NaN) }]],
      ['a function', [{ a: () => 1 }]],
    ])('refuses %s and writes nothing', async (_what, rows) => {
      await expect(write('refused', rows as unknown as InputRows)).rejects.toMatchObject({
        name: 'InvalidArgumentError',
      });
      expect(await session.run(programs.tableExists('refused'))).toBe(false);
    });

    test('fails by default where the table is there, and changes nothing', async () => {
      await write('there', [{ a: 1 }]);
      await expect(write('there', [{ a: 2 }])).rejects.toMatchObject({
        code: 'TABLE_EXISTS',
        table: 'there',
        dataset,
      });
      await expect(write('there', [{ a: 2 }], 'fail')).rejects.toMatchObject({
        code: 'TABLE_EXISTS',
      });
      await expect(write('there', [{ a: 2 }], 'other' as 'fail')).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
      });
      expect(await read('there')).toEqual([{ a: 1 }]);
    });

    test('replaces what is there, columns and all', async () => {
      await write('replaced', [{ a: 1, b: 2 }]);
      await write('replaced', [{ c: 'x' }], 'replace');
      expect(await read('replaced')).toEqual([{ c: 'x' }]);
    });

    test('appends by name, with NULL for what is missing', async () => {
      await write('appended', [{ a: 1, b: 'x' }]);
      await write('appended', [{ b: 'y' }], 'append');
      await write('appended', [{ b: 'z', a: 3 }], 'append');
      expect(await read('appended')).toEqual([
        { a: 1, b: 'x' },
        { a: null, b: 'y' },
        { a: 3, b: 'z' },
      ]);
    });

    test('appends NULL, not the default, for what is missing', async () => {
      await session.run(
        programs.execute('CREATE TABLE defaulted (a INTEGER, b INTEGER DEFAULT 7)'),
      );
      await write('defaulted', [{ a: 1 }], 'append');
      expect(await read('defaulted')).toEqual([{ a: 1, b: null }]);
    });

    test('refuses to append an unknown column and writes nothing', async () => {
      await write('known', [{ a: 1 }]);
      await expect(write('known', [{ a: 2, z: 1 }], 'append')).rejects.toMatchObject({
        code: 'COLUMN_NOT_FOUND',
      });
      expect(await read('known')).toEqual([{ a: 1 }]);
    });

    test('undoes all of a write that fails in the middle', async () => {
      await session.run(
        programs.execute('CREATE TABLE checked (a INTEGER NOT NULL CHECK (a < 5000))'),
      );
      const values = Array.from({ length: 5001 }, (_, index) => index);
      await expect(write('checked', { a: values }, 'append')).rejects.toMatchObject({
        name: 'StatementError',
      });
      expect(await read('checked')).toEqual([]);
      await write('checked', { a: [1] }, 'append');
      expect(await read('checked')).toEqual([{ a: 1 }]);
    });

    test("creates a table that append doesn't find", async () => {
      await write('made', [{ a: 1 }], 'append');
      expect(await read('made')).toEqual([{ a: 1 }]);
    });

    test('appends to columns of other types as the engine converts', async () => {
      await session.run(
        programs.execute(
          'CREATE TABLE typed (d DATE, n NUMERIC(10,2), v VARCHAR(20), f DOUBLE PRECISION)',
        ),
      );
      await write('typed', [{ d: '2020-02-29', n: '12.50', v: 'x', f: 1 }], 'append');
      const [row] = (await read('typed')) as Record<string, unknown>[];
      expect({ ...row, n: Number(row?.['n']) }).toEqual({ d: '2020-02-29', n: 12.5, v: 'x', f: 1 });
    });

    test('keeps 20,000 rows in their order', async () => {
      const ids = Array.from({ length: 20_000 }, (_, index) => index);
      await write('many', { id: ids, name: ids.map((id) => `name ${id}`) });
      const rows = (await read('many')) as { id: number; name: string }[];
      expect(rows.map(({ id }) => id)).toEqual(ids);
      expect(rows[19_999]).toEqual({ id: 19_999, name: 'name 19999' });
    });

    test("is no part of the metadata's table", async () => {
      await expect(write('_changeover_metadata', [{ a: 1 }], 'replace')).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
      });
    });
  });

  describe('names', () => {
    const names = [
      'select',
      'Mixed Case',
      'quo"te',
      'semi;colon',
      'ünï-code',
      '1st',
      "it's",
      'a.b',
      '%s',
      '$1',
    ];

    test.each(names)('a table and a column called %p work in every operation', async (name) => {
      await write(name, [{ [name]: 1, other: 'x' }]);
      await write(name, [{ [name]: 2, other: 'y' }], 'append');
      const options = {
        columns: [name],
        where: { [name]: [1, 2] },
        orderBy: { column: name, direction: 'desc' as const },
      };
      const { rows } = await session.run(
        programs.readTable(name, { ...options, orderBy: [options.orderBy] }),
      );
      expect(rows).toEqual([{ [name]: 2 }, { [name]: 1 }]);
      expect(await session.run(programs.getTableInfo(name))).toMatchObject({ name, rowCount: 2 });
      expect(await session.run(programs.analyzeColumn(name, name))).toMatchObject({
        count: 2,
        mean: 1.5,
      });
      expect(await session.run(programs.tableExists(name))).toBe(true);
    });

    test.each(['', 'nul\0', 5, undefined])('%p is refused', async (name) => {
      await expect(read(name as string)).rejects.toMatchObject({ code: 'INVALID_NAME' });
      await expect(write(name as string, [{ a: 1 }])).rejects.toMatchObject({
        code: 'INVALID_NAME',
      });
    });

    test('a column of the name __proto__ is a column like any other', async () => {
      const columns = Object.fromEntries([
        ['a', [1]],
        ['__proto__', ['x']],
      ]) as InputRows;
      await write('proto', columns);
      const [row] = (await session.run(programs.query('SELECT * FROM proto'))).rows;
      expect(Object.entries(row ?? {})).toEqual([
        ['a', 1],
        ['__proto__', 'x'],
      ]);
      expect(Object.getPrototypeOf(row)).toBe(Object.prototype);
      expect((await read('proto'))[0]).toEqual(row);
    });
  });

  describe('reading a table', () => {
    beforeAll(async () => {
      await write('data', [
        { id: 3, name: 'c', score: 1.5 },
        { id: 1, name: 'a', score: null },
        { id: 2, name: 'b', score: 2.5 },
        { id: 4, name: null, score: 2.5 },
      ]);
      await session.run(programs.execute('CREATE INDEX data_id ON data (id)'));
    });

    const ids = async (options: Parameters<DatasetPrograms['readTable']>[1]): Promise<unknown[]> =>
      (await session.run(programs.readTable('data', options))).rows.map((row) => row['id']);

    test('the primary table is data', async () => {
      expect((await session.run(programs.readData())).rows).toHaveLength(4);
    });

    test.each([
      [0, []],
      [2, [3, 1]],
      [100, [3, 1, 2, 4]],
    ])('limit %p gives the first rows as inserted', async (limit, wanted) => {
      expect(await ids({ limit })).toEqual(wanted);
      expect(await ids({ limit, columns: ['id'], where: 'id > 0' })).toEqual(wanted);
    });

    test.each([-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '1'])(
      'limit %p is refused',
      async (limit) => {
        await expect(ids({ limit: limit as number })).rejects.toMatchObject({
          code: 'INVALID_ARGUMENT',
        });
      },
    );

    test('orders by columns either way', async () => {
      expect(await ids({ orderBy: 'id' })).toEqual([1, 2, 3, 4]);
      expect(await ids({ orderBy: 'id desc', limit: 2 })).toEqual([4, 3]);
      expect(
        await ids({
          orderBy: ['score DESC', { column: 'id', direction: 'desc' }],
          where: 'score IS NOT NULL',
        }),
      ).toEqual([4, 2, 3]);
      await expect(
        ids({ orderBy: { column: 'id', direction: 'up' as 'asc' } as never }),
      ).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
      });
    });

    test('selects by values, NULL and lists', async () => {
      expect(await ids({ where: { id: 2 } })).toEqual([2]);
      expect(await ids({ where: { name: null } })).toEqual([4]);
      expect(await ids({ where: { id: [1, 4], name: ['a', null] }, orderBy: 'id' })).toEqual([
        1, 4,
      ]);
      expect(await ids({ where: { id: [] } })).toEqual([]);
      expect(await ids({ where: { score: 2.5, id: 4 } })).toEqual([4]);
      expect(await ids({ where: {} })).toHaveLength(4);
    });

    test('takes a condition in SQL, a comment at its end included', async () => {
      expect(await ids({ where: 'id > 2 -- and so on', orderBy: 'id', limit: 1 })).toEqual([3]);
    });

    test('gives the columns in the order wanted', async () => {
      const { columns, rows } = await session.run(
        programs.readTable('data', { columns: ['name', 'id'], limit: 1 }),
      );
      expect(columns).toEqual(['name', 'id']);
      expect(Object.keys(rows[0] ?? {})).toEqual(['name', 'id']);
    });

    test('gives lists of values where cells are wanted', async () => {
      const cells = datasetPrograms({ engine, dataset, form: 'cells' });
      const result = await session.run(
        cells.readTable('data', { columns: ['id', 'name'], limit: 2 }),
      );
      expect(result).toMatchObject({
        columns: ['id', 'name'],
        cells: [
          [3, 'c'],
          [1, 'a'],
        ],
        rows: [],
      });
      expect((await session.run(cells.query('SELECT id, id FROM data ORDER BY id'))).cells).toEqual(
        [
          [1, 1],
          [2, 2],
          [3, 3],
          [4, 4],
        ],
      );
    });

    test('names an unknown table or column', async () => {
      await expect(read('absent')).rejects.toMatchObject({
        code: 'TABLE_NOT_FOUND',
        table: 'absent',
        dataset,
      });
      await expect(session.run(programs.getTableInfo('absent'))).rejects.toMatchObject({
        code: 'TABLE_NOT_FOUND',
      });
      await expect(session.run(programs.getColumns('absent'))).rejects.toMatchObject({
        code: 'TABLE_NOT_FOUND',
      });
      await expect(
        session.run(programs.readTable('absent', { limit: 1, where: 'a = 1' })),
      ).rejects.toMatchObject({
        code: 'TABLE_NOT_FOUND',
      });
      for (const options of [
        { columns: ['absent'] },
        { where: { absent: 1 } },
        { orderBy: 'absent' },
      ]) {
        await expect(session.run(programs.readTable('data', options))).rejects.toMatchObject({
          code: 'COLUMN_NOT_FOUND',
          message: expect.stringContaining('"absent"') as unknown,
        });
      }
      await expect(session.run(programs.analyzeColumn('data', 'absent'))).rejects.toMatchObject({
        code: 'COLUMN_NOT_FOUND',
      });
    });

    test('analyzes a column in the engine', async () => {
      expect(await session.run(programs.analyzeColumn('data', 'score'))).toEqual({
        count: 3,
        uniqueCount: 2,
        min: 1.5,
        max: 2.5,
        mean: 6.5 / 3,
        std: expect.closeTo(0.5773502691896257, 12) as unknown,
      });
      expect(await session.run(programs.analyzeColumn('data', 'name'))).toEqual({
        count: 3,
        uniqueCount: 3,
        min: 'a',
        max: 'c',
        mean: null,
        std: null,
      });
      await write('single', { n: [5], nothing: [null] });
      expect(await session.run(programs.analyzeColumn('single', 'n'))).toEqual({
        count: 1,
        uniqueCount: 1,
        min: 5,
        max: 5,
        mean: 5,
        std: null,
      });
      expect(await session.run(programs.analyzeColumn('single', 'nothing'))).toEqual({
        count: 0,
        uniqueCount: 0,
        min: null,
        max: null,
        mean: null,
        std: null,
      });
    });

    test('describes a table', async () => {
      await session.run(
        programs.execute(
          'CREATE TABLE described (id INTEGER PRIMARY KEY, name VARCHAR(20) NOT NULL, level INTEGER DEFAULT 3)',
        ),
      );
      const { columns, rowCount, columnCount } = await session.run(
        programs.getTableInfo('described'),
      );
      expect({ rowCount, columnCount }).toEqual({ rowCount: 0, columnCount: 3 });
      expect(columns.map(({ name, nullable, primaryKey }) => [name, nullable, primaryKey])).toEqual(
        [
          ['id', false, true],
          ['name', false, false],
          ['level', true, false],
        ],
      );
      expect(columns[2]?.default).toContain('3');
      expect(columns[0]?.default).toBeNull();
    });

    test('lists tables sorted, without views and the metadata', async () => {
      await session.run(programs.updateMetadata({ a: 1 }));
      await session.run(programs.execute('CREATE VIEW a_view AS SELECT id FROM data'));
      const tables = await session.run(programs.listTables());
      expect(tables).toEqual([...tables].sort());
      expect(tables).toContain('data');
      expect(tables).not.toContain('a_view');
      expect(tables).not.toContain('_changeover_metadata');
      expect(await session.run(programs.tableExists('a_view'))).toBe(true);
      expect(
        (await session.run(programs.readTable('a_view', { limit: 1, where: 'id > 0' }))).rows,
      ).toHaveLength(1);
    });
  });

  describe('query', () => {
    test('gives columns in order, two of one name included', async () => {
      expect(
        await session.run(programs.query('SELECT 1 AS a, 2 AS b, 3 AS a, 4 AS "7"')),
      ).toMatchObject({
        columns: ['a', 'b', 'a:1', '7'],
        rows: [{ a: 1, b: 2, 'a:1': 3, 7: 4 }],
      });
      expect(
        await session.run(programs.query('SELECT 1 AS z, 2 AS "0" WHERE 1 = 0')),
      ).toMatchObject({
        columns: ['z', '0'],
        rows: [],
      });
    });

    test('binds parameters', async () => {
      await write('bound', [
        { id: 1, name: 'x', moment: new Date(0), bytes: new Uint8Array([1]), flag: true },
      ]);
      const found = async (column: string, value: never): Promise<unknown> =>
        (
          await session.run(
            programs.query(`SELECT id FROM bound WHERE ${column} = ${mark(1)}`, [value]),
          )
        ).rows.length;
      expect(await found('id', 1 as never)).toBe(1);
      expect(await found('id', 1n as never)).toBe(1);
      expect(await found('name', 'x' as never)).toBe(1);
      expect(await found('moment', new Date(0) as never)).toBe(1);
      expect(await found('bytes', new Uint8Array([1]) as never)).toBe(1);
      expect(await found('flag', true as never)).toBe(1);
      expect(await found('name', null as never)).toBe(0);
      expect(await found('name', undefined as never)).toBe(0);
    });

    test.each([
      'INSERT INTO data (id) VALUES (9)',
      'UPDATE data SET id = 9',
      'DELETE FROM data',
      'DROP TABLE data',
      'CREATE TABLE written (a INTEGER)',
      'ALTER TABLE data ADD COLUMN z INTEGER',
      'BEGIN',
      'COMMIT',
      'ROLLBACK',
      'DELETE FROM data RETURNING id',
      'VACUUM',
      '/* SELECT */ DELETE FROM data',
      '(/**/)\nDELETE FROM data',
      'EXPLAIN ANALYZE DELETE FROM data',
      'WITH gone AS (DELETE FROM data RETURNING id) SELECT id FROM gone',
      'CREATE TABLE written AS SELECT 1 AS a',
      'SELECT 1 AS a INTO written',
    ])('refuses %p and runs nothing', async (sql) => {
      const before = await read('data');
      await expect(session.run(programs.query(sql))).rejects.toMatchObject({
        name: expect.stringMatching(/^(ReadOnlyError|StatementError)$/) as unknown,
      });
      expect(await read('data')).toEqual(before);
      expect(await session.run(programs.tableExists('written'))).toBe(false);
      // And is still out of any transaction.
      await write('after', [{ a: 1 }], 'replace');
      expect(await read('after')).toEqual([{ a: 1 }]);
    });

    test('a write that only the engine can see is refused as one', async () => {
      const hidden = {
        sqlite: 'WITH x AS (SELECT 9 AS id) INSERT INTO data (id) SELECT id FROM x',
        duckdb: "COPY data TO '/nowhere/at/all.csv'",
        postgresql: 'WITH gone AS (DELETE FROM data RETURNING id) SELECT id FROM gone',
      }[engine];
      await expect(session.run(programs.query(hidden))).rejects.toMatchObject({
        code: 'READ_ONLY',
      });
    });

    test.each(['', ' ', '-- nothing', 'SELECT 1; SELECT 2', 'SELECT 1; DELETE FROM data', 7, null])(
      '%p is not one statement',
      async (sql) => {
        await expect(session.run(programs.query(sql as string))).rejects.toMatchObject({
          code: 'INVALID_ARGUMENT',
        });
        await expect(session.run(programs.execute(sql as string))).rejects.toMatchObject({
          code: 'INVALID_ARGUMENT',
        });
      },
    );

    test('a whole number is bound as an integer', async () => {
      const half = engine === 'sqlite' ? 'SELECT typeof(?) AS kind, ? / 2 AS half' : undefined;
      if (half !== undefined) {
        expect((await session.run(programs.query(half, [5, 5]))).rows).toEqual([
          { kind: 'integer', half: 2 },
        ]);
      }
      await session.run(programs.execute('CREATE TABLE texts (v VARCHAR(30))'));
      await session.run(programs.execute(`INSERT INTO texts VALUES (${mark(1)})`, [5]));
      await write('texts', { v: [6, 3_000_000_000, true] }, 'append');
      expect(await read('texts')).toEqual([
        { v: '5' },
        { v: '6' },
        { v: '3000000000' },
        { v: 'true' },
      ]);
    });

    test('a wrong number of parameters is an error of the family', async () => {
      await expect(session.run(programs.query(`SELECT ${mark(1)}`, []))).rejects.toMatchObject({
        code: expect.any(String) as unknown,
      });
      await expect(session.run(programs.query('SELECT 1 AS one', [1]))).rejects.toMatchObject({
        code: expect.any(String) as unknown,
      });
      expect((await session.run(programs.query('SELECT 1 AS one'))).rows).toEqual([{ one: 1 }]);
    });

    test("an error's message holds no value, and its cause is the driver's", async () => {
      await session.run(
        programs.execute('CREATE TABLE guarded (a INTEGER UNIQUE, b DATE CHECK (b IS NOT NULL))'),
      );
      const secret = 'hunter2-secret';
      for (const sql of [
        `SELECT CAST('${secret}' AS INTEGER) + 1 FROM nowhere_at_all`,
        `SELECT '${secret}' FRM x`,
        `SELECT 1 WHERE '${secret}`,
      ]) {
        const error: unknown = await session
          .run(programs.query(sql))
          .catch((reason: unknown) => reason);
        expect(error).toMatchObject({
          name: 'StatementError',
          cause: expect.anything() as unknown,
        });
        expect((error as Error).message).not.toContain('hunter2');
      }
      const wrong: unknown = await write('typed', [{ d: secret, n: secret }], 'append').catch(
        (reason: unknown) => reason,
      );
      if (engine !== 'sqlite') expect((wrong as Error).message).not.toContain('hunter2');
    });
  });

  describe('execute', () => {
    test('tells the rows affected, and commits', async () => {
      await session.run(programs.execute('CREATE TABLE affected (a INTEGER)'));
      const values = `INSERT INTO affected VALUES (${mark(1)}), (${mark(2)}), (3)`;
      expect(await session.run(programs.execute(values, [1, 2]))).toBe(3);
      expect(await session.run(programs.execute('UPDATE affected SET a = a + 1 WHERE a > 1'))).toBe(
        2,
      );
      expect(await session.run(programs.execute('UPDATE affected SET a = 0 RETURNING a'))).toBe(3);
      expect(
        await session.run(programs.execute('CREATE TABLE copied AS SELECT * FROM affected')),
      ).toBe(0);
      expect(await session.run(programs.execute('SELECT a FROM affected'))).toBe(0);
      expect(await session.run(programs.execute('DELETE FROM affected'))).toBe(3);
      expect(await session.run(programs.execute('DELETE FROM affected'))).toBe(0);
      expect(await session.run(programs.execute('DROP TABLE affected'))).toBe(0);
    });

    test.each(['BEGIN', 'COMMIT', 'ROLLBACK', ' begin transaction'])('refuses %p', async (sql) => {
      await expect(session.run(programs.execute(sql))).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
      });
    });

    test('refuses what would change the connection', async () => {
      const statements = {
        sqlite: ["ATTACH ':memory:' AS m", 'PRAGMA foreign_keys = OFF', 'SAVEPOINT s'],
        duckdb: [
          "ATTACH ':memory:' AS m",
          'SET threads = 1',
          'USE memory',
          'PREPARE p AS SELECT 1',
        ],
        postgresql: [
          "SET TimeZone = 'Asia/Tokyo'",
          'SAVEPOINT s',
          'DISCARD ALL',
          'PREPARE p AS SELECT 1',
          'LISTEN x',
        ],
      }[engine];
      for (const sql of statements) {
        await expect(session.run(programs.execute(sql))).rejects.toMatchObject({
          code: 'INVALID_ARGUMENT',
        });
      }
    });
  });

  describe('metadata', () => {
    test('merges by key and keeps every kind of JSON', async () => {
      await session.run(programs.updateMetadata({ a: { b: [1, null, 'é\0"'] }, kept: 'x' }));
      await session.run(programs.updateMetadata({ a: 2, 'quo"te': true }));
      expect(await session.run(programs.getMetadata())).toMatchObject({
        a: 2,
        kept: 'x',
        'quo"te': true,
      });
    });

    test.each([null, [1], 'x', { f: () => 1 }, { u: undefined }, { b: 1n }])(
      '%p is refused',
      async (metadata) => {
        await expect(session.run(programs.updateMetadata(metadata as never))).rejects.toMatchObject(
          { code: 'INVALID_ARGUMENT' },
        );
      },
    );
  });

  describe('a write apart', () => {
    test('gives what a write would, and leaves nothing', async () => {
      await write('real', [{ a: 1, b: 'x' }]);
      const appended = await session.run(
        programs.scratchWrite('real', [{ b: 'y' }], { ifExists: 'append' }),
      );
      expect(appended).toMatchObject({ columns: ['a', 'b'], rows: [{ a: null, b: 'y' }] });
      const replaced = await session.run(
        programs.scratchWrite('real', [{ c: 1.5 }], { ifExists: 'replace' }),
      );
      expect(replaced).toMatchObject({ columns: ['c'], rows: [{ c: 1.5 }] });
      await expect(session.run(programs.scratchWrite('real', [{ c: 1 }]))).rejects.toMatchObject({
        code: 'TABLE_EXISTS',
      });
      await expect(
        session.run(programs.scratchWrite('real', [{ z: 1 }], { ifExists: 'append' })),
      ).rejects.toMatchObject({
        code: 'COLUMN_NOT_FOUND',
      });
      expect(await read('real')).toEqual([{ a: 1, b: 'x' }]);
      expect(await session.run(programs.listTables())).not.toContain('_changeover_scratch');
    });
  });

  describe('a transaction', () => {
    test('of several operations is all or nothing', async () => {
      const bare = datasetPrograms({ engine, dataset, transaction: 'bare' });
      function* both(fail: boolean): Program<void> {
        yield* bare.writeTable('together', [{ a: 1 }], { ifExists: 'append' });
        yield* bare.execute('INSERT INTO together VALUES (2)');
        if (fail) throw new Error('no');
      }
      await expect(session.run(inTransaction(both(true)))).rejects.toMatchObject({
        code: expect.any(String) as unknown,
      });
      expect(await session.run(programs.tableExists('together'))).toBe(false);
      await session.run(inTransaction(both(false)));
      expect(await read('together')).toHaveLength(2);
    });

    test("inside a caller's, a query that fails or writes doesn't spoil the rest", async () => {
      const inside = datasetPrograms({ engine, dataset, transaction: 'savepoint' });
      function* work(): Program<number> {
        yield* inside.writeTable('partly', [{ a: 1 }]);
        for (const sql of ['SELECT * FROM nowhere_at_all', 'DELETE FROM partly']) {
          try {
            yield* inside.query(sql);
          } catch {
            // Goes on.
          }
        }
        return (yield* inside.readTable('partly')).rows.length;
      }
      expect(await session.run(inTransaction(work()))).toBe(1);
      expect(await read('partly')).toEqual([{ a: 1 }]);
    });
  });
});
