import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { bridgeOf } from '@changeover/bridge';
import { type Stage, stages as allStages } from '@changeover/core';
import {
  CamelCasePlugin,
  type DatabaseConnection,
  type Dialect,
  type Kysely,
  ParseJSONResultsPlugin,
  sql,
} from 'kysely';
import {
  type BridgedKysely,
  bridgedKysely,
  type BridgedKyselyOptions,
  compared,
  engines,
} from './bridged-kysely.ts';

const stagesAndBack: readonly Stage[] = [...allStages, 'legacy'];

describe.each(engines)('a Kysely over two %s dialects', (engine) => {
  let kysely: BridgedKysely;
  beforeEach(async () => {
    kysely = await bridgedKysely(engine);
  });
  afterEach(async () => {
    await kysely[Symbol.asyncDispose]();
  });

  async function another(options: BridgedKyselyOptions): Promise<void> {
    await kysely[Symbol.asyncDispose]();
    kysely = await bridgedKysely(engine, options);
  }

  function at(stage: Stage): void {
    kysely.stages.set(() => stage);
  }

  const totals = () => kysely.bridge.recorder.summary().totals;
  const owners = async (): Promise<string[]> =>
    (await kysely.direct.selectFrom('account').select('owner').orderBy('owner').execute()).map(
      ({ owner }) => owner,
    );

  test('a connection that was given back is handed out again, once however often it was given back', async () => {
    const { dialect } = kysely;
    const driver = dialect.createDriver();
    const first = await driver.acquireConnection();
    await driver.releaseConnection(first);
    await driver.releaseConnection(first);
    const [second, third] = [await driver.acquireConnection(), await driver.acquireConnection()];
    expect(second).toBe(first);
    expect(third).not.toBe(first);
    await bridgeOf(dialect).close();
  });

  test('a query that its caller cancels while it runs is not run again for comparison', async () => {
    const ran = { legacy: 0, pooled: 0 };
    let cancel: AbortController | undefined;
    await another({
      wrap: {
        legacy: (dialect) =>
          watched(dialect, () => {
            ran.legacy += 1;
            cancel?.abort(new Error('given up'));
          }),
        pooled: (dialect) =>
          watched(dialect, () => {
            ran.pooled += 1;
          }),
      },
    });
    at('shadow');
    const read = kysely.db.selectFrom('account').selectAll();
    await compared(kysely, () => read.execute());
    const before = { ...ran };
    cancel = new AbortController();
    await expect(read.execute({ signal: cancel.signal })).rejects.toThrow('given up');
    await kysely.bridge.idle();
    expect(ran).toEqual({ legacy: before.legacy + 1, pooled: before.pooled });
    // One that was answered before its signal was aborted is compared.
    cancel = undefined;
    await read.execute({ signal: new AbortController().signal });
    await kysely.bridge.idle();
    expect(ran.pooled).toBe(before.pooled + 1);
  });

  test('reads, writes and transactions go through every stage and back with nothing lost and nothing doubled', async () => {
    const { db } = kysely;
    let expected = 0;
    for (const stage of stagesAndBack) {
      at(stage);
      const inserted = await db
        .insertInto('account')
        .values({ owner: `one ${String(expected)}`, balance: 1, extra: null })
        .returning('id')
        .executeTakeFirstOrThrow();
      expected += 1;
      expect(inserted.id).toBe(expected);
      await db.transaction().execute(async (transaction) => {
        await transaction
          .insertInto('account')
          .values({ owner: `two ${String(expected)}`, balance: 2, extra: null })
          .execute();
      });
      expected += 1;
      const rows = await db.selectFrom('account').selectAll().orderBy('id').execute();
      expect(rows).toHaveLength(expected);
      expect(await owners()).toHaveLength(expected);
    }
    await kysely.bridge.idle();
    expect(totals()).toMatchObject({ mismatch: 0, inconclusive: 0, failed: 0 });
  });

  test.each(['shadow', 'reverse'] as const)(
    'a read at %s is compared with the other dialect and matches',
    async (stage) => {
      at(stage);
      await kysely.db
        .insertInto('account')
        .values({ owner: 'a', balance: 1, extra: null })
        .execute();
      await compared(kysely, () => kysely.db.selectFrom('account').selectAll().execute());
      expect(totals().match).toBeGreaterThan(0);
      expect(totals()).toMatchObject({ mismatch: 0, inconclusive: 0 });
    },
  );

  test('big integers, dates and bytes are compared by value', async () => {
    at('shadow');
    const read =
      engine === 'sqlite'
        ? sql`select 9007199254740993 as big, x'00ff' as bytes, '2024-02-29' as day`
        : sql`select 9007199254740993::bigint as big, '\\x00ff'::bytea as bytes, date '2024-02-29' as day, interval '1 day 2 hours' as span, 1.50::numeric as price`;
    await compared(kysely, () => read.execute(kysely.db));
    expect(totals().match).toBeGreaterThan(0);
    expect(totals()).toMatchObject({ mismatch: 0, inconclusive: 0 });
  });

  test('a pooled dialect that answers wrong is a mismatch, and the caller never sees it', async () => {
    await another({
      wrap: {
        pooled: (dialect) => ({
          createDriver: () => changing(dialect.createDriver()),
          createQueryCompiler: () => dialect.createQueryCompiler(),
          createAdapter: () => dialect.createAdapter(),
          createIntrospector: (db) => dialect.createIntrospector(db),
        }),
      },
    });
    await kysely.direct
      .insertInto('account')
      .values({ owner: 'a', balance: 1, extra: null })
      .execute();
    at('shadow');
    for (let round = 0; round < 200 && totals().mismatch === 0; round += 1) {
      expect(await kysely.db.selectFrom('account').select('balance').execute()).toEqual([
        { balance: 1 },
      ]);
      await kysely.bridge.idle();
    }
    expect(totals().mismatch).toBeGreaterThan(0);
  });

  describe.each(allStages)('at %s', (stage) => {
    beforeEach(() => {
      at(stage);
    });

    test('a write tells how many rows it changed, and runs once', async () => {
      const { db } = kysely;
      const inserted = await db
        .insertInto('account')
        .values([
          { owner: 'a', balance: 1, extra: null },
          { owner: 'b', balance: 2, extra: null },
        ])
        .executeTakeFirst();
      expect(inserted.numInsertedOrUpdatedRows).toBe(2n);
      expect(inserted.insertId).toBe(engine === 'sqlite' ? 2n : undefined);
      const updated = await db
        .updateTable('account')
        .set((eb) => ({ balance: eb('balance', '+', 1) }))
        .executeTakeFirst();
      expect(updated.numUpdatedRows).toBe(2n);
      const removed = await db.deleteFrom('account').where('owner', '=', 'b').executeTakeFirst();
      expect(removed.numDeletedRows).toBe(1n);
      expect(await kysely.direct.selectFrom('account').select('balance').execute()).toEqual([
        { balance: 2 },
      ]);
    });

    test('a transaction that throws leaves nothing, and its error is the one that was thrown', async () => {
      const refusal = new Error('no');
      const work = kysely.db.transaction().execute(async (transaction) => {
        await transaction
          .insertInto('account')
          .values({ owner: 'a', balance: 1, extra: null })
          .execute();
        expect(await transaction.selectFrom('account').selectAll().execute()).toHaveLength(1);
        throw refusal;
      });
      await expect(work).rejects.toBe(refusal);
      expect(await owners()).toEqual([]);
      // Nothing is held back by it.
      await kysely.db
        .insertInto('account')
        .values({ owner: 'b', balance: 1, extra: null })
        .execute();
      expect(await owners()).toEqual(['b']);
    });

    test('a controlled transaction goes back to its savepoints, nested', async () => {
      const insert = (owner: string) => ({ owner, balance: 1, extra: null });
      const begun = await kysely.db.startTransaction().execute();
      await begun.insertInto('account').values(insert('a')).execute();
      const outer = await begun.savepoint('outer').execute();
      await outer.insertInto('account').values(insert('b')).execute();
      const inner = await outer.savepoint('inner').execute();
      await inner.insertInto('account').values(insert('c')).execute();
      await inner.rollbackToSavepoint('inner').execute();
      await outer.releaseSavepoint('outer').execute();
      await begun.commit().execute();
      expect(begun.isCommitted).toBe(true);
      expect(await owners()).toEqual(['a', 'b']);
      const second = await kysely.db.startTransaction().execute();
      await second.deleteFrom('account').execute();
      await second.rollback().execute();
      expect(await owners()).toEqual(['a', 'b']);
    });

    test('a transaction keeps the leg it began on when the stage changes', async () => {
      const begun = await kysely.db.startTransaction().execute();
      await begun.insertInto('account').values({ owner: 'a', balance: 1, extra: null }).execute();
      at(stage === 'pooled' ? 'legacy' : 'pooled');
      expect(await begun.selectFrom('account').select('owner').execute()).toEqual([{ owner: 'a' }]);
      await begun.commit().execute();
      await kysely.db
        .insertInto('account')
        .values({ owner: 'b', balance: 1, extra: null })
        .execute();
      expect(await owners()).toEqual(['a', 'b']);
    });

    test('BEGIN and COMMIT as statements are one transaction on one connection', async () => {
      const { db } = kysely;
      await sql`begin`.execute(db);
      await db.insertInto('account').values({ owner: 'a', balance: 1, extra: null }).execute();
      expect(await owners()).toEqual([]);
      await sql`rollback`.execute(db);
      await sql`begin`.execute(db);
      await db.insertInto('account').values({ owner: 'b', balance: 1, extra: null }).execute();
      await sql`commit`.execute(db);
      expect(await owners()).toEqual(['b']);
      await db.transaction().execute((transaction) => transaction.deleteFrom('account').execute());
      expect(await owners()).toEqual([]);
    });

    test('a stream gives every row, and can be left early', async () => {
      await kysely.direct
        .insertInto('account')
        .values(
          Array.from({ length: 5 }, (_, at) => ({ owner: String(at), balance: at, extra: null })),
        )
        .execute();
      const read = kysely.db.selectFrom('account').select('owner').orderBy('id');
      const seen: string[] = [];
      for await (const { owner } of read.stream()) seen.push(owner);
      expect(seen).toEqual(['0', '1', '2', '3', '4']);
      for await (const { owner } of read.stream()) {
        expect(owner).toBe('0');
        break;
      }
      // The connection came back.
      expect(await read.execute()).toHaveLength(5);
      await kysely.bridge.idle();
      expect(totals()).toMatchObject({ mismatch: 0, inconclusive: 0 });
    });

    test('an error is the one that the dialect throws, and shows who called', async () => {
      const alone = await errorOf(kysely.direct.selectFrom('nowhere' as 'account').execute());
      const found = await errorOf(kysely.db.selectFrom('nowhere' as 'account').execute());
      expect(found.constructor).toBe(alone.constructor);
      expect(found).toMatchObject({
        message: alone.message,
        code: (alone as { code?: string }).code,
      });
      // Where another test's file loaded better-sqlite3 first, its errors are of that file's realm, and their stacks are shorter.
      if (found instanceof Error) expect(found.stack).toContain('kysely.test.ts');
      const insert = { owner: 'a', balance: 1, extra: null };
      await kysely.db.insertInto('account').values(insert).execute();
      const twice = await errorOf(kysely.db.insertInto('account').values(insert).execute());
      expect(twice.message).toMatch(/unique/i);
    });

    test('plugins change names and parse documents as before', async () => {
      await another({
        config: { plugins: [new CamelCasePlugin(), new ParseJSONResultsPlugin()] },
      });
      at(stage);
      const db = kysely.db as unknown as Kysely<{ kid: { accountId: number } }>;
      const { id } = await kysely.db
        .insertInto('account')
        .values({ owner: 'a', balance: 1, extra: JSON.stringify({ note: 'x' }) })
        .returning('id')
        .executeTakeFirstOrThrow();
      await db.insertInto('kid').values({ accountId: id }).execute();
      expect(await db.selectFrom('kid').select('accountId').execute()).toEqual([{ accountId: id }]);
      expect(await kysely.db.selectFrom('account').select('extra').execute()).toEqual([
        { extra: { note: 'x' } },
      ]);
    });

    test('the tables are told as by the dialect alone', async () => {
      // Other tests make and drop tables in schemas of their own meanwhile.
      const ownOf = async ({ introspection }: typeof kysely.db): Promise<unknown> => {
        const tables = await introspection.getTables();
        const { schema } = tables.find(({ name }) => name === 'account') ?? {};
        return tables.filter((table) => table.schema === schema);
      };
      expect(await ownOf(kysely.db)).toEqual(await ownOf(kysely.direct));
    });

    test('eight callers that read and then write in transactions lose no increment', async () => {
      await kysely.direct
        .insertInto('account')
        .values({ owner: 'counter', balance: 0, extra: null })
        .execute();
      let acknowledged = 0;
      const increment = async (): Promise<void> => {
        for (let round = 0; round < 10; round += 1) {
          await kysely.db.transaction().execute(async (transaction) => {
            const { balance } = await transaction
              .selectFrom('account')
              .select('balance')
              .executeTakeFirstOrThrow();
            await transaction
              .updateTable('account')
              .set({ balance: balance + 1 })
              .execute();
          });
          acknowledged += 1;
        }
      };
      await Promise.all(Array.from({ length: 8 }, increment));
      const counted = await kysely.direct.selectFrom('account').select('balance').execute();
      expect(acknowledged).toBe(80);
      expect(counted).toEqual([{ balance: 80 }]);
    });

    test('what nobody awaits takes effect in the order in which it was written', async () => {
      const { db } = kysely;
      await db.insertInto('account').values({ owner: 'a', balance: 0, extra: null }).execute();
      const writes = [1, 2, 3, 4].map((balance) =>
        db.updateTable('account').set({ balance }).execute(),
      );
      const read = db.selectFrom('account').select('balance').execute();
      expect(await read).toEqual([{ balance: 4 }]);
      await Promise.all(writes);
      expect(await kysely.direct.selectFrom('account').select('balance').execute()).toEqual([
        { balance: 4 },
      ]);
    });

    test('a temporary table is there for the statements after it, at once', async () => {
      const { db } = kysely;
      await sql`create temporary table scratch (n integer)`.execute(db);
      await Promise.all([1, 2, 3].map((n) => sql`insert into scratch values (${n})`.execute(db)));
      const { rows } = await sql<{ n: number }>`select n from scratch order by n`.execute(db);
      expect(rows).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
    });

    test('connection() runs its statements on one connection', async () => {
      await kysely.db.connection().execute(async (db) => {
        await db.insertInto('account').values({ owner: 'a', balance: 0, extra: null }).execute();
        const last =
          engine === 'sqlite' ? sql`select last_insert_rowid() as id` : sql`select lastval() as id`;
        const { rows } = await last.execute(db);
        expect(rows.map((row) => Number((row as { id: unknown }).id))).toEqual([1]);
      });
    });

    test('a query whose signal is aborted is not run', async () => {
      const read = kysely.db.selectFrom('account').selectAll();
      await expect(read.execute({ signal: AbortSignal.abort(new Error('late')) })).rejects.toThrow(
        'late',
      );
      expect(await read.execute({ signal: new AbortController().signal })).toEqual([]);
    });
  });
});

async function errorOf(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => new Error('it did not fail'),
    (error: unknown) => error as Error,
  );
}

/** A dialect that tells when a query has run, before its caller has the answer. */
function watched(dialect: Dialect, tell: () => void): Dialect {
  const watch = (connection: DatabaseConnection): DatabaseConnection => {
    if (Object.hasOwn(connection, 'executeQuery')) return connection;
    const execute = connection.executeQuery.bind(connection);
    connection.executeQuery = async (...args) => {
      const result = await execute(...args);
      // Of the adapter's own questions none is told.
      if (args[0].sql.includes('"account"')) tell();
      return result as never;
    };
    return connection;
  };
  return Object.assign(Object.create(dialect) as Dialect, {
    createDriver: () => {
      const driver = dialect.createDriver();
      const acquire = driver.acquireConnection.bind(driver);
      driver.acquireConnection = async (options) => watch(await acquire(options));
      return driver;
    },
  });
}

/** A driver whose connections answer one more than there is. */
function changing<Driver extends { acquireConnection(): Promise<object> }>(driver: Driver): Driver {
  const acquire = driver.acquireConnection.bind(driver);
  driver.acquireConnection = async () => {
    const connection = (await acquire()) as {
      executeQuery(...args: unknown[]): Promise<{ rows: { balance?: number }[] }>;
    };
    if (!Object.hasOwn(connection, 'executeQuery')) {
      const execute = connection.executeQuery.bind(connection);
      connection.executeQuery = async (...args) => {
        const result = await execute(...args);
        for (const row of result.rows) if (row.balance !== undefined) row.balance += 1;
        return result;
      };
    }
    return connection;
  };
  return driver;
}
