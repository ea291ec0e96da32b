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

/**
 * Whether `query` takes a statement, as far as its words say.
 *
 * @throws {ReadOnlyError} where it doesn't.
 */
export function checkPostgresQuery(sql: string): void {
  const [word = ''] = leadingWords(sql, 1);
  if (word !== '' && !readingWords.has(word)) {
    throw new ReadOnlyError(
      `query takes a statement that only reads, found ${word}. Use execute to write.`,
      { engine: 'postgresql' },
    );
  }
}

/**
 * Whether `execute` takes a statement.
 *
 * @throws {InvalidArgumentError} where it doesn't.
 */
export function checkPostgresExecute(sql: string): void {
  const [word = '', second] = leadingWords(sql, 2);
  if (connectionWords.has(word) && !(word === 'SET' && second === 'LOCAL')) {
    throw new InvalidArgumentError(
      `execute does not take ${word}, which would change the state of the connection. ` +
        'Use transaction for several statements in one.',
      { engine: 'postgresql' },
    );
  }
}
