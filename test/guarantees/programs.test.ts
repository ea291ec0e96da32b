import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Engine, StorageApi } from 'changeover';
import {
  answerOrCode,
  atEachStage,
  type FourStages,
  openFourStages,
  toldAtEachStage,
} from './four-stages.ts';

// Small programs that stand on what one connection gives. Each tells the same at each stage.

const engines: readonly Engine[] = ['sqlite', 'duckdb', 'postgresql'];
let opened: FourStages;
beforeAll(() => {
  opened = openFourStages();
});
afterAll(async () => {
  await opened.close();
});

const ids: Readonly<Record<Engine, readonly string[]>> = {
  sqlite: ['CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT)'],
  duckdb: [
    'CREATE SEQUENCE numbers',
    "CREATE TABLE item (id INTEGER DEFAULT nextval('numbers'), name TEXT)",
  ],
  postgresql: ['CREATE TABLE item (id SERIAL PRIMARY KEY, name TEXT)'],
};
const prepare =
  (engine: Engine) =>
  async (storage: StorageApi, dataset: string): Promise<void> => {
    for (const sql of ids[engine]) await storage.execute(dataset, sql);
    await storage.execute(dataset, 'CREATE TABLE part (item INTEGER, name TEXT)');
  };
const mark = (engine: Engine, at: number): string => (engine === 'postgresql' ? `$${at}` : '?');

/** The one value of the first row. */
const value = async (storage: StorageApi, dataset: string, sql: string): Promise<unknown> =>
  Object.values((await storage.query(dataset, sql)).rows[0] ?? {})[0];

describe.each(engines)('%s', (engine) => {
  const told = (program: (storage: StorageApi, dataset: string) => Promise<unknown>) =>
    toldAtEachStage(opened, engine, prepare(engine), program);

  test('a transaction has the id of the row that it inserts by RETURNING, and uses it', async () => {
    const found = await told(async (storage, dataset) => {
      const made = await Promise.all(
        ['a', 'b', 'c'].map((name) =>
          storage.transaction(dataset, async (transaction) => {
            const { rows } = await transaction.query(
              `INSERT INTO item (name) VALUES (${mark(engine, 1)}) RETURNING id`,
              [name],
            );
            const id = Number(rows[0]?.['id']);
            await transaction.execute(
              `INSERT INTO part VALUES (${mark(engine, 1)}, ${mark(engine, 2)})`,
              [id, name],
            );
            return id;
          }),
        ),
      );
      const orphans = await value(
        storage,
        dataset,
        'SELECT count(*) AS n FROM part p LEFT JOIN item i ON i.id = p.item AND i.name = p.name WHERE i.id IS NULL',
      );
      return { made, orphans };
    });
    expect(found).toEqual(atEachStage({ made: [1, 2, 3], orphans: 0 }));
  });

  test('a transaction has the rows that it changes and deletes by RETURNING; a rollback takes them back', async () => {
    const found = await told(async (storage, dataset) => {
      await storage.execute(dataset, "INSERT INTO part VALUES (1, 'a'), (2, 'b')");
      const changed = await storage.transaction(dataset, async (transaction) => [
        (await transaction.query("UPDATE part SET name = 'c' WHERE item = 1 RETURNING item, name"))
          .rows,
        (await transaction.query('DELETE FROM part WHERE item = 2 RETURNING name')).rows,
      ]);
      await answerOrCode(() =>
        storage.transaction(dataset, async (transaction) => {
          await transaction.query('DELETE FROM part RETURNING item');
          throw new Error('no');
        }),
      );
      return [changed, await storage.readTable(dataset, 'part')];
    });
    expect(found).toEqual(
      atEachStage([[[{ item: 1, name: 'c' }], [{ name: 'b' }]], [{ item: 1, name: 'c' }]]),
    );
  });

  test('outside of a transaction, and without RETURNING inside of one, query takes no write', async () => {
    const found = await told(async (storage, dataset) => [
      await answerOrCode(() =>
        storage.query(dataset, "INSERT INTO part VALUES (1, 'a') RETURNING item"),
      ),
      await answerOrCode(() =>
        storage.transaction(dataset, (transaction) =>
          transaction.query("INSERT INTO part VALUES (1, 'a')"),
        ),
      ),
      // The same text after a transaction took it.
      (
        await storage.transaction(dataset, (transaction) =>
          transaction.query("INSERT INTO part VALUES (2, 'b') RETURNING item"),
        )
      ).rows,
      await answerOrCode(() =>
        storage.query(dataset, "INSERT INTO part VALUES (2, 'b') RETURNING item"),
      ),
      await storage.readTable(dataset, 'part'),
    ]);
    const refused = { error: 'READ_ONLY' };
    expect(found).toEqual(
      atEachStage([refused, refused, [{ item: 2 }], refused, [{ item: 2, name: 'b' }]]),
    );
  });

  test('execute with RETURNING tells how many rows it affected', async () => {
    const found = await told(async (storage, dataset) => [
      await storage.execute(dataset, "INSERT INTO part VALUES (1, 'a'), (2, 'b') RETURNING item"),
      await storage.execute(dataset, 'DELETE FROM part RETURNING item'),
    ]);
    expect(found).toEqual(atEachStage([2, 2]));
  });

  test('a queue of jobs gives each job to one worker', async () => {
    const found = await told(async (storage, dataset) => {
      await storage.execute(
        dataset,
        "INSERT INTO part VALUES (1, 'new'), (2, 'new'), (3, 'new'), (4, 'new')",
      );
      const skip = engine === 'postgresql' ? ' FOR UPDATE SKIP LOCKED' : '';
      const work = async (): Promise<number[]> => {
        const done: number[] = [];
        for (;;) {
          const job = await storage.transaction(dataset, async (transaction) => {
            const { rows } = await transaction.query(
              `SELECT item FROM part WHERE name = 'new' ORDER BY item LIMIT 1${skip}`,
            );
            const item = rows[0]?.['item'];
            if (item === undefined) return undefined;
            await transaction.execute(`UPDATE part SET name = 'done' WHERE item = ${String(item)}`);
            return Number(item);
          });
          if (job === undefined) return done;
          done.push(job);
        }
      };
      return (await Promise.all([work(), work(), work()])).flat().sort();
    });
    expect(found).toEqual(atEachStage([1, 2, 3, 4]));
  });

  test('a temporary table of a report is there for the statements after it, and gone from the list of tables', async () => {
    const found = await told(async (storage, dataset) => {
      await storage.execute(dataset, "INSERT INTO part VALUES (1, 'a'), (2, 'b')");
      await storage.execute(dataset, 'CREATE TEMP TABLE report AS SELECT count(*) AS n FROM part');
      await storage.execute(dataset, 'INSERT INTO report VALUES (7)');
      const sum = await value(storage, dataset, 'SELECT CAST(sum(n) AS INTEGER) AS n FROM report');
      await storage.execute(dataset, 'DROP TABLE report');
      return [sum, (await storage.listTables(dataset)).includes('report')];
    });
    expect(found).toEqual(atEachStage([9, false]));
  });

  test('a temporary view hides a table for who made it', async () => {
    const found = await told(async (storage, dataset) => {
      await storage.execute(dataset, "INSERT INTO part VALUES (1, 'a'), (2, 'b')");
      await storage.execute(dataset, 'CREATE TEMP VIEW mine AS SELECT * FROM part WHERE item = 2');
      return await Promise.all(
        Array.from({ length: 5 }, () => value(storage, dataset, 'SELECT count(*) AS n FROM mine')),
      );
    });
    expect(found).toEqual(atEachStage([1, 1, 1, 1, 1]));
  });
});

describe('sqlite', () => {
  const told = (program: (storage: StorageApi, dataset: string) => Promise<unknown>) =>
    toldAtEachStage(opened, 'sqlite', prepare('sqlite'), program);

  test('last_insert_rowid() and changes() tell of the last write, in both orders', async () => {
    const found = await told(async (storage, dataset) => {
      const seen: unknown[] = [];
      for (const name of ['a', 'b']) {
        await storage.execute(dataset, 'INSERT INTO item (name) VALUES (?)', [name]);
        seen.push(await value(storage, dataset, 'SELECT last_insert_rowid() AS id'));
      }
      await storage.execute(dataset, "UPDATE item SET name = 'c'");
      seen.push(await value(storage, dataset, 'SELECT changes() AS n'));
      return seen;
    });
    expect(found).toEqual(atEachStage([1, 2, 2]));
  });

  test('a PRAGMA that tells answers alike, and one that sets is refused without doing it', async () => {
    const found = await told(async (storage, dataset) => [
      (await storage.query(dataset, 'PRAGMA table_info(part)')).rows.length,
      await answerOrCode(() => storage.query(dataset, 'PRAGMA foreign_keys = OFF')),
      await answerOrCode(() => storage.execute(dataset, 'PRAGMA /* */ foreign_keys = OFF')),
      await value(storage, dataset, 'PRAGMA foreign_keys'),
      await storage.execute(dataset, 'PRAGMA user_version = 7'),
      await value(storage, dataset, 'PRAGMA user_version'),
    ]);
    expect(found).toEqual(atEachStage(found.legacy));
    expect(found.legacy).toMatchObject([
      2,
      { error: 'READ_ONLY' },
      { error: 'INVALID_ARGUMENT' },
      expect.anything(),
      0,
      7,
    ]);
  });
});

describe('duckdb', () => {
  const told = (program: (storage: StorageApi, dataset: string) => Promise<unknown>) =>
    toldAtEachStage(opened, 'duckdb', prepare('duckdb'), program);

  test('SET, ATTACH and USE are refused alike, a macro and a temporary one are there for all', async () => {
    const found = await told(async (storage, dataset) => {
      const refused = [];
      for (const sql of [
        'SET threads = 1',
        "ATTACH ':memory:' AS other",
        'USE memory',
        'PRAGMA threads = 1',
      ])
        refused.push(await answerOrCode(() => storage.execute(dataset, sql)));
      await storage.execute(dataset, 'CREATE MACRO twice(x) AS 2 * x');
      await storage.execute(dataset, 'CREATE TEMP MACRO thrice(x) AS 3 * x');
      const all = await Promise.all(
        Array.from({ length: 4 }, () =>
          value(storage, dataset, 'SELECT twice(2) + thrice(2) AS n'),
        ),
      );
      return [refused, all];
    });
    expect(found).toEqual(
      atEachStage([Array(4).fill({ error: 'INVALID_ARGUMENT' }), [10, 10, 10, 10]]),
    );
  });

  test('currval tells of the sequence’s last number', async () => {
    const found = await told(async (storage, dataset) => {
      await storage.execute(dataset, "INSERT INTO item (name) VALUES ('a')");
      return await answerOrCode(() => value(storage, dataset, "SELECT currval('numbers') AS n"));
    });
    expect(found).toEqual(atEachStage(1));
  });
});

describe('postgresql', () => {
  const told = (program: (storage: StorageApi, dataset: string) => Promise<unknown>) =>
    toldAtEachStage(opened, 'postgresql', prepare('postgresql'), program);

  test('currval and lastval tell of the last insert', async () => {
    const found = await told(async (storage, dataset) => {
      await storage.execute(dataset, "INSERT INTO item (name) VALUES ('a')");
      await storage.execute(dataset, "INSERT INTO item (name) VALUES ('b')");
      return [
        await value(storage, dataset, 'SELECT lastval() AS n'),
        await value(storage, dataset, "SELECT currval('item_id_seq') AS n"),
      ];
    });
    expect(found).toEqual(atEachStage([2, 2]));
  });

  test('a number that a function of its own takes is taken once by each write', async () => {
    const found = await told(async (storage, dataset) => {
      await storage.execute(dataset, 'CREATE SEQUENCE tickets');
      await storage.execute(
        dataset,
        `CREATE FUNCTION ticket() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN nextval('tickets'); END $$`,
      );
      for (const name of ['a', 'b', 'c'])
        await storage.execute(dataset, `INSERT INTO part VALUES (ticket(), '${name}')`);
      return (await storage.readTable(dataset, 'part', { orderBy: 'item' })).map(
        ({ item }) => item,
      );
    });
    expect(found).toEqual(atEachStage([1, 2, 3]));
  });

  test('a setting of a transaction ends with it', async () => {
    const found = await told(async (storage, dataset) => {
      const inside = await storage.transaction(dataset, async (transaction) => {
        await transaction.execute("SET LOCAL app.tenant = 'mine'");
        const { rows } = await transaction.query("SELECT current_setting('app.tenant', true) AS t");
        return rows[0]?.['t'];
      });
      return [
        inside,
        (await value(storage, dataset, "SELECT current_setting('app.tenant', true) AS t")) ?? '',
      ];
    });
    expect(found).toEqual(atEachStage(['mine', '']));
  });

  test('an advisory lock that one call takes is freed by another', async () => {
    const found = await told(async (storage, dataset) => [
      await value(storage, dataset, 'SELECT pg_try_advisory_lock(4711) AS got'),
      await value(
        storage,
        dataset,
        "SELECT count(*) AS n FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711",
      ),
      await value(storage, dataset, 'SELECT pg_advisory_unlock(4711) AS freed'),
      await value(
        storage,
        dataset,
        "SELECT count(*) AS n FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711",
      ),
    ]);
    expect(found).toEqual(atEachStage([true, 1, true, 0]));
  });

  test('LISTEN, PREPARE, DISCARD and a cursor are refused alike', async () => {
    const found = await told(async (storage, dataset) => {
      const refused = [];
      for (const sql of [
        'LISTEN jobs',
        'PREPARE one AS SELECT 1',
        'DISCARD ALL',
        '/* */ SET search_path TO public',
        'RESET ALL',
      ])
        refused.push(await answerOrCode(() => storage.execute(dataset, sql)));
      return refused;
    });
    expect(found).toEqual(atEachStage(Array(5).fill({ error: 'INVALID_ARGUMENT' })));
  });

  test('rows locked by SELECT FOR UPDATE are read, computed and written by one transaction after another', async () => {
    const found = await told(async (storage, dataset) => {
      await storage.execute(dataset, "INSERT INTO part VALUES (0, 'counter')");
      await Promise.all(
        Array.from({ length: 10 }, () =>
          storage.transaction(dataset, async (transaction) => {
            const { rows } = await transaction.query(
              "SELECT item FROM part WHERE name = 'counter' FOR UPDATE",
            );
            await transaction.execute(
              `UPDATE part SET item = ${String(Number(rows[0]?.['item']) + 1)}`,
            );
          }),
        ),
      );
      return await value(storage, dataset, 'SELECT item FROM part');
    });
    expect(found).toEqual(atEachStage(10));
  });
});
