import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { datasetPrograms } from './dataset-programs.ts';
import type { Program, StepResult } from './program.ts';
import { openSqliteSession, type SqliteSession } from './sqlite-session.ts';

let folder: string;
let session: SqliteSession;
let other: Database.Database;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-sqlite-session-'));
  const file = join(folder, 'd.sqlite');
  other = new Database(file);
  other.exec('CREATE TABLE first (a); CREATE TABLE t (a, b)');
  session = openSqliteSession({ file });
});

afterEach(() => {
  session.close();
  other.close();
  rmSync(folder, { recursive: true, force: true });
});

function* cellsOf(sql: string): Program<readonly (readonly unknown[])[]> {
  const result: StepResult = yield { kind: 'all', sql, form: 'cells' };
  return result.cells;
}

test('programs that last read a table in the order of its insertion, also after another connection has made it anew', () => {
  const { readTable } = datasetPrograms({ engine: 'sqlite', dataset: 'd', lasting: true });
  const read = (): unknown => session.run(readTable('t', { limit: 9 })).rows;
  other.exec("INSERT INTO t (a, b) VALUES (2, 'x'), (1, 'y')");
  expect([read(), read()]).toEqual(
    Array(2).fill([
      { a: 2, b: 'x' },
      { a: 1, b: 'y' },
    ]),
  );
  other.exec('DROP TABLE t; CREATE TABLE t (rowid, b); INSERT INTO t VALUES (2, 1), (1, 2)');
  expect(read()).toEqual([
    { rowid: 2, b: 1 },
    { rowid: 1, b: 2 },
  ]);
  other.exec(
    'DROP TABLE t; CREATE TABLE t (a PRIMARY KEY) WITHOUT ROWID; INSERT INTO t VALUES (1)',
  );
  expect(read()).toEqual([{ a: 1 }]);
});

/** Without the operand that counts how often the connection has read the schema. */
function steps(cells: readonly (readonly unknown[])[]): unknown[][] {
  return cells.map((row) => row.filter((_, at) => row.length < 8 || at !== 5));
}

describe.each(['EXPLAIN', '/* a plan */ explain', 'EXPLAIN QUERY PLAN'])('%s', (explain) => {
  test('tells of the schema as it is, after another connection has changed it', () => {
    const sql = `${explain} INSERT INTO t SELECT a, a FROM first ORDER BY a`;
    session.run(cellsOf(sql));
    other.exec(
      'DROP TABLE t; CREATE TABLE elsewhere (x); CREATE TABLE t (b, a UNIQUE); CREATE INDEX i ON first (a)',
    );
    // It has found out about the change before it explains again.
    session.run(cellsOf('SELECT * FROM t'));
    expect(steps(session.run(cellsOf(sql)))).toEqual(
      steps(other.prepare(sql).raw().all() as unknown[][]),
    );
  });
});
