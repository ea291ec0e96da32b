import { givesRowsOfWrite, glanceDuckdb } from '@changeover/classify/glance';
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

/** Kinds that a session takes: they set what goes with its connection. */
const sessionTypes: ReadonlySet<string> = new Set(['SET', 'VARIABLE_SET', 'PREPARE', 'EXECUTE']);

/** After SET or RESET. */
const sessionScopes: ReadonlySet<string> = new Set(['SESSION', 'LOCAL', 'VARIABLE']);

/** What EXPLAIN may plan although it writes: a plan changes nothing. Others do some of their work while they are planned. */
const plannedWords: ReadonlySet<string> = new Set(['insert', 'update', 'delete', 'merge']);

/** Kinds of statements that a transaction's `query` takes where they give rows of what they write. */
const writingTypes: ReadonlySet<string> = new Set(['INSERT', 'UPDATE', 'DELETE', 'MERGE_INTO']);

/**
 * Refuses what `query` must not even prepare.
 *
 * @param takesRows a transaction and a session take rows of a write (RETURNING), which could not be had otherwise.
 * @throws {ReadOnlyError} where it is such a statement.
 */
export function checkDuckdbText(sql: string, takesRows: boolean): void {
  if (takesRows && givesRowsOfWrite(sql, 'postgresql')) return;
  const { lead, explains, acts, takesNumber } = glanceDuckdb(sql);
  if (takesNumber || (acts && !(explains === 'plans' && plannedWords.has(lead)))) throw refused();
}

/**
 * What EXPLAIN ANALYZE would run, where its first words don't tell that it only reads: DuckDB's own parser is to be asked, by
 * `json_serialize_sql`, which says of what is no SELECT that it can't.
 */
export function duckdbExplained(sql: string): string | undefined {
  const { explains, lead, start } = glanceDuckdb(sql);
  const plain = explains !== 'runs' || /^(select|from|values|table)$/.test(lead);
  return plain ? undefined : sql.slice(start);
}

/** Whether it is a PIVOT, which the engine takes for several statements: it makes a type of the values first. */
export function isDuckdbPivot(sql: string): boolean {
  const { lead, explains } = glanceDuckdb(sql);
  return explains === 'no' && /^pivot(_wider)?$/.test(lead);
}

/**
 * Whether `query` takes a statement, which {@link checkDuckdbText} has let be prepared.
 *
 * @param type what the engine says that it is.
 * @param rowsOfWrite the statement, in a transaction or a session.
 * @throws {ReadOnlyError} where it doesn't.
 */
export function checkDuckdbQuery(type: StatementType, rowsOfWrite?: string): void {
  const name = nameOf(type);
  if (readingTypes.has(name)) return;
  if (
    rowsOfWrite !== undefined &&
    writingTypes.has(name) &&
    givesRowsOfWrite(rowsOfWrite, 'postgresql')
  )
    return;
  throw refused();
}

function refused(): ReadOnlyError {
  return new ReadOnlyError(
    'query takes one statement that only reads and returns rows. Use execute to write.',
    { engine: 'duckdb' },
  );
}

/**
 * Whether `execute` takes a statement.
 *
 * @param type what the engine says that it is.
 * @param inSession the connection is its caller's alone and nobody's afterwards.
 * @throws {InvalidArgumentError} where it doesn't.
 */
export function checkDuckdbExecute(
  type: StatementType,
  sql: string,
  inSession: boolean = false,
): void {
  const name = nameOf(type);
  if (!connectionTypes.has(name)) return;
  // Without the word SESSION a setting may be one of the whole instance.
  const [lead, scope] = leadingWords(sql, 2, 'duckdb');
  const isLocal = name !== 'SET' || lead === 'USE' || sessionScopes.has(scope ?? '');
  if (inSession && sessionTypes.has(name) && isLocal) return;
  throw new InvalidArgumentError(
    `execute does not take ${leadingWords(sql, 1, 'duckdb').join('')}, which would change the ` +
      'state of the connection. Use transaction for several statements in one, and session for settings.',
    { engine: 'duckdb' },
  );
}

function nameOf(type: StatementType): string {
  return duckdbDriver().StatementType[type];
}
