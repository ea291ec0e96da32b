import { describe, expect, test } from '@jest/globals';
import { bridgeOf, createStaticStageSource, silentLogger } from '@changeover/bridge';
import { bridgeConnection } from '@changeover/adapters/duckdb';
import {
  arrayValue,
  dateValue,
  DuckDBConnection,
  DuckDBInstance,
  DuckDBPreparedStatement,
  DuckDBResultReader,
  INTEGER,
  LIST,
  listValue,
  structValue,
  timestampValue,
} from '@duckdb/node-api';
import { make, rows, stages, thereAndBack } from './kit.ts';

const table = 'create table note(id int primary key, text varchar not null)';

async function rejected(work: Promise<unknown>): Promise<{ constructor: unknown; text: string }> {
  try {
    await work;
  } catch (error) {
    return { constructor: (error as Error).constructor, text: (error as Error).message };
  }
  throw new Error('nothing was rejected');
}

describe.each(stages)('at %s', (stage) => {
  test('one write is one effect, by each way of writing', async () => {
    const { db, other } = await make(stage, [table]);
    expect((await db.run("insert into note values (1, 'a')")).rowsChanged).toBe(1);
    await db.run('insert into note values ($1, $2)', [2, 'b']);
    await db.run('insert into note values ($id, $text)', { id: 3, text: 'c' });
    expect(await rows(db, "insert into note values (4, 'd') returning id")).toEqual([[4]]);
    await (await db.stream("insert into note values (5, 'e') returning id")).getRows();
    await (await db.start("insert into note values (6, 'f')")).getResult();
    await db.startThenReadAll('insert into note values (7, ?)', ['g']);
    await db.run("insert into note values (8, 'h'); insert into note values (9, 'i')");
    expect(await rows(other, "select string_agg(text, '' order by id) from note")).toEqual([
      ['abcdefghi'],
    ]);
  });

  test('values are what the connection gives, of every kind', async () => {
    const { db, raw } = await make(stage);
    const sql = `select 1::bigint b, 170141183460469231731687303715884105727::hugeint h, 1.25::decimal(9, 2) d, [1, null, 2] l,
      {'a': 1, 'b': ['x']} s, map {'k': 2} m, 'blob'::blob bl, date '2024-02-29' as dd, timestamp '2024-02-29 12:00:00.123456' ts,
      interval 3 days i, [1, 2]::int[2] arr, 'nan'::double nn, null n`;
    const ask = async (on: DuckDBConnection) => (await on.runAndReadAll(sql)).getRowObjects();
    for (let use = 0; use < 3; use += 1) expect(await ask(db)).toEqual(await ask(raw));
    expect((await ask(db))[0]).toMatchObject({
      b: 1n,
      l: listValue([1, null, 2]),
      s: structValue({ a: 1, b: listValue(['x']) }),
      dd: dateValue(19_782),
      ts: timestampValue(1_709_208_000_123_456n),
      arr: arrayValue([1, 2]),
    });
  });

  test('values and types are taken as the connection takes them', async () => {
    const { db } = await make(stage);
    const bound = [listValue([1, 2]), dateValue(1), 2n, null];
    expect(await rows(db, 'select $1, $2, $3, $4', bound)).toEqual([bound]);
    const reader = await db.runAndReadAll('select $1 as l', [listValue([1])], [LIST(INTEGER)]);
    expect(String(reader.columnType(0))).toBe('INTEGER[]');
  });

  test('a result is read as far as its reader wants, and once', async () => {
    const { db, idle, compared, counts } = await make(stage, [
      'create table big as select range::int as n from range(5000)',
    ]);
    const sql = 'select n from big';
    if (stage === 'shadow' || stage === 'reverse') await compared(() => db.run(sql));
    const result = await db.run(sql);
    expect(result.rowCount).toBe(5000);
    expect((await result.fetchChunk())?.rowCount).toBe(2048);
    await idle();
    expect((await result.fetchChunk())?.rowCount).toBe(2048);
    expect((await result.fetchChunk())?.rowCount).toBe(904);
    const reader = await db.runAndReadUntil(sql, 10);
    expect([reader.currentRowCount, reader.done]).toEqual([2048, false]);
    await idle();
    await reader.readAll();
    expect([reader.currentRowCount, reader.done, reader.value(0, 4999)]).toEqual([
      5000,
      true,
      4999,
    ]);
    const unread = await db.runAndRead(sql);
    expect(unread.currentRowCount).toBe(0);
    await idle();
    expect(counts()).toMatchObject({ mismatch: 0, inconclusive: 0 });
  });

  test('a stream gives all its rows, whatever is compared meanwhile', async () => {
    const { db, idle } = await make(stage, ['create table t as select range n from range(9000)']);
    const stream = await db.stream('select n from t');
    expect(stream.isStreaming).toBe(true);
    let seen = 0;
    for await (const chunk of stream) {
      seen += chunk.rowCount;
      await idle();
    }
    expect(seen).toBe(9000);
    expect((await db.streamAndReadAll('select n from t')).currentRowCount).toBe(9000);
    const part = await db.streamAndReadUntil('select n from t', 3000);
    expect([part.currentRowCount, part.done]).toEqual([4096, false]);
  });

  test("errors are the driver's, with class and message", async () => {
    const { db, raw } = await make(stage, [table, "insert into note values (1, 'a')"]);
    for (const sql of [
      "insert into note values (1, 'b')",
      'select nothing from note',
      'selec',
      "select error('x')",
    ])
      expect(await rejected(db.run(sql))).toEqual(await rejected(raw.run(sql)));
    for (const way of ['prepare', 'stream', 'start', 'runAndReadAll', 'extractStatements'] as const)
      expect(await rejected(db[way]('selec'))).toEqual(await rejected(raw[way]('selec')));
    expect(await rejected(db.run('select $1'))).toEqual(await rejected(raw.run('select $1')));
    expect(await rejected(db.createAppender('none'))).toEqual(
      await rejected(raw.createAppender('none')),
    );
    expect(await rejected(db.run(1 as never))).toEqual(await rejected(raw.run(1 as never)));
  });

  test('statements that nobody awaits take effect in their order', async () => {
    const { db, other } = await make(stage, ['create table t(n int)']);
    if (stage === 'legacy' || stage === 'shadow') {
      // The driver promises no order, and runs them in one of its own.
      await Promise.all([1, 2].map((n) => db.run(`insert into t values (${String(n)})`)));
      expect(await rows(other, 'select count(*) from t')).toEqual([[2n]]);
      return;
    }
    const all = Array.from({ length: 20 }, (_, n) => db.run('insert into t values (?)', [n]));
    const read = rows(db, 'select count(*) from t');
    await Promise.all(all);
    expect(await read).toEqual([[20n]]);
    expect((await rows(other, 'select n from t')).flat()).toEqual(
      Array.from({ length: 20 }, (_, n) => n),
    );
  });

  test('prepared statements are bound, run again, and destroyed', async () => {
    const { db, raw, other } = await make(stage, [table]);
    const insert = await db.prepare('insert into note values ($1, $2)');
    expect(insert).toBeInstanceOf(DuckDBPreparedStatement);
    expect([
      insert.parameterCount,
      insert.parameterName(1),
      String(insert.parameterType(1)),
    ]).toEqual([2, '1', 'INTEGER']);
    for (const [id, text] of [
      [1, 'a'],
      [2, 'b'],
    ] as const) {
      insert.bindInteger(1, id);
      insert.bindVarchar(2, text);
      expect((await insert.run()).rowsChanged).toBe(1);
    }
    expect(() => {
      insert.bindInteger(9, 1);
    }).toThrow('Can not bind to parameter number 9');
    insert.clearBindings();
    await expect(insert.run()).rejects.toThrow('Values were not provided');
    insert.bind([3, 'c']);
    await insert.run();
    insert.bind({ 1: 4, 2: 'd' });
    await insert.run();
    expect((await rows(other, 'select text from note order by id')).flat()).toEqual([
      'a',
      'b',
      'c',
      'd',
    ]);
    const select = await db.prepare('select text from note where id = $id');
    for (let use = 0; use < 5; use += 1) {
      select.bind({ id: (use % 4) + 1 });
      expect((await select.runAndReadAll()).getRows()).toEqual([['abcd'[use % 4]]]);
    }
    const reader = await select.start().read();
    expect(reader).toBeInstanceOf(DuckDBResultReader);
    select.destroySync();
    const gone = await raw.prepare('select 1');
    gone.destroySync();
    expect(await rejected(select.run())).toEqual(await rejected(gone.run()));
  });

  test('an appender appends, on the connection that the transaction is open on', async () => {
    const { db, other } = await make(stage, [table]);
    const count = async () => (await rows(other, 'select count(*)::int from note'))[0]?.[0];
    const append = async (id: number): Promise<void> => {
      const appender = await db.createAppender('note');
      appender.appendInteger(id);
      appender.appendVarchar('x');
      appender.endRow();
      appender.closeSync();
    };
    await append(1);
    expect(await count()).toBe(1);
    await db.run('BEGIN');
    await append(2);
    await db.run('ROLLBACK');
    expect(await count()).toBe(1);
    const appender = await db.createAppender('note');
    await db.run('BEGIN');
    appender.appendInteger(3);
    appender.appendVarchar('y');
    appender.endRow();
    appender.flushSync();
    await db.run('ROLLBACK');
    appender.closeSync();
    expect(await count()).toBe(1);
  });

  test('statements of one text are extracted, prepared and run', async () => {
    const { db } = await make(stage, ['create table t as select unnest([1, 1, 2]) n']);
    const extracted = await db.extractStatements("select ';' as a; /* ; */ select $1::int + 1");
    expect(extracted.count).toBe(2);
    const second = await extracted.prepare(1);
    second.bindInteger(1, 1);
    expect((await second.runAndReadAll()).getRows()).toEqual([[2]]);
    const pivot = await db.extractStatements('pivot t on n using count(*)');
    for (let at = 0; at < pivot.count; at += 1) await (await pivot.prepare(at)).run();
    expect(await rows(db, 'pivot t on n using count(*)')).toEqual([[2n, 1n]]);
  });

  test('a running statement is interrupted', async () => {
    const { db } = await make(stage);
    const long = db.run('select count(*) from range(10000000) a, range(10000) b');
    const gone = expect(long).rejects.toThrow('Interrupted');
    const ticks = setInterval(() => {
      db.interrupt();
    }, 5);
    await gone;
    clearInterval(ticks);
    expect(await rows(db, 'select 1')).toEqual([[1]]);
    expect(db.progress.percentage).toBe(-1);
  });

  test('it passes for the connection, and is closed as it', async () => {
    const { db, raw } = await make(stage, [table]);
    expect(db).toBeInstanceOf(DuckDBConnection);
    expect(db.constructor).toBe(DuckDBConnection);
    expect(db.getTableNames('select * from note', false)).toEqual(
      raw.getTableNames('select * from note', false),
    );
    expect(db.clientContext.connectionId).toBe(raw.clientContext.connectionId);
    await db.run('select 1');
    db.closeSync();
    db.closeSync();
    expect(await rejected(db.run('select 1'))).toEqual(await rejected(raw.run('select 1')));
    expect(await rejected(db.prepare('select 1'))).toEqual(await rejected(raw.prepare('select 1')));
  });
});

test('a prepared statement goes on at every stage, and with it what was bound', async () => {
  const { db, move, other } = await make('legacy', [table]);
  const insert = await db.prepare('insert into note values ($1, $2)');
  insert.bindVarchar(2, 'bound once');
  let id = 0;
  for (const stage of thereAndBack) {
    move(stage);
    id += 1;
    insert.bindInteger(1, id);
    await insert.run();
  }
  expect(await rows(other, "select count(*)::int from note where text = 'bound once'")).toEqual([
    [id],
  ]);
});

test('what the driver has and the adapter does not know is refused by name', async () => {
  const instance = await DuckDBInstance.create();
  class Later extends DuckDBConnection {}
  const handle = await instance.connect();
  const later = Object.create(Later.prototype, Object.getOwnPropertyDescriptors(handle)) as Later;
  const added = DuckDBConnection.prototype as unknown as Record<string, unknown>;
  added['tomorrow'] = () => 'by the driver';
  try {
    const db = bridgeConnection(later, {
      name: 'db',
      pooled: () => instance.connect(),
      ledger: false,
    });
    expect(() => (db as unknown as { tomorrow(): void }).tomorrow()).toThrow(
      'tomorrow() is not bridged',
    );
    db.closeSync();
    await bridgeOf(db).close();
  } finally {
    delete added['tomorrow'];
  }
});

test('a pooled leg on another instance is refused, and everything stays with the handle', async () => {
  const [one, another] = [await DuckDBInstance.create(), await DuckDBInstance.create()];
  const db = bridgeConnection(await one.connect(), {
    name: 'db',
    pooled: () => another.connect(),
    stages: createStaticStageSource({ db: 'pooled' }),
    storePath: ':memory:',
    logger: silentLogger,
  });
  await expect(bridgeOf(db).ready()).rejects.toThrow(
    'must open another connection to the instance',
  );
  await db.run('create table t as select 1 as n');
  expect(await rows(db, 'select n from t')).toEqual([[1]]);
  const prepared = await db.prepare('select n + 1 from t');
  expect((await prepared.runAndReadAll()).getRows()).toEqual([[2]]);
  db.closeSync();
  await bridgeOf(db).close();
});
