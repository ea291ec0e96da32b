import { givesRowsOfWrite, glanceSqlite } from '@changeover/classify/glance';
import { InvalidArgumentError, ReadOnlyError } from './api/storage-errors.ts';

/** Statements that would change what the connection is, under the feet of whoever uses it next. */
const connectionWords: ReadonlySet<string> = new Set([
  'BEGIN',
  'COMMIT',
  'END',
  'ROLLBACK',
  'SAVEPOINT',
  'RELEASE',
  'ATTACH',
  'DETACH',
]);

/** Pragmas that change the file, and leave nothing on the connection. */
const lastingPragmas: ReadonlySet<string> = new Set([
  'user_version',
  'application_id',
  'optimize',
  'incremental_vacuum',
  'wal_checkpoint',
]);

/**
 * Refuses what `query` must not even prepare: SQLite runs some PRAGMAs while it prepares them, behind EXPLAIN as well.
 *
 * @throws {ReadOnlyError} where it is such a statement.
 */
export function checkSqliteQueryText(sql: string): void {
  const { pragma } = glanceSqlite(sql);
  if (pragma !== undefined && pragma.does !== 'tells') {
    throw new ReadOnlyError('query takes only pragmas that show something and change nothing.', {
      engine: 'sqlite',
    });
  }
}

/**
 * Whether `query` takes a statement, which {@link checkSqliteQueryText} has let be prepared.
 *
 * @param statement what the engine says of it.
 * @param inTransaction a transaction takes rows of a write (RETURNING), which could not be had otherwise.
 * @throws {ReadOnlyError} where it doesn't.
 */
export function checkSqliteQuery(
  statement: { readonly readonly: boolean; readonly reader: boolean },
  sql: string,
  inTransaction: boolean,
): void {
  // EXPLAIN runs nothing, whatever the engine says of what it explains.
  if (statement.reader && (statement.readonly || glanceSqlite(sql).explains)) return;
  if (statement.reader && inTransaction && givesRowsOfWrite(sql, 'sqlite')) return;
  throw new ReadOnlyError(
    'query takes one statement that only reads and returns rows. Use execute to write.',
    { engine: 'sqlite' },
  );
}

/**
 * Whether `execute` takes a statement: asked before it is prepared.
 *
 * @throws {InvalidArgumentError} where it doesn't.
 */
export function checkSqliteExecute(sql: string): void {
  const { lead, explains, pragma } = glanceSqlite(sql);
  const refused =
    (connectionWords.has(lead.toUpperCase()) && !explains) ||
    (pragma !== undefined &&
      pragma.does !== 'tells' &&
      !(pragma.does === 'changes the file' && lastingPragmas.has(pragma.name)));
  if (!refused) return;
  throw new InvalidArgumentError(
    `execute does not take ${lead.toUpperCase()}, which would change the state of the connection. ` +
      'Use transaction for several statements in one.',
    { engine: 'sqlite' },
  );
}
