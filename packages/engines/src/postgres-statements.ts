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
 * @throws {InvalidArgumentError} where it doesn't.
 */
export function checkPostgresExecute(sql: string): void {
  const [word = '', second] = leadingWords(sql, 2, 'postgresql');
  if (connectionWords.has(word) && !(word === 'SET' && second === 'LOCAL')) {
    throw new InvalidArgumentError(
      `execute does not take ${word}, which would change the state of the connection. ` +
        'Use transaction for several statements in one.',
      { engine: 'postgresql' },
    );
  }
}
