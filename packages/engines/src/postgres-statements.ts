import { glancePostgres } from '@changeover/classify/glance';
import { InvalidArgumentError, ReadOnlyError } from './api/storage-errors.ts';
import { leadingWords } from './sql-text.ts';

/** Statements that would change what the connection is, under the feet of whoever uses it next. */
const connectionWords: ReadonlySet<string> = new Set([
  'BEGIN',
  'START',
  'COMMIT',
  'END',
  'ROLLBACK',
  'ABORT',
  'SAVEPOINT',
  'RELEASE',
  'PREPARE',
  'EXECUTE',
  'DEALLOCATE',
  'DISCARD',
  'RESET',
  'LISTEN',
  'UNLISTEN',
  'LOAD',
  'COPY',
  'SET',
]);
/** Those of them that a session takes: they set what goes with its connection. DISCARD and DEALLOCATE ALL would take away
 * statements that the driver has prepared. */
const sessionWords: ReadonlySet<string> = new Set(['SET', 'RESET', 'PREPARE', 'EXECUTE']);
/** What a reading statement begins with; whether it writes all the same is the server's to say. */
const readingWords: ReadonlySet<string> = new Set([
  'SELECT',
  'WITH',
  'VALUES',
  'TABLE',
  'EXPLAIN',
  'SHOW',
]);

/** What a statement begins with that gives rows while it acts. */
const rowsWords: ReadonlySet<string> = new Set([
  'select',
  'with',
  'insert',
  'update',
  'delete',
  'merge',
]);

/**
 * Whether `query` takes a statement, as far as its words say.
 *
 * @throws {ReadOnlyError} where it doesn't.
 */
export function checkPostgresQuery(sql: string): void {
  const word = glancePostgres(sql).lead.toUpperCase();
  if (word !== '' && !readingWords.has(word)) {
    throw new ReadOnlyError(
      `query takes a statement that only reads, found ${word}. Use execute to write.`,
      { engine: 'postgresql' },
    );
  }
}

/**
 * Whether a statement gives rows and does something with them: it changes them (`RETURNING`) or locks them (`FOR UPDATE`). A
 * transaction takes it in `query`, for its rows could not be had otherwise; elsewhere the server refuses it as a write.
 */
export function givesRowsAndActs(sql: string): boolean {
  const { lead, givesAndActs } = glancePostgres(sql);
  return givesAndActs && rowsWords.has(lead);
}

/**
 * Whether `execute` takes a statement.
 *
 * @param inSession the connection is its caller's alone and nobody's afterwards.
 * @throws {InvalidArgumentError} where it doesn't.
 */
export function checkPostgresExecute(sql: string, inSession: boolean = false): void {
  const [word = '', second] = leadingWords(sql, 2, 'postgresql');
  const isTaken = (word === 'SET' && second === 'LOCAL') || (inSession && sessionWords.has(word));
  if (connectionWords.has(word) && !isTaken) {
    throw new InvalidArgumentError(
      `execute does not take ${word}, which would change the state of the connection. ` +
        'Use transaction for several statements in one, and session for settings.',
      { engine: 'postgresql' },
    );
  }
}
