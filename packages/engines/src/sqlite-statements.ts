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

/** Pragmas that go with a connection, and do nothing to others or to the file. */
const sessionPragmas: ReadonlySet<string> = new Set([
  ...['foreign_keys', 'defer_foreign_keys', 'recursive_triggers', 'case_sensitive_like'],
  ...['ignore_check_constraints', 'reverse_unordered_selects', 'automatic_index', 'query_only'],
  ...['busy_timeout', 'cache_size', 'temp_store', 'legacy_alter_table', 'synchronous'],
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
 * @param takesRows a transaction and a session take rows of a write (RETURNING), which could not be had otherwise.
 * @throws {ReadOnlyError} where it doesn't.
 */
export function checkSqliteQuery(
  statement: { readonly readonly: boolean; readonly reader: boolean },
  sql: string,
  takesRows: boolean,
): void {
  // EXPLAIN runs nothing, whatever the engine says of what it explains.
  if (statement.reader && (statement.readonly || glanceSqlite(sql).explains)) return;
  if (statement.reader && takesRows && givesRowsOfWrite(sql, 'sqlite')) return;
  throw new ReadOnlyError(
    'query takes one statement that only reads and returns rows. Use execute to write.',
    { engine: 'sqlite' },
  );
}

/**
 * Whether `execute` takes a statement: asked before it is prepared.
 *
 * @param inSession the connection is its caller's alone and nobody's afterwards.
 * @throws {InvalidArgumentError} where it doesn't.
 */
export function checkSqliteExecute(sql: string, inSession: boolean = false): void {
  const { lead, explains, pragma } = glanceSqlite(sql);
  const refused =
    (connectionWords.has(lead.toUpperCase()) && !explains) ||
    (pragma !== undefined &&
      pragma.does !== 'tells' &&
      !(pragma.does === 'changes the file' && lastingPragmas.has(pragma.name)) &&
      !(inSession && !explains && sessionPragmas.has(pragma.name)));
  if (!refused) return;
  throw new InvalidArgumentError(
    `execute does not take ${lead.toUpperCase()}, which would change the state of the connection. ` +
      'Use transaction for several statements in one, and session for settings.',
    { engine: 'sqlite' },
  );
}
