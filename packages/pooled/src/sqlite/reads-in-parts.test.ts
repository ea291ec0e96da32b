import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { ReadTableOptions } from '@changeover/engines/api';
import { appendRows } from '@changeover/engines/sqlite';
import type { Row } from '@changeover/core';
import Database from 'better-sqlite3';
import { inPieces } from './answer-pieces.ts';
import { sharedMarks } from './commit-marks.ts';
import { ConnectionHost } from './connection-host.ts';
import { unpackColumns } from './packed-rows.ts';
import { marksLength, type WorkerPiece, type WorkerReply } from './worker-messages.ts';

let folder: string;
let host: ConnectionHost;
let database: Database.Database;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-parts-'));
  const file = join(folder, 'd.sqlite');
  database = new Database(file);
  database.pragma('page_size = 512');
  database.pragma('journal_mode = WAL');
  database.exec('CREATE TABLE filler (x)');
  host = new ConnectionHost(sharedMarks(new Int32Array(new SharedArrayBuffer(marksLength * 4))));
  host.perform(
    { kind: 'open', call: 1, connection: 1, dataset: 'd', options: { file } },
    () => undefined,
  );
});
afterEach(() => {
  host.perform({ kind: 'close', call: 2, connection: 1 }, () => undefined);
  database.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A table `t`, filled with the numbers from 1. */
function fill(definition: string, values: string, rows: number): void {
  database.exec(
    `CREATE TABLE t ${definition};
     WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ${rows})
     INSERT INTO t SELECT ${values} FROM n`,
  );
}

interface Read {
  readonly reply: WorkerReply;
  readonly columns: readonly string[];
  readonly rows: Row[];
  /** Rows of each piece. */
  readonly pieces: readonly number[];
  /** Pieces that came before the reply. */
  readonly early: number;
}

function read(
  options: ReadTableOptions | undefined,
  { guarded = false, onPiece = (): void => undefined, evidence = false } = {},
): Read {
  const rows: Row[] = [];
  const pieces: number[] = [];
  let columns: readonly string[] = [];
  const take = (piece: WorkerPiece): void => {
    columns = piece.columns;
    pieces.push(piece.piece.count);
    appendRows(rows, columns, unpackColumns(piece.piece), piece.piece.count);
    onPiece();
  };
  const reply = host.perform(
    {
      kind: 'run',
      call: 3,
      connection: 1,
      guarded,
      refusals: 0,
      fences: 0,
      job: { kind: 'operation', operation: 'readTable', args: ['t', options], digest: evidence },
    },
    take,
  );
  const early = pieces.length;
  for (const message of inPieces(reply)) if ('piece' in message) take(message);
  return { reply, columns, rows, pieces, early };
}

const limits = [undefined, 1_999, 2_000, 2_001, 4_000, 5_000, 5_001, 9_000];

describe('a table that is read in parts', () => {
  test.each([
    ['a key', '(id INTEGER PRIMARY KEY, name, amount)', "i, 'name ' || i, i * 1.25"],
    ['keys with gaps, some negative', '(id INTEGER PRIMARY KEY, name)', '(i - 2500) * 7, i'],
    ['keys too large for a number', '(id INTEGER PRIMARY KEY)', '9007199254740000 + i'],
    ['no key', '(a, b)', "nullif(i % 3, 0), CASE i % 4 WHEN 0 THEN x'00ff' ELSE i END"],
    ['columns called as its rows are numbered', '(rowid TEXT, oid)', "'row ' || -i, i"],
    ['no number of rows', '(id INTEGER PRIMARY KEY, name) WITHOUT ROWID', '-i, i'],
  ])('has the rows of one read, in its order: %s', (_, definition, values) => {
    fill(definition, values, 5_000);
    // By the statement that is one: the answer to another form of the call, which is never in parts.
    for (const limit of limits) {
      const options = limit === undefined ? undefined : { limit };
      const whole = database
        .prepare(`SELECT * FROM t LIMIT ${limit ?? -1}`)
        .safeIntegers()
        .all() as Row[];
      const got = read(options).rows;
      expect(got.map(asIntegers)).toEqual(whole.map(asIntegers));
    }
  });

  test('is of one state, however others write meanwhile, and leaves no transaction', () => {
    fill('(id INTEGER PRIMARY KEY, name)', "i, 'before'", 5_000);
    const { rows, early, reply } = read(undefined, {
      onPiece: () => {
        database.exec("UPDATE t SET name = 'after'; DELETE FROM t WHERE id > 3000");
      },
    });
    expect(early).toBe(3);
    expect(rows).toHaveLength(5_000);
    expect(new Set(rows.map(({ name }) => name))).toEqual(new Set(['before']));
    expect(reply).toMatchObject({ outcome: 'done', transactionState: 'none' });
    expect(read(undefined).rows).toHaveLength(3_000);
  });

  test('keeps the order of an index that has all columns, and is not read in parts then', () => {
    fill('(id INTEGER PRIMARY KEY, name, note)', "i, i % 10, 'note of ' || i", 5_000);
    database.exec('CREATE INDEX by_name ON t (name)');
    const whole = database.prepare('SELECT id FROM t').all() as Row[];
    const { rows, early } = read({ columns: ['id'] });
    expect(early).toBe(0);
    expect(rows).toEqual(whole);
  });

  test.each([
    ['a condition', { where: 'id > 0' }],
    ['an order', { orderBy: 'name' }],
  ] as const)('is one statement with %s', (_, options) => {
    fill('(id INTEGER PRIMARY KEY, name)', 'i, -i', 5_000);
    const { rows, early } = read(options);
    expect(early).toBe(0);
    expect(rows).toHaveLength(5_000);
  });

  test('is not in parts where only its digest is wanted', () => {
    fill('(id INTEGER PRIMARY KEY, name)', 'i, -i', 5_000);
    const { pieces, reply } = read(undefined, { evidence: true });
    expect(pieces).toEqual([]);
    expect(reply).toMatchObject({ outcome: 'done', answer: { rows: 'none' } });
  });

  test('is run where it can not be ended only if the plan of the whole bounds it', () => {
    fill('(id INTEGER PRIMARY KEY, name)', 'i, hex(zeroblob(10))', 5_000);
    expect(read(undefined, { guarded: true })).toMatchObject({
      early: 3,
      reply: { outcome: 'done' },
    });
    database.exec(
      'WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 6000) INSERT INTO filler SELECT zeroblob(400) FROM n',
    );
    expect(read(undefined, { guarded: true })).toMatchObject({
      pieces: [],
      reply: { outcome: 'refused', transactionState: 'none' },
    });
  });
});

/** Whole numbers as one kind, and what a number can't hold as it is. */
function asIntegers(row: Row): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [
      name,
      typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value,
    ]),
  );
}
