import { existsSync } from 'node:fs';
import { ClosedError, ConnectionError, InvalidArgumentError } from './api/storage-errors.ts';
import { type InputValue } from './api/input-values.ts';
import { type Row, type Value } from '@changeover/core';
import type Database from 'better-sqlite3';
import { sqliteDriver } from './drivers.ts';
import { toStorageError } from './errors.ts';
import { inputCells } from './input-cells.ts';
import {
  type CallerStatementStep,
  emptyStepResult,
  type InsertStep,
  type Program,
  type RowForm,
  runProgram,
  type Step,
  type StepResult,
  type TransactionStep,
} from './program.ts';
import { rowsFromCells, uniqueColumns } from './rows.ts';
import type { SyncSession, TransactionState } from './session.ts';
import { leadingWords } from './sql-text.ts';
import { checkSqliteExecute, checkSqliteQuery, checkSqliteQueryText } from './sqlite-statements.ts';
import { affinityOf, sqliteCell, sqliteParams } from './sqlite-values.ts';
import { StatementCache } from './statement-cache.ts';

/** How to open a SQLite file. */
export interface SqliteSessionOptions {
  /** An existing database file. Opening never creates one. */
  readonly file: string;
  /** Refuses every write on this connection. Default: false. */
  readonly readonly?: boolean | undefined;
  /** How long a statement waits for another's lock before it fails as busy, in ms. It blocks the thread meanwhile.
   * Default: 5000. */
  readonly busyTimeoutMs?: number | undefined;
  /** Page cache, in KiB. Default: the engine's. */
  readonly cacheSizeKib?: number | undefined;
  /** Prepared statements kept. Default: 100. */
  readonly statementCacheSize?: number | undefined;
}

/** SQLite binds at most this many values a statement. */
const maxVariables = 32_766;
/** More rows a statement gain nothing (measured: 50 rows of 5 columns insert at 1.8 times the speed of one). */
const maxInsertVariables = 250;

interface PreparedStatement {
  readonly statement: Database.Statement;
  readonly words: readonly string[];
  columns: string[];
  /** False where a change of the schema by another could give the statement two columns of one name. */
  stable: boolean;
  duplicates: boolean;
  /** `query` takes it. */
  isQuery: boolean;
  raw: boolean;
  /** Set once it returned an integer that a number can't hold. */
  safeIntegers: boolean;
}

/**
 * Opens a connection to an existing SQLite file, in WAL mode where the file allows it.
 *
 * @throws {ConnectionError} where the file is missing or can't be opened.
 */
export function openSqliteSession(options: SqliteSessionOptions): SqliteSession {
  if (!existsSync(options.file)) {
    throw new ConnectionError('The SQLite file does not exist; nothing was created.', {
      engine: 'sqlite',
    });
  }
  const SqliteDatabase = sqliteDriver();
  let database: Database.Database | undefined;
  try {
    database = new SqliteDatabase(options.file, {
      fileMustExist: true,
      timeout: options.busyTimeoutMs ?? 5000,
    });
    configure(database, options);
    return new SqliteSession(database, options.statementCacheSize ?? 100);
  } catch (error) {
    database?.close();
    const reason = toStorageError('sqlite', error);
    throw new ConnectionError(`The SQLite file could not be opened: ${reason.message}`, {
      engine: 'sqlite',
      cause: error,
      retryable: reason.retryable,
    });
  }
}

function configure(database: Database.Database, options: SqliteSessionOptions): void {
  // Opened for writing even for reads only, because the last connection to close tidies the write-ahead log away, which
  // one opened as read-only can't.
  if (database.pragma('journal_mode', { simple: true }) !== 'wal') {
    try {
      database.pragma('journal_mode = WAL');
    } catch {
      // Another holds the file, or it can't be written: rollback journals are slower, not wrong.
    }
  }
  database.pragma('foreign_keys = ON');
  if (options.cacheSizeKib !== undefined)
    database.pragma(`cache_size = ${-Math.trunc(options.cacheSizeKib)}`);
  if (options.readonly === true) database.pragma('query_only = ON');
}

/** One connection to a SQLite file. Synchronous: usable in a worker thread or on the main one. */
export class SqliteSession implements SyncSession {
  readonly engine = 'sqlite';
  readonly #database: Database.Database;
  readonly #statements: StatementCache<PreparedStatement>;
  /** Nobody else closes it. To ask the driver takes a twentieth of a point read. */
  #isOpen = true;
  readonly #perform = (step: Step): StepResult => this.#performStep(step);

  /** Use {@link openSqliteSession}. */
  constructor(database: Database.Database, statementCacheSize: number) {
    this.#database = database;
    this.#statements = new StatementCache(statementCacheSize);
  }

  get usable(): boolean {
    return this.#isOpen;
  }

  get transactionState(): TransactionState {
    return this.#isOpen && this.#database.inTransaction ? 'open' : 'none';
  }

  run<T>(program: Program<T>): T {
    if (!this.#isOpen)
      throw new ClosedError('The SQLite connection was closed.', { engine: 'sqlite' });
    try {
      return runProgram(program, this.#perform);
    } catch (error) {
      throw toStorageError('sqlite', error);
    }
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#statements.clear();
    this.#database.close();
  }

  #performStep(step: Step): StepResult {
    switch (step.kind) {
      case 'all':
        return this.#read(this.#prepare(step.sql), step.params, step.form);
      case 'run':
        return this.#write(this.#prepare(step.sql), step.params);
      case 'query':
        return this.#query(step);
      case 'execute':
        return this.#execute(step);
      case 'insert':
        return this.#insert(step);
      default:
        return this.#control(step);
    }
  }

  #prepare(sql: string): PreparedStatement {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    let statement: Database.Statement;
    try {
      statement = this.#database.prepare(sql);
    } catch (error) {
      // Not by its class: in a test's realm the driver's errors are of another.
      const { name, message } = error as { name?: unknown; message?: unknown };
      if (name === 'RangeError') {
        throw new InvalidArgumentError(`Expected exactly one SQL statement: ${String(message)}.`, {
          engine: 'sqlite',
          cause: error,
        });
      }
      throw error;
    }
    const prepared: PreparedStatement = {
      statement,
      words: leadingWords(sql, 1, 'sqlite'),
      columns: [],
      stable: false,
      duplicates: false,
      isQuery: false,
      raw: false,
      safeIntegers: false,
    };
    if (statement.reader) describeColumns(prepared, sql);
    // SQLite lists a prepared EXPLAIN's program without asking whether the schema has changed: it would tell of a schema that
    // is gone, through pointers to memory that is freed, and end the process.
    if (prepared.words[0] !== 'EXPLAIN') this.#statements.set(sql, prepared);
    return prepared;
  }

  #read(
    prepared: PreparedStatement,
    params: readonly InputValue[] | undefined,
    form?: RowForm,
  ): StepResult {
    const bound = sqliteParams(params);
    if (form === 'cells' || prepared.duplicates || prepared.safeIntegers)
      return readCells(prepared, bound, form);
    setRaw(prepared, false);
    const rows = prepared.statement.all(bound) as Row[];
    if (!columnsHold(prepared, rows[0])) {
      if (describeColumns(prepared, prepared.statement.source).duplicates)
        return readCells(prepared, bound, form);
    }
    if (holdsUnsafeInteger(rows)) {
      prepared.safeIntegers = true;
      prepared.statement.safeIntegers(true);
      return readCells(prepared, bound, form);
    }
    return { columns: [...prepared.columns], rows, cells: [], rowsAffected: 0 };
  }

  #write(prepared: PreparedStatement, params: readonly InputValue[] | undefined): StepResult {
    const bound = sqliteParams(params);
    if (!prepared.statement.reader) {
      const { changes } = prepared.statement.run(bound);
      return { ...emptyStepResult, rowsAffected: changes };
    }
    prepared.statement.all(bound);
    if (prepared.statement.readonly) return emptyStepResult;
    const [changes] = this.#read(this.#prepare('SELECT changes() AS "changes"'), []).rows;
    return { ...emptyStepResult, rowsAffected: Number(changes?.['changes'] ?? 0) };
  }

  #query({ sql, params, form, inSession }: CallerStatementStep): StepResult {
    // What is kept was let through before, but for what another step than this one prepared.
    const kept = this.#statements.get(sql);
    if (kept?.isQuery === true) return this.#read(kept, params, form);
    checkSqliteQueryText(sql);
    const prepared = this.#prepare(sql);
    const takesRows = inSession === true || this.transactionState !== 'none';
    checkSqliteQuery(prepared.statement, sql, takesRows);
    // What only a transaction takes is asked about each time.
    prepared.isQuery = prepared.statement.readonly;
    return this.#read(prepared, params, form);
  }

  #execute({ sql, params, inSession }: CallerStatementStep): StepResult {
    checkSqliteExecute(sql, inSession);
    const prepared = this.#prepare(sql);
    const result = this.#write(prepared, params);
    return changesRows.has(prepared.words[0] ?? '') ? result : emptyStepResult;
  }

  #insert(step: InsertStep): StepResult {
    const { columns } = step;
    const schema = step.temporary === true ? 'temp' : 'main';
    const names = columns.map(({ name }) => quote(name)).join(', ');
    const head = `INSERT INTO ${schema}.${quote(step.table)} (${names}) VALUES `;
    const tuple = `(${columns.map(() => '?').join(', ')})`;
    if (columns.length > maxVariables) {
      throw new InvalidArgumentError(`A table has at most 2000 columns; found ${columns.length}.`, {
        engine: 'sqlite',
      });
    }
    const cells = inputCells(
      step.rows,
      columns.map(({ key }) => key),
    );
    const affinities = columns.map(({ type }) => affinityOf(type));
    const batchRows = Math.max(1, Math.floor(maxInsertVariables / columns.length));
    const batch =
      batchRows > 1
        ? this.#database.prepare(head + Array(batchRows).fill(tuple).join(', '))
        : undefined;
    const single = this.#database.prepare(head + tuple);
    let row = 0;
    while (row < cells.count) {
      const size = batch !== undefined && row + batchRows <= cells.count ? batchRows : 1;
      const values: unknown[] = [];
      for (const end = row + size; row < end; row += 1) {
        for (let column = 0; column < columns.length; column += 1) {
          values.push(sqliteCell(cells.value(row, column), affinities[column] ?? 'none'));
        }
      }
      (size === 1 ? single : (batch ?? single)).run(values);
    }
    return { ...emptyStepResult, rowsAffected: cells.count };
  }

  #control(step: TransactionStep): StepResult {
    switch (step.kind) {
      case 'begin':
        this.#run(
          step.readOnly === true || step.temporaryOnly === true ? 'BEGIN' : 'BEGIN IMMEDIATE',
        );
        break;
      case 'commit':
        this.#run('COMMIT');
        break;
      case 'rollback':
        // Some failures (a full disk, no memory) roll back by themselves.
        if (this.#database.inTransaction) this.#run('ROLLBACK');
        break;
      case 'savepoint':
        this.#run('SAVEPOINT _changeover');
        break;
      case 'release':
        this.#run('RELEASE _changeover');
        break;
      case 'rollbackToSavepoint':
        if (!this.#database.inTransaction) break;
        this.#run('ROLLBACK TO _changeover');
        this.#run('RELEASE _changeover');
        break;
    }
    return emptyStepResult;
  }

  #run(sql: string): void {
    this.#prepare(sql).statement.run();
  }
}

/** Statements whose number of rows means something; for all others the engine reports that of an earlier one. */
const changesRows: ReadonlySet<string> = new Set(['INSERT', 'UPDATE', 'DELETE', 'REPLACE', 'WITH']);

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function setRaw(prepared: PreparedStatement, raw: boolean): void {
  if (prepared.raw === raw) return;
  prepared.statement.raw(raw);
  prepared.raw = raw;
}

function describeColumns(prepared: PreparedStatement, sql: string): PreparedStatement {
  const described = prepared.statement.columns();
  const names = described.map(({ name }) => name);
  prepared.columns = uniqueColumns(names);
  prepared.duplicates = new Set(names).size !== names.length || names.includes('__proto__');
  // Describing costs as much as a point read, so it is repeated only where `*` could come to mean a name twice.
  const table = described[0]?.table;
  prepared.stable =
    !sql.includes('*') ||
    (table !== null &&
      described.every((column) => column.table === table && column.column === column.name));
  return prepared;
}

/** Whether the columns are still those that were described: another connection may have changed the table since. */
function columnsHold(prepared: PreparedStatement, first: Row | undefined): boolean {
  if (first === undefined || !prepared.stable) return false;
  const { columns } = prepared;
  let at = 0;
  // Keys that look like numbers come first, whatever their place: then this fails and the columns are described again.
  for (const key in first) {
    if (key !== columns[at]) return false;
    at += 1;
  }
  return at === columns.length;
}

function readCells(prepared: PreparedStatement, bound: unknown[], form?: RowForm): StepResult {
  const { statement } = prepared;
  setRaw(prepared, true);
  // A statement that writes can't be run again to see its large integers.
  if (!statement.readonly && !prepared.safeIntegers) {
    prepared.safeIntegers = true;
    statement.safeIntegers(true);
  }
  let cells = statement.all(bound) as Value[][];
  if (!prepared.safeIntegers && cells.some(holdsUnsafe)) {
    prepared.safeIntegers = true;
    statement.safeIntegers(true);
    cells = statement.all(bound) as Value[][];
  }
  if (prepared.safeIntegers) for (const values of cells) narrowIntegers(values);
  describeColumns(prepared, statement.source);
  const columns = [...prepared.columns];
  if (form === 'cells') return { columns, rows: [], cells, rowsAffected: 0 };
  return { columns, rows: rowsFromCells(columns, cells), cells: [], rowsAffected: 0 };
}

function isUnsafe(value: unknown): boolean {
  return (
    typeof value === 'number' &&
    !(value <= Number.MAX_SAFE_INTEGER && value >= Number.MIN_SAFE_INTEGER)
  );
}

function holdsUnsafe(values: readonly Value[]): boolean {
  for (const value of values) if (isUnsafe(value)) return true;
  return false;
}

/** In the rows' own order of fields, which is read several times as fast as by their names. */
function holdsUnsafeInteger(rows: readonly Row[]): boolean {
  for (const row of rows) {
    for (const column in row) if (isUnsafe(row[column])) return true;
  }
  return false;
}

/** Every integer came as `bigint`; those that a number holds become one. */
function narrowIntegers(values: Value[]): void {
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index];
    if (typeof value !== 'bigint') continue;
    if (value <= BigInt(Number.MAX_SAFE_INTEGER) && value >= BigInt(Number.MIN_SAFE_INTEGER))
      values[index] = Number(value);
  }
}
