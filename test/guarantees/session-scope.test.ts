import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Engine, Stage, StorageApi } from 'changeover';
import {
  answerOrCode,
  atEachStage,
  type FourStages,
  openFourStages,
  toldAtEachStage,
} from './four-stages.ts';

// `session(dataset, work)`: one connection for the work, at every stage, of which nothing is left afterwards.

const engines: readonly Engine[] = ['sqlite', 'duckdb', 'postgresql'];
let opened: FourStages;
beforeAll(() => {
  opened = openFourStages();
});
afterAll(async () => {
  await opened.close();
});

const prepare = async (storage: StorageApi, dataset: string): Promise<void> => {
  await storage.writeTable(dataset, 'item', [{ id: 1, name: 'a' }]);
};

const settings: Readonly<Record<Engine, { readonly set: string; readonly read: string }>> = {
  sqlite: { set: 'PRAGMA foreign_keys = OFF', read: 'PRAGMA foreign_keys' },
  duckdb: { set: "SET VARIABLE tenant = 'a'", read: "SELECT getvariable('tenant') AS tenant" },
  postgresql: {
    set: "SET app.tenant = 'a'",
    read: "SELECT nullif(current_setting('app.tenant', true), '') AS tenant",
  },
};
const before: Readonly<Record<Engine, unknown>> = { sqlite: 1, duckdb: null, postgresql: null };
const inside: Readonly<Record<Engine, unknown>> = { sqlite: 0, duckdb: 'a', postgresql: 'a' };

interface Reads {
  query(sql: string): Promise<{ readonly rows: readonly object[] }>;
}

/** The one value of the first row. */
const value = async (reads: Reads, sql: string): Promise<unknown> =>
  (Object.values((await reads.query(sql)).rows[0] ?? {}) as unknown[])[0];

const on = (storage: StorageApi, dataset: string): Reads => ({
  query: (sql) => storage.query(dataset, sql),
});

describe.each(engines)('%s', (engine) => {
  const told = (
    program: (storage: StorageApi, dataset: string, stage: Stage) => Promise<unknown>,
  ): Promise<Record<Stage, unknown>> => toldAtEachStage(opened, engine, prepare, program);

  test('what a session sets is there for its later statements, and for nobody else, then or later', async () => {
    const { set, read } = settings[engine];
    const found = await told(async (storage, dataset) => {
      const within = await storage.session(dataset, async (session) => {
        await session.execute(set);
        const seen = [await value(session, read)];
        await session.execute("INSERT INTO item VALUES (2, 'b')");
        return [...seen, await value(session, read)];
      });
      const afterwards = await Promise.all(
        Array.from({ length: 6 }, () => value(on(storage, dataset), read)),
      );
      const next = await storage.session(dataset, (session) => value(session, read));
      return [within, [...new Set(afterwards)], next, await storage.readTable(dataset, 'item')];
    });
    const [now, then] = [inside[engine], before[engine]];
    const rows = [
      { id: 1, name: 'a' },
      { id: 2, name: 'b' },
    ];
    expect(found).toEqual(atEachStage([[now, now], [then], then, rows]));
  });

  test('a temporary table is there for the session, and not afterwards', async () => {
    const found = await told(async (storage, dataset) => {
      const within = await storage.session(dataset, async (session) => {
        await session.execute('CREATE TEMP TABLE mine AS SELECT 5 AS id');
        await session.execute('INSERT INTO mine VALUES (6)');
        return await value(session, 'SELECT count(*) FROM mine');
      });
      return [within, await answerOrCode(() => storage.query(dataset, 'SELECT id FROM mine'))];
    });
    expect(found).toEqual(atEachStage([2, { error: 'STATEMENT_FAILED' }]));
  });

  test('each statement commits by itself, and stays where the work throws', async () => {
    const found = await told(async (storage, dataset) => {
      const error = await answerOrCode(() =>
        storage.session(dataset, async (session) => {
          await session.execute("INSERT INTO item VALUES (2, 'b')");
          throw Object.assign(new Error('no'), { code: 'MINE' });
        }),
      );
      return [error, (await storage.readTable(dataset, 'item')).length];
    });
    expect(found).toEqual(atEachStage([{ error: 'MINE' }, 2]));
  });

  test('a transaction of the session is all or nothing, on the same connection', async () => {
    const found = await told(async (storage, dataset) =>
      storage.session(dataset, async (session) => {
        await session.execute('CREATE TEMP TABLE mine AS SELECT 5 AS id');
        await session.transaction(async (transaction) => {
          await transaction.execute('INSERT INTO mine VALUES (6)');
          await transaction.execute("INSERT INTO item VALUES (2, 'b')");
        });
        const undone = await answerOrCode(() =>
          // The storage's own, called inside, is that of the session.
          storage.transaction(dataset, async (transaction) => {
            await transaction.execute("INSERT INTO item VALUES (3, 'c')");
            await session.execute("INSERT INTO item VALUES (4, 'd')");
            throw Object.assign(new Error('no'), { code: 'MINE' });
          }),
        );
        const nested = await answerOrCode(() =>
          session.transaction(() => session.transaction(() => undefined)),
        );
        return [
          undone,
          nested,
          await value(session, 'SELECT count(*) FROM mine'),
          await value(session, 'SELECT count(*) FROM item'),
        ];
      }),
    );
    const refused = { error: 'INVALID_ARGUMENT' };
    expect(found).toEqual(atEachStage([{ error: 'MINE' }, refused, 2, 2]));
  });

  test('calls that its work makes on the storage run in it; a session in a session is refused', async () => {
    const { set, read } = settings[engine];
    const found = await told(async (storage, dataset) =>
      storage.session(dataset, async (session) => {
        await session.execute(set);
        await storage.execute(dataset, "INSERT INTO item VALUES (2, 'b')");
        return [
          await value(on(storage, dataset), read),
          (await storage.readTable(dataset, 'item')).length,
          await answerOrCode(() => storage.session(dataset, () => undefined)),
          await answerOrCode(() =>
            storage.transaction(dataset, async (transaction) => {
              await transaction.execute("INSERT INTO item VALUES (3, 'c')");
              return await value(transaction, read);
            }),
          ),
        ];
      }),
    );
    const refused = { error: 'INVALID_ARGUMENT' };
    expect(found).toEqual(atEachStage([inside[engine], 2, refused, inside[engine]]));
  });

  test('the id of a row that it inserts is given by RETURNING, and rows affected by their number', async () => {
    const found = await told(async (storage, dataset) => {
      await storage.execute(
        dataset,
        {
          sqlite: 'CREATE TABLE numbered (id INTEGER PRIMARY KEY, name TEXT)',
          duckdb: 'CREATE SEQUENCE numbers',
          postgresql: 'CREATE TABLE numbered (id serial PRIMARY KEY, name text)',
        }[engine],
      );
      if (engine === 'duckdb') {
        await storage.execute(
          dataset,
          "CREATE TABLE numbered (id INTEGER DEFAULT nextval('numbers'), name TEXT)",
        );
      }
      const sql = "INSERT INTO numbered (name) VALUES ('a'), ('b') RETURNING id";
      const ids = async (query: Reads['query']): Promise<unknown> =>
        (await query(sql)).rows.map((row) => Number((row as { id: unknown }).id));
      return [
        await storage.session(dataset, (session) => ids((text) => session.query(text))),
        await storage.transaction(dataset, (transaction) => ids((text) => transaction.query(text))),
        // Elsewhere a query may be made on both legs, and takes no write.
        await answerOrCode(() => ids((text) => storage.query(dataset, text))),
        (await storage.readTable(dataset, 'numbered')).length,
      ];
    });
    expect(found).toEqual(atEachStage([[1, 2], [3, 4], { error: 'READ_ONLY' }, 4]));
  });

  test('it excludes other writes while it lasts, as a transaction does, so that none is lost', async () => {
    const found = await told(async (storage, dataset) => {
      await storage.execute(dataset, 'CREATE TABLE counter (n INTEGER)');
      await storage.execute(dataset, 'INSERT INTO counter VALUES (0)');
      await Promise.all(
        Array.from({ length: 10 }, () =>
          storage.session(dataset, async (session) => {
            const n = Number(await value(session, 'SELECT n FROM counter'));
            await session.execute(`UPDATE counter SET n = ${String(n + 1)}`);
          }),
        ),
      );
      return Number(await value(on(storage, dataset), 'SELECT n FROM counter'));
    });
    expect(found).toEqual(atEachStage(10));
  });

  test('a session that has ended takes no more calls, and one of a missing dataset says so', async () => {
    const found = await told(async (storage, dataset) => {
      const late = await storage.session(dataset, (session) => session);
      return [
        await answerOrCode(() => late.query('SELECT 1')),
        await answerOrCode(() => storage.session(`${dataset}_none`, () => undefined)),
        await answerOrCode(() => storage.session(dataset, 5 as never)),
      ];
    });
    const codes = ['CLOSED', 'DATASET_NOT_FOUND', 'INVALID_ARGUMENT'];
    expect(found).toEqual(atEachStage(codes.map((error) => ({ error }))));
  });
});

test('what a key keeps for its own calls is not seen by its sessions, and stays', async () => {
  const tenant = settings.postgresql.read;
  const found = await toldAtEachStage(opened, 'postgresql', prepare, async (storage, dataset) => {
    await storage.query(dataset, "SELECT set_config('app.tenant', 'own', false)");
    const within = await storage.session(dataset, async (session) => {
      const seen = await value(session, tenant);
      await session.execute("SET app.tenant = 'other'");
      return seen;
    });
    return [within, await value(on(storage, dataset), tenant)];
  });
  expect(found).toEqual(atEachStage([null, 'own']));
});

test('a lock that a session takes is free when it ends', async () => {
  const found = await toldAtEachStage(opened, 'postgresql', prepare, async (storage, dataset) => {
    await storage.session(dataset, (session) => session.query('SELECT pg_advisory_lock(9147)'));
    return await storage.session(dataset, (session) =>
      value(session, 'SELECT pg_try_advisory_lock(9147)'),
    );
  });
  expect(found).toEqual(atEachStage(true));
});

test('statements that set go in a session only, and those that reach outside of it nowhere', async () => {
  const found = await toldAtEachStage(opened, 'sqlite', prepare, async (storage, dataset) =>
    storage.session(dataset, async (session) => [
      await answerOrCode(() => session.execute('PRAGMA journal_mode = DELETE')),
      await answerOrCode(() => session.execute("ATTACH ':memory:' AS other")),
      await answerOrCode(() => session.execute('BEGIN')),
      await answerOrCode(() => session.query('PRAGMA foreign_keys = OFF')),
    ]),
  );
  const refused = { error: 'INVALID_ARGUMENT' };
  expect(found).toEqual(atEachStage([refused, refused, refused, { error: 'READ_ONLY' }]));
});
