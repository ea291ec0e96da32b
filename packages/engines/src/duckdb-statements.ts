import { InvalidArgumentError, ReadOnlyError } from './api/storage-errors.ts';
import type { StatementType } from '@duckdb/node-api';
import { duckdbDriver } from './drivers.ts';
import { leadingWords } from './sql-text.ts';

/** Kinds of statements that only read. PRAGMA and SHOW that read are SELECTs to the engine. */
const readingTypes: ReadonlySet<string> = new Set(['SELECT', 'EXPLAIN']);
/** Kinds that would change the connection or the instance, under the feet of whoever uses it next. */
const connectionTypes: ReadonlySet<string> = new Set([
  'TRANSACTION',
  'ATTACH',
  'DETACH',
  'SET',
  'VARIABLE_SET',
  'PRAGMA',
  'PREPARE',
  'EXECUTE',
  'LOAD',
]);

/** What EXPLAIN ANALYZE may run. */
const readingWords: ReadonlySet<string> = new Set([
  'SELECT',
  'WITH',
  'FROM',
  'VALUES',
  'TABLE',
  'DESCRIBE',
  'SHOW',
  'SUMMARIZE',
]);

/**
 * Whether `query` takes a statement.
 *
 * @param type what the engine says that it is.
 * @throws {ReadOnlyError} where it doesn't.
 */
export function checkDuckdbQuery(type: StatementType, sql: string): void {
  const words = leadingWords(sql, 3);
  const explainsAnother =
    words[0] === 'EXPLAIN' && words[1] === 'ANALYZE' && !readingWords.has(words[2] ?? '');
  if (!readingTypes.has(nameOf(type)) || explainsAnother || /\bnextval\s*\(/i.test(sql)) {
    throw new ReadOnlyError(
      'query takes one statement that only reads and returns rows. Use execute to write.',
      { engine: 'duckdb' },
    );
  }
}

/**
 * Whether `execute` takes a statement.
 *
 * @param type what the engine says that it is.
 * @throws {InvalidArgumentError} where it doesn't.
 */
export function checkDuckdbExecute(type: StatementType, sql: string): void {
  if (!connectionTypes.has(nameOf(type))) return;
  throw new InvalidArgumentError(
    `execute does not take ${leadingWords(sql, 1).join('')}, which would change the ` +
      'state of the connection. Use transaction for several statements in one.',
    { engine: 'duckdb' },
  );
}

function nameOf(type: StatementType): string {
  return duckdbDriver().StatementType[type];
}
