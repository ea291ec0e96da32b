import { afterEach, describe, expect, test } from '@jest/globals';
import Database from 'better-sqlite3';
import { bridgeOf, type Stage, WiringError } from 'changeover';
import { type BridgedHandle, bridgedHandle, type BridgedHandleOptions } from './bridged-handle.ts';

const schema =
  'create table note (id integer primary key, text text not null unique, done integer not null default 0)';
const stages: readonly Stage[] = ['legacy', 'shadow', 'reverse', 'pooled'];

const made: BridgedHandle[] = [];
function make(options: BridgedHandleOptions = {}): BridgedHandle {
  const bridged = bridgedHandle({ schema, ...options });
  made.push(bridged);
  return bridged;
}
afterEach(async () => {
  for (const each of made.splice(0)) await each.close();
});

function thrown(work: () => unknown): { name: string; code: unknown; message: string } {
  try {
    work();
  } catch (error) {
    const { name, code, message } = error as Error & { code?: unknown };
    return { name, code, message };
  }
  throw new Error('nothing was thrown');
}

describe.each(stages)('at %s', (stage) => {
  test('a statement answers in the same tick what the handle would, and acts once', () => {
    const { db, handle } = make({ stage });
    const insert = db.prepare('insert into note (text) values (?)');
    expect(insert.run('milk')).toEqual({ changes: 1, lastInsertRowid: 1 });
    expect(insert.run('film')).toEqual({ changes: 1, lastInsertRowid: 2 });
    expect(db.prepare('select text from note where id = ?').get(2)).toEqual({ text: 'film' });
    expect(db.prepare('select text from note order by id').pluck().all()).toEqual(['milk', 'film']);
    expect(handle.prepare('select count(*) from note').pluck().get()).toBe(2);
  });

  test('an insert that returns rows is applied once, by get, all and iterate', () => {
    const { db, handle } = make({ stage });
    const insert = db.prepare('insert into note (text) values (?) returning id');
    expect(insert.get('a')).toEqual({ id: 1 });
    expect(insert.all('b')).toEqual([{ id: 2 }]);
    expect([...insert.iterate('c')]).toEqual([{ id: 3 }]);
    expect(handle.prepare('select text from note').pluck().all()).toEqual(['a', 'b', 'c']);
  });

  test("errors are the driver's, with class and code", () => {
    const { db, handle } = make({ stage });
    db.exec("insert into note (text) values ('x')");
    const again = "insert into note (text) values ('x')";
    expect(thrown(() => db.prepare(again).run())).toEqual(
      thrown(() => handle.prepare(again).run()),
    );
    expect(thrown(() => db.prepare(again).run())).toMatchObject({
      name: 'SqliteError',
      code: 'SQLITE_CONSTRAINT_UNIQUE',
    });
    // The driver has one class of errors a process, and Jest as many copies of the driver as test files.
    expect(thrown(() => db.exec(again)).constructor).toBe(
      thrown(() => handle.exec(again)).constructor,
    );
    expect(thrown(() => db.prepare('select nothing from note')).code).toBe('SQLITE_ERROR');
    expect(thrown(() => db.prepare('select 1; select 2')).name).toBe('RangeError');
    expect(() => db.prepare('select ?').get()).toThrow('Too few parameter values were provided');
  });

  test('a transaction function commits, rolls back, nests as savepoints and keeps `this`', () => {
    const { db, handle } = make({ stage });
    const insert = db.prepare('insert into note (text) values (?)');
    const add = db.transaction(function (this: unknown, ...texts: string[]) {
      expect(db.inTransaction).toBe(true);
      for (const text of texts) insert.run(text);
      return [this, texts.length];
    });
    const owner = { add };
    expect(owner.add('a', 'b')).toEqual([owner, 2]);
    expect(() => add.immediate('c', 'a')).toThrow('UNIQUE');
    const outer = db.transaction(() => {
      insert.run('d');
      expect(() => add('e', 'a')).toThrow('UNIQUE');
      add.exclusive('f');
    });
    outer.deferred();
    expect(db.inTransaction).toBe(false);
    expect(handle.prepare('select text from note order by id').pluck().all()).toEqual([
      'a',
      'b',
      'd',
      'f',
    ]);
  });

  test('a transaction function that answers a promise is refused and rolled back', () => {
    const { db } = make({ stage });
    const work = db.transaction(() => {
      db.exec("insert into note (text) values ('x')");
      return Promise.resolve();
    });
    expect(() => work()).toThrow('Transaction function cannot return a promise');
    expect(db.prepare('select count(*) from note').pluck().get()).toBe(0);
  });

  test('BEGIN as a statement is joined by what follows, across ticks, and reads see what it wrote', async () => {
    const { db, handle, learned } = make({ stage });
    await learned('select count(*) from note', "insert into note (text) values ('x')");
    db.exec('  /* from here */ BEGIN');
    expect(db.inTransaction).toBe(true);
    db.prepare('insert into note (text) values (?)').run('x');
    await Promise.resolve();
    expect(db.prepare('select count(*) from note').pluck().get()).toBe(1);
    db.prepare('rollback').run();
    expect(db.inTransaction).toBe(false);
    expect(handle.prepare('select count(*) from note').pluck().get()).toBe(0);
  });

  test('rows are read one by one, and the connection is free again after an early exit', () => {
    const { db } = make({ stage });
    const insert = db.prepare('insert into note (text) values (?)');
    for (const text of ['a', 'b', 'c']) insert.run(text);
    const select = db.prepare<[], { text: string }>('select text from note order by id');
    for (const { text } of select.iterate()) {
      expect(text).toBe('a');
      expect(select.busy).toBe(true);
      expect(() => insert.run('d')).toThrow('This database connection is busy executing a query');
      break;
    }
    expect(select.busy).toBe(false);
    insert.run('d');
    expect([...select.iterate()]).toHaveLength(4);
  });

  test("statements pass for the driver's, and the handle for a Database", () => {
    const { db, handle } = make({ stage });
    const statement = db.prepare('select id, text from note where id = ?');
    const native = handle.prepare('select id, text from note where id = ?');
    expect(db).toBeInstanceOf(Database);
    expect(db.constructor).toBe(Database);
    expect(statement.constructor).toBe(native.constructor);
    expect(Object.keys(statement)).toEqual(Object.keys(native));
    expect(Object.keys(db)).toEqual(Object.keys(handle));
    expect(statement.database).toBe(db);
    expect(statement.source).toBe(native.source);
    expect([statement.reader, statement.readonly]).toEqual([true, true]);
    expect(statement.columns()).toEqual(native.columns());
    expect(statement.bind(1)).toBe(statement);
    expect(String(statement)).toBe(String(native.bind(1)));
    expect(db.exec('select 1')).toBe(db);
    expect([db.name, db.memory, db.readonly, db.open]).toEqual([handle.name, false, false, true]);
  });

  test("functions, aggregates and tables of the program are there, and call the handle's own way", () => {
    const { db } = make({ stage });
    db.function('twice', (value: unknown) => Number(value) * 2);
    db.aggregate('longest', {
      start: '',
      step: (longest: string, next: unknown) =>
        String(next).length > longest.length ? String(next) : longest,
    });
    db.table('count_to', {
      columns: ['n'],
      parameters: ['upto'],
      *rows(upto: unknown) {
        for (let n = 1; n <= Number(upto); n += 1) yield { n };
      },
    });
    expect(db.prepare('select twice(21)').pluck().get()).toBe(42);
    expect(db.prepare('select longest(n) from count_to(12)').pluck().get()).toBe('10');
    db.function('reenter', () => db.prepare('select 1').pluck().get());
    expect(() => db.prepare('select reenter()').get()).toThrow(
      'This database connection is busy executing a query',
    );
    expect(db.prepare('select 1').pluck().get()).toBe(1);
  });

  test('settings of the session, attached files and temporary tables hold', () => {
    const { db, file } = make({ stage });
    db.pragma('foreign_keys = ON');
    expect(db.pragma('foreign_keys', { simple: true })).toBe(1);
    db.exec('pragma case_sensitive_like = 1; select 1');
    expect(db.prepare("select 'a' like 'A'").pluck().get()).toBe(0);
    db.prepare('attach ? as other').run(`${file}.other`);
    db.exec('create table other.extra (x); insert into other.extra values (7)');
    expect(db.prepare('select x from extra').pluck().get()).toBe(7);
    db.exec("create temp table scratch (x); insert into scratch values ('t')");
    expect(db.prepare('select x from scratch').pluck().get()).toBe('t');
    db.prepare('insert into note (text) select x from scratch').run();
    expect(db.prepare('select last_insert_rowid(), changes()').raw().get()).toEqual([1, 1]);
  });

  test('a file that is attached is made where there is none', () => {
    const { db, file } = make({ stage, byDefault: true });
    db.prepare('attach ? as other').run(`${file}.other`);
    db.exec('create table other.extra (x); insert into other.extra values (7)');
    expect(db.prepare('select x from extra').pluck().get()).toBe(7);
  });

  test("pluck, raw, expand, bigints and bound values are the statement's", () => {
    const { db } = make({ stage });
    db.prepare('insert into note (text) values (?)').run('a');
    const select = db.prepare('select id, text from note where text = ?');
    expect(select.raw().get('a')).toEqual([1, 'a']);
    expect(select.pluck().get('a')).toBe(1);
    expect(select.pluck(false).get('a')).toEqual({ id: 1, text: 'a' });
    expect(select.expand().get('a')).toEqual({ note: { id: 1, text: 'a' } });
    expect(select.safeIntegers().pluck().get('a')).toBe(1n);
    db.defaultSafeIntegers();
    expect(db.prepare('select id from note').pluck().get()).toBe(1n);
    expect(db.prepare('select id from note').safeIntegers(false).pluck().get()).toBe(1);
    expect(() => select.raw('yes' as never)).toThrow('Expected first argument to be a boolean');
    expect(() => db.prepare('delete from note').pluck()).toThrow('only for statements that return');
    const bound = db.prepare('select ? as x').bind('once');
    expect(bound.get()).toEqual({ x: 'once' });
    expect(() => bound.get('twice')).toThrow('already has bound parameters');
    expect(() => bound.bind('twice')).toThrow('only be invoked once');
  });

  test('backup, serialize, explain and journal modes work', async () => {
    const { db, file } = make({ stage });
    db.prepare('insert into note (text) values (?)').run('a');
    await db.backup(`${file}.backup`);
    const copy = new Database(`${file}.backup`);
    expect(copy.prepare('select text from note').pluck().get()).toBe('a');
    copy.close();
    expect(db.serialize().subarray(0, 15).toString()).toBe('SQLite format 3');
    expect(
      (db as unknown as { explain(sql: string): unknown[] }).explain('select 1').length,
    ).toBeGreaterThan(1);
    expect(db.pragma('journal_mode = DELETE', { simple: true })).toBe('delete');
    db.prepare('insert into note (text) values (?)').run('b');
    expect(db.pragma('journal_mode = WAL', { simple: true })).toBe('wal');
    expect(db.prepare('select count(*) from note').pluck().get()).toBe(2);
  });

  test('a closed handle refuses as the driver does', () => {
    const { db, opened } = make({ stage });
    const statement = db.prepare('select 1');
    statement.get();
    expect(db.close()).toBe(db);
    expect(db.open).toBe(false);
    expect(opened.filter(({ open }) => open)).toEqual([]);
    for (const work of [() => statement.get(), () => db.prepare('select 1'), () => db.exec('x')])
      expect(work).toThrow('The database connection is not open');
  });
});

describe('a handle that moves', () => {
  test('statements prepared at one stage go on at every other, and no write is lost or doubled', async () => {
    const { db, handle, to, opened, learned } = make();
    const insert = db.prepare('insert into note (text) values (?)');
    const find = db.prepare('select text from note where text = ?').pluck();
    await learned(insert.source, find.source);
    const way: readonly Stage[] = [...stages, 'reverse', 'shadow', 'legacy', 'pooled', 'legacy'];
    for (const [at, stage] of way.entries()) {
      to(stage);
      expect(insert.run(`note ${String(at)}`)).toEqual({ changes: 1, lastInsertRowid: at + 1 });
      expect(find.get(`note ${String(at)}`)).toBe(`note ${String(at)}`);
    }
    expect(handle.prepare('select count(*) from note').pluck().get()).toBe(way.length);
    expect(opened).toHaveLength(2);
  });

  test('nothing is opened at legacy', () => {
    const { db, opened } = make();
    db.prepare('insert into note (text) values (?)').run('a');
    db.prepare('select * from note').all();
    db.transaction(() => db.exec('delete from note'))();
    expect(opened).toEqual([]);
  });

  test('a transaction ends on the leg that it was begun on', () => {
    const { db, handle, to } = make();
    db.exec('begin');
    db.prepare('insert into note (text) values (?)').run('a');
    to('pooled');
    db.prepare('insert into note (text) values (?)').run('b');
    expect(handle.inTransaction).toBe(true);
    db.exec('commit');
    const [writer] = made[0]?.opened ?? [];
    expect(writer).toBeUndefined();
    db.exec('begin');
    db.prepare('insert into note (text) values (?)').run('c');
    to('legacy');
    expect(db.prepare('select count(*) from note').pluck().get()).toBe(3);
    expect(handle.inTransaction).toBe(false);
    db.exec('rollback');
    expect(handle.prepare('select count(*) from note').pluck().get()).toBe(2);
  });

  test('what one statement set is set after the move, back and forth', () => {
    const { db, handle, to, opened } = make();
    db.pragma('foreign_keys = OFF');
    db.exec('pragma cache_size = -777');
    to('pooled');
    expect(db.pragma('foreign_keys', { simple: true })).toBe(0);
    expect(db.pragma('cache_size', { simple: true })).toBe(-777);
    db.prepare('PRAGMA recursive_triggers = 1').run();
    to('legacy');
    expect(db.pragma('recursive_triggers', { simple: true })).toBe(1);
    expect(handle.pragma('recursive_triggers', { simple: true })).toBe(1);
    db.function('answer', () => 42);
    to('pooled');
    expect(db.prepare('select answer()').pluck().get()).toBe(42);
    expect(opened.length).toBeGreaterThan(0);
  });

  test('a temporary table and what depends on it stay on the leg that made it', async () => {
    const { db, to, learned, opened } = make();
    db.exec('create temp table scratch (x); insert into scratch values (1)');
    await learned('select x from scratch', 'select id from note');
    to('pooled');
    expect(db.prepare('select x from scratch').pluck().get()).toBe(1);
    db.transaction(() => db.exec('insert into note (text) select x from scratch'))();
    expect(db.prepare('select id from note').pluck().get()).toBe(1);
    expect(opened.length).toBeGreaterThan(0);
  });

  test('last_insert_rowid() is that of the last write, wherever it was made', async () => {
    const { db, to, learned } = make();
    const last = db.prepare('select last_insert_rowid()').pluck();
    await learned(last.source);
    db.exec("insert into note (id, text) values (40, 'a')");
    to('pooled');
    expect(last.get()).toBe(40);
    db.exec("insert into note (id, text) values (41, 'b')");
    to('legacy');
    expect(last.get()).toBe(41);
  });

  test('a row reader that was begun before the move keeps writes on its leg', async () => {
    const { db, to, learned } = make({ journalMode: 'delete' });
    const insert = db.prepare('insert into note (text) values (?)');
    await learned(insert.source);
    insert.run('a');
    const rows = db.prepare('select * from note').iterate();
    rows.next();
    to('pooled');
    expect(() => insert.run('b')).toThrow('busy executing a query');
    rows.return?.();
    expect(insert.run('b').changes).toBe(1);
  });
});

describe('comparison', () => {
  const rows = "insert into note (text) values ('a'), ('b'), ('c')";

  test('reads are compared at shadow and reverse; writes and statements about the connection are not', async () => {
    for (const stage of ['shadow', 'reverse'] as const) {
      const { db, bridge, learned } = make({ stage, schema: `${schema}; ${rows}` });
      const statements = ['select * from note', 'select text from note where id = ?'];
      await learned(...statements, 'select changes()');
      db.prepare('select * from note').all();
      db.prepare('select * from note').raw().all();
      db.prepare('select text from note').pluck().all();
      db.prepare('select text from note where id = ?').get(2);
      db.pragma('table_info(note)');
      await bridge.idle();
      const { match, mismatch, inconclusive } = bridge.recorder.summary().totals;
      expect({ match, mismatch, inconclusive }).toEqual({ match: 5, mismatch: 0, inconclusive: 0 });
      db.prepare('select changes()').get();
      db.prepare("insert into note (text) values ('d') returning id").get();
      expect(bridge.recorder.summary().totals.eligible).toBe(5);
    }
  });

  test('a pooled leg on another file is found out', async () => {
    const other = make({ schema: `${schema}; insert into note (text) values ('wrong')` });
    const { db, bridge, learned } = make({
      stage: 'shadow',
      schema: `${schema}; ${rows}`,
      pooled: () => new Database(other.file),
    });
    await learned('select text from note');
    expect(db.prepare('select text from note').pluck().all()).toEqual(['a', 'b', 'c']);
    await bridge.idle();
    expect(bridge.recorder.summary().totals).toMatchObject({ mismatch: 1 });
  });

  test('a comparison waits for no lock of another connection', async () => {
    const { db, bridge, file, learned } = make({
      stage: 'shadow',
      schema: `${schema}; ${rows}`,
      journalMode: 'delete',
    });
    await learned('select text from note');
    expect(db.prepare('select text from note').all()).toHaveLength(3);
    const other = new Database(file);
    other.exec('begin exclusive');
    await bridge.idle();
    expect(bridge.recorder.summary().totals).toMatchObject({ inconclusive: 1, mismatch: 0 });
    other.exec('rollback');
    other.close();
  });

  test('a function of the program is called once, unless it is said to be pure', async () => {
    const { db, bridge, learned } = make({ stage: 'shadow', pure: ['twice'] });
    let calls = 0;
    db.function('noted', (value: unknown) => {
      calls += 1;
      return value;
    });
    db.function('twice', (value: unknown) => Number(value) * 2);
    await learned('select noted(1)', 'select twice(1)');
    db.prepare('select noted(1)').get();
    expect(db.prepare('select twice(1)').pluck().get()).toBe(2);
    await bridge.idle();
    expect(calls).toBe(1);
    expect(bridge.recorder.summary().totals.match).toBe(1);
  });

  test("a function under one of SQLite's own names keeps every statement from being run twice", async () => {
    const { db, bridge, learned } = make({ stage: 'shadow' });
    let calls = 0;
    db.function('upper', (value: unknown) => {
      calls += 1;
      return String(value);
    });
    await learned("select upper('a')");
    db.prepare("select upper('a')").get();
    await bridge.idle();
    expect(calls).toBe(1);
  });

  test('what is read in a transaction is not compared', async () => {
    const { db, bridge, learned } = make({ stage: 'shadow' });
    await learned('select * from note');
    db.exec(`begin; ${rows}`);
    expect(db.prepare('select * from note').all()).toHaveLength(3);
    await bridge.idle();
    db.exec('commit');
    expect(bridge.recorder.summary().totals.eligible).toBe(0);
  });
});

describe('wiring', () => {
  test('a database in memory stays with its handle, and says so', async () => {
    const handle = new Database(':memory:');
    const { db, bridge } = make({ stage: 'pooled' });
    expect(bridge.stageOf()).toBe('pooled');
    db.exec('select 1');
    const { bridgeDatabase } = await import('changeover/better-sqlite3');
    const { createStaticStageSource } = await import('changeover');
    const memory = bridgeDatabase(handle, {
      name: 'memory',
      stages: createStaticStageSource({ memory: 'pooled' }),
      storePath: ':memory:',
      logger: {
        debug: () => undefined,
        info: () => undefined,
        warn: () => undefined,
        error: () => undefined,
      },
    });
    memory.exec('create table t (x); insert into t values (1)');
    expect(memory.prepare('select x from t').pluck().get()).toBe(1);
    await expect(bridgeOf(memory).ready()).rejects.toThrow('in memory or temporary');
    memory.close();
    await bridgeOf(memory).close();
  });

  test('keys move by themselves, by what surrounds the call', () => {
    let tenant = 'a';
    const { db, bridge, to } = make({ key: () => tenant });
    to('pooled');
    db.exec("insert into note (text) values ('x')");
    tenant = 'b';
    db.exec("insert into note (text) values ('y')");
    const { byDataset } = bridge.recorder.summary() as unknown as {
      byDataset: readonly { dataset: string; calls: number }[];
    };
    expect(byDataset.map(({ dataset, calls }) => [dataset, calls])).toEqual([
      ['a', 1],
      ['b', 1],
    ]);
    tenant = '';
    expect(() => db.exec('select 1')).toThrow('The key of a statement is a text of 0 characters');
    tenant = 'a';
  });

  test('options that are not known are refused', () => {
    const handle = new Database(':memory:');
    expect(() => bridgedHandle({ nmae: 'x' } as never)).toThrow('nmae');
    handle.close();
    expect(() => bridgedHandle({ name: 'no spaces' })).toThrow(WiringError);
  });
});
