import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
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
