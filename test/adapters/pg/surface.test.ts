import { describe, expect, test } from '@jest/globals';
import { bridgeOf } from '@changeover/bridge';
import { bridgeClient, bridgePool, ConnectionSettingsError } from '@changeover/adapters/pg';
import { createStaticStageSource, silentLogger } from '@changeover/bridge';
import { once } from 'node:events';
import pg from 'pg';
import { type Bridged, bridgedClients, stages } from './kit.ts';
import { lyingClient } from './lying-client.ts';

const clients = bridgedClients('adapter_pg_surface', [
  'create table notes(id serial primary key, text text unique)',
  "insert into notes(text) values ('one'), ('two'), ('three')",
  'create sequence ticket',
]);

describe.each(stages)('at %s', (stage) => {
  test('each form of query answers the same rows', async () => {
    const { db } = await clients.make(stage);
    const text = 'select id, text from notes where id <= $1 order by id';
    const rows = [
      { id: 1, text: 'one' },
      { id: 2, text: 'two' },
    ];
    const called = (...args: readonly unknown[]): Promise<unknown> =>
      new Promise((resolve, reject) => {
        const answer: unknown = Reflect.apply(db.query as never, db, [
          ...args,
          (error: unknown, result: pg.QueryResult) => {
            if (error) reject(error);
            else resolve(result.rows);
          },
        ]);
        expect(answer).toBeUndefined();
      });
    expect((await db.query(text, [2])).rows).toEqual(rows);
    expect((await db.query({ text, values: [2] })).rows).toEqual(rows);
    expect((await db.query({ text }, [2])).rows).toEqual(rows);
    expect(await called(text, [2])).toEqual(rows);
    expect(await called({ text, values: [2] })).toEqual(rows);
    expect(await called({ text }, [2])).toEqual(rows);
    expect((await db.query({ text, values: [2], rowMode: 'array' })).rows).toEqual([
      [1, 'one'],
      [2, 'two'],
    ]);
    const types = { getTypeParser: () => (value: string) => `parsed ${value}` };
    expect((await db.query({ text, values: [1], types: types })).rows).toEqual([
      { id: 'parsed 1', text: 'parsed one' },
    ]);
  });

  test('a callback is called once, with an error or with a result', async () => {
    const { db } = await clients.make(stage);
    const calls: unknown[] = [];
    await new Promise<void>((resolve) => {
      db.query('select 1 as one', (error, { rows }) => {
        calls.push([error, rows]);
        db.query('selec', (failed) => {
          calls.push((failed as Partial<pg.DatabaseError>).code);
          resolve();
        });
      });
    });
    await db.query('select 1');
    expect(calls).toEqual([[null, [{ one: 1 }]], '42601']);
  });

  test("errors are the driver's own", async () => {
    const { db } = await clients.make(stage);
    const failed = await db
      .query("insert into notes(text) values ('one')")
      .catch((e: unknown) => e);
    expect(failed).toBeInstanceOf(pg.DatabaseError);
    expect(failed).toMatchObject({ code: '23505', constraint: 'notes_text_key' });
    expect(() => db.query(null as never)).toThrow(TypeError);
  });

  test('a named statement is parsed once a connection, and a second text under its name is refused', async () => {
    const { db } = await clients.make(stage);
    const named = { name: 'by id', text: 'select text from notes where id = $1' };
    for (const id of [1, 2, 3])
      expect((await db.query({ ...named, values: [id] })).rowCount).toBe(1);
    expect(
      (await db.query({ name: 'by id', values: [1] } as unknown as pg.QueryConfig)).rowCount,
    ).toBe(1);
    await expect(db.query({ name: 'by id', text: 'select 1' })).rejects.toThrow('must be unique');
  });

  test('several statements in one text answer a list of results', async () => {
    const { db } = await clients.make(stage);
    const results = (await db.query('select 1 as a; select 2 as b')) as unknown as pg.QueryResult[];
    expect(results.map(({ rows }) => rows as unknown[])).toEqual([[{ a: 1 }], [{ b: 2 }]]);
  });

  test('a query object gives its rows by events, and is handed back', async () => {
    const { db } = await clients.make(stage);
    const query = new pg.Query('select id from notes order by id');
    const rows: unknown[] = [];
    query.on('row', (row) => rows.push(row));
    expect(db.query(query)).toBe(query);
    await once(query, 'end');
    expect(rows).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }]);
    const wrong = new pg.Query('selec');
    db.query(wrong);
    const [error] = (await once(wrong, 'error').catch((e: unknown) => [e])) as [pg.DatabaseError];
    expect(error.code).toBe('42601');
  });

  test('settings, temporary tables and the last value are there for the next statement', async () => {
    const { db } = await clients.make(stage);
    await db.query("set application_name to 'of the adapter'");
    await db.query("select set_config('my.tenant', 'berlin', false)");
    await db.query('create temp table scratch(n int)');
    await db.query('insert into scratch values (7)');
    await db.query("insert into notes(text) values ('last')");
    const last = await db.query<{ last: string }>('select lastval() as last');
    expect((await db.query('delete from notes where id = $1', [last.rows[0]?.last])).rowCount).toBe(
      1,
    );
    expect((await db.query('show application_name')).rows).toEqual([
      { application_name: 'of the adapter' },
    ]);
    expect((await db.query("select current_setting('my.tenant') as t")).rows).toEqual([
      { t: 'berlin' },
    ]);
    expect((await db.query('select n from scratch')).rows).toEqual([{ n: 7 }]);
  });

  test('a session lock is held once and freed by its holder', async () => {
    const { db } = await clients.make(stage);
    await db.query('select pg_advisory_lock(4242)');
    expect((await clients.admin().query('select pg_try_advisory_lock(4242) as got')).rows).toEqual([
      { got: false },
    ]);
    expect((await db.query('select pg_advisory_unlock(4242) as freed')).rows).toEqual([
      { freed: true },
    ]);
  });

  test('a sequence is drawn once a call', async () => {
    const { db, idle } = await clients.make(stage);
    await clients.admin().query('alter sequence ticket restart');
    for (let n = 0; n < 5; n += 1) await db.query("select nextval('ticket')");
    await idle();
    expect((await clients.admin().query('select last_value from ticket')).rows).toEqual([
      { last_value: '5' },
    ]);
  });

  test('notifications and notices come on the handle', async () => {
    const { db } = await clients.make(stage);
    const heard = once(db, 'notification');
    const noticed = once(db, 'notice');
    await db.query('LISTEN news');
    await db.query("NOTIFY news, 'hello'");
    await db.query("do $$ begin raise notice 'look'; end $$");
    expect((await heard)[0]).toMatchObject({ channel: 'news', payload: 'hello' });
    expect((await noticed)[0]).toMatchObject({ message: 'look' });
  });

  test('it passes for a client: class, properties, parsers, escapes', async () => {
    const { db, raw } = await clients.make(stage);
    expect(db).toBeInstanceOf(pg.Client);
    expect(db.database).toBe(raw.database);
    expect(db.on('error', () => undefined)).toBe(db);
    expect(db.escapeIdentifier('a"b')).toBe('"a""b"');
    expect(db.escapeLiteral("it's")).toBe("'it''s'");
    db.setTypeParser(pg.types.builtins.INT8, (value) => BigInt(value));
    expect((await db.query('select 5::int8 as n')).rows).toEqual([{ n: 5n }]);
  });

  test('after its end the driver says so', async () => {
    const { db } = await clients.make(stage);
    await db.query('select 1');
    await db.end();
    await expect(db.query('select 1')).rejects.toThrow('Client was closed and is not queryable');
  });

  test('a client that is ended while it connects has connected before, where a statement was answered', async () => {
    const { hostname: host, port, username: user, password, pathname } = new URL(clients.url);
    const mayConnect = Promise.withResolvers<string>();
    const connecting = Promise.withResolvers<undefined>();
    let asked = 0;
    const raw = new pg.Client({
      ...{ host, port: Number(port), user, database: pathname.slice(1) },
      password: () => {
        connecting.resolve(undefined);
        return asked++ === 0 ? mayConnect.promise : password;
      },
    });
    const source = createStaticStageSource({ db: stage });
    const db = bridgeClient(raw, {
      ...{ name: 'db', stages: source, storePath: ':memory:', logger: silentLogger },
    });
    const connected = db.connect();
    await connecting.promise;
    const answered = db.query('select 1 as one');
    // At `legacy` and `shadow` the statement waits for the client.
    if (stage === 'legacy' || stage === 'shadow') mayConnect.resolve(password);
    expect((await answered).rows).toEqual([{ one: 1 }]);
    const ended = db.end();
    mayConnect.resolve(password);
    expect(await connected).toBe(db);
    await ended;
    await bridgeOf(db).close();
  });

  test('drain is told when all has ended', async () => {
    const { db } = await clients.make(stage);
    const drained = once(db, 'drain');
    const all = Promise.all([
      db.query('select 1'),
      db.query("update notes set text = 'one' where id = 1"),
    ]);
    await drained;
    await all;
  });
});

test('what was set before the stage moves holds after', async () => {
  const { db, move } = await clients.make('legacy');
  await db.query("set application_name to 'set at legacy'");
  await db.query('BEGIN');
  await db.query("set application_name to 'undone'");
  await db.query('ROLLBACK');
  for (const stage of ['shadow', 'reverse', 'pooled', 'legacy'] as const) {
    move(stage);
    expect((await db.query('show application_name')).rows).toEqual([
      { application_name: 'set at legacy' },
    ]);
  }
});

test('a temporary table stays with the connection that it was made on, whatever the stage', async () => {
  const { db, move } = await clients.make('legacy');
  await db.query('create temp table made_at_legacy(n int)');
  move('pooled');
  await db.query('insert into made_at_legacy values (1)');
  expect((await db.query('select n from made_at_legacy')).rows).toEqual([{ n: 1 }]);
});

/** Asks until it was compared: a text is learned first, and what is due on a busy event loop may be shed. */
async function compared({ db, idle, counts }: Bridged, text: string): Promise<void> {
  const judged = (): number => counts().match + counts().mismatch;
  const before = judged();
  for (let n = 0; n < 500 && judged() === before; n += 1) {
    await db.query(text);
    await new Promise((resolve) => setImmediate(resolve));
    await idle();
  }
}

describe.each(['shadow', 'reverse'] as const)('comparisons at %s', (stage) => {
  test('reads match by their rows, in the order that they promise', async () => {
    const bridged = await clients.make(stage);
    await compared(bridged, 'select id, text from notes order by id');
    await compared(bridged, 'select text from notes');
    expect(bridged.counts().match).toBeGreaterThan(1);
    expect(bridged.counts().mismatch).toBe(0);
  });

  test('a pooled leg that answers otherwise is a mismatch', async () => {
    const other = new pg.Pool({
      ...clients.config,
      allowExitOnIdle: true,
      Client: lyingClient('two', '2'),
    });
    const bridged = await clients.make(stage, { pooled: () => other });
    await compared(bridged, 'select text from notes order by id');
    expect(bridged.counts().mismatch).toBeGreaterThan(0);
    const bridge = bridgeOf(bridged.db);
    const [group] = bridge.recorder.summary().sampleGroups;
    expect(group).toMatchObject({
      shape: 'select text from notes order by id',
      samples: [{ call: { args: ['text(34)'], adapted: true } }],
    });
    expect(await bridge.reproduce(group?.id ?? '', { showValues: true })).toMatchObject({
      id: group?.id,
      verdict: 'mismatch',
      places: [{ row: 2, column: 'text', legacy: 'two', pooled: '2' }],
    });
  });
});

test('a pool on another database is refused by name', async () => {
  const pool = new pg.Pool({
    ...clients.config,
    connectionString: clients.url.replace(/\/[^/]*$/, '/template1'),
    allowExitOnIdle: true,
  });
  const { db } = await clients.make('pooled', { pooled: () => pool });
  await expect(db.query('select text from notes')).rejects.toBeInstanceOf(ConnectionSettingsError);
});

describe.each(stages)('a pool at %s', (stage) => {
  test('queries, clients that are taken out, transactions and counts', async () => {
    const raw = new pg.Pool({ ...clients.config, max: 1 });
    const pool = bridgePool(raw, {
      name: 'db',
      stages: createStaticStageSource({ db: stage }),
      storePath: ':memory:',
      logger: silentLogger,
    });
    expect((await pool.query('select text from notes where id = $1', [1])).rows).toEqual([
      { text: 'one' },
    ]);
    const client = await pool.connect();
    await client.query('BEGIN');
    await client.query("insert into notes(text) values ('of a pool')");
    expect(pool.totalCount).toBeGreaterThan(0);
    await client.query('ROLLBACK');
    client.release();
    expect(() => client.release()).toThrow('already been released');
    expect((await pool.query("select 1 from notes where text = 'of a pool'")).rowCount).toBe(0);
    await expect(pool.query('selec')).rejects.toMatchObject({ code: '42601' });
    const rows = await new Promise((resolve) => {
      pool.connect((error, taken, done) => {
        taken?.query('select 1 as one', (_failed, result) => {
          done();
          resolve(error ?? result.rows);
        });
      });
    });
    expect(rows).toEqual([{ one: 1 }]);
    await pool.end();
    await bridgeOf(pool).close();
  });
});
