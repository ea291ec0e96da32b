import { ConnectionError, InvalidArgumentError, type InputValue } from '@changeover/engines/api';
import { type Value } from '@changeover/core';
import {
  checkSqliteExecute,
  checkSqliteQuery,
  checkSqliteQueryText,
  emptyStepResult,
  inputCells,
  type InsertStep,
  leadingWords,
  type Program,
  quoteIdentifier,
  runProgram,
  sqliteDriver,
  type Step,
  type StepResult,
  toStorageError,
  type TransactionStep,
} from '@changeover/engines';
import type Database from 'better-sqlite3';
import type { Connection } from './connection.ts';
import { narrowInteger, objectOf, uniqueNames } from './rows.ts';
import { boundValue, insertedValue } from './sqlite-values.ts';

/** How long a statement waits for another process's lock, blocking everything meanwhile. */
const busyTimeoutMs = 5000;

/** A connection of better-sqlite3: it answers in the same tick, on the caller's thread, as legacy code has it. */
export class SqliteConnection implements Connection {
  readonly #database: Database.Database;

  /** @throws {ConnectionError} where the file is missing or can't be opened; nothing is created. */
  constructor(file: string) {
    const SqliteDatabase = sqliteDriver();
    try {
      this.#database = new SqliteDatabase(file, { fileMustExist: true, timeout: busyTimeoutMs });
      this.#database.pragma('foreign_keys = ON');
    } catch (error) {
      const reason = toStorageError('sqlite', error);
      throw new ConnectionError(`The SQLite file could not be opened: ${reason.message}`, {
        engine: 'sqlite',
        cause: error,
        retryable: reason.retryable,
      });
    }
  }

  get usable(): boolean {
    return this.#database.open;
  }

  run<T>(program: Program<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      try {
        resolve(runProgram(program, (step) => this.#perform(step)));
      } catch (error) {
        reject(toStorageError('sqlite', error));
      }
    });
  }

  /** Nobody can ask while a statement runs. */
  cancel(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#database.close();
    return Promise.resolve();
  }

  #perform(step: Step): StepResult {
    switch (step.kind) {
      case 'all':
        return readRows(this.#prepare(step.sql), step.params);
      case 'run':
        return this.#write(step.sql, step.params);
      case 'query': {
        checkSqliteQueryText(step.sql);
        const statement = this.#prepare(step.sql);
        checkSqliteQuery(
          statement,
          step.sql,
          step.inSession === true || this.#database.inTransaction,
        );
        return readRows(statement, step.params);
      }
      case 'execute':
        checkSqliteExecute(step.sql, step.inSession);
        return this.#write(step.sql, step.params);
      case 'insert':
        return this.#insert(step);
      default:
        return this.#control(step);
    }
  }

  #prepare(sql: string): Database.Statement {
    try {
      return this.#database.prepare(sql);
    } catch (error) {
      // The driver's way to say that there is no statement, or more than one. Not by its class: in a test's realm its errors are
      // of another.
      if ((error as { name?: unknown }).name !== 'RangeError') throw error;
      throw new InvalidArgumentError(
        `Expected exactly one SQL statement: ${(error as Error).message}.`,
        { engine: 'sqlite', cause: error },
      );
    }
  }

  #write(sql: string, params: readonly InputValue[] | undefined): StepResult {
    const statement = this.#prepare(sql);
    const before = this.#changes();
    // With RETURNING there are rows, which nobody asked for.
    if (statement.reader) statement.all(bound(params));
    else statement.run(bound(params));
    const after = this.#changes();
    // A statement that changes no rows leaves the number of an earlier one. To create a virtual table fills tables of its own.
    const changed = after.total !== before.total && leadingWords(sql, 1, 'sqlite')[0] !== 'CREATE';
    return { ...emptyStepResult, rowsAffected: changed ? after.last : 0 };
  }

  #changes(): { readonly total: number; readonly last: number } {
    return this.#database.prepare('SELECT total_changes() AS total, changes() AS last').get() as {
      total: number;
      last: number;
    };
  }

  #insert({ table, temporary, columns, rows }: InsertStep): StepResult {
    const name = `${temporary === true ? 'temp' : 'main'}.${quoteIdentifier(table)}`;
    const names = columns.map((column) => quoteIdentifier(column.name)).join(', ');
    const marks = columns.map(() => '?').join(', ');
    const statement = this.#database.prepare(`INSERT INTO ${name} (${names}) VALUES (${marks})`);
    const cells = inputCells(
      rows,
      columns.map(({ key }) => key),
    );
    for (let row = 0; row < cells.count; row += 1)
      statement.run(columns.map(({ type }, at) => insertedValue(cells.value(row, at), type)));
    return { ...emptyStepResult, rowsAffected: cells.count };
  }

  #control({ kind, readOnly }: TransactionStep): StepResult {
    const database = this.#database;
    switch (kind) {
      case 'begin':
        database.exec(readOnly === true ? 'BEGIN' : 'BEGIN IMMEDIATE');
        break;
      case 'commit':
        database.exec('COMMIT');
        break;
      case 'rollback':
        // Some failures (a full disk, no memory) roll back by themselves.
        if (database.inTransaction) database.exec('ROLLBACK');
        break;
      case 'savepoint':
        database.exec('SAVEPOINT _changeover');
        break;
      case 'release':
        database.exec('RELEASE _changeover');
        break;
      case 'rollbackToSavepoint':
        if (database.inTransaction) database.exec('ROLLBACK TO _changeover; RELEASE _changeover');
    }
    return emptyStepResult;
  }
}

function bound(params: readonly InputValue[] | undefined): unknown[] {
  return (params ?? []).map(boundValue);
}

/** Rows of a statement that only reads. As lists, because of two columns of one name the driver's objects hold one. */
function readRows(
  statement: Database.Statement,
  params: readonly InputValue[] | undefined,
): StepResult {
  const values = bound(params);
  statement.raw(true);
  let lists = statement.all(values) as Value[][];
  // The driver's numbers lose digits past 2^53: then the same is read as `bigint`.
  if (lists.some((list) => list.some(isUnsafe))) {
    lists = statement.safeIntegers(true).all(values) as Value[][];
    lists = lists.map((list) =>
      list.map((value) => (typeof value === 'bigint' ? narrowInteger(value) : value)),
    );
  }
  // Asked for afterwards: another process may have changed the table since the statement was prepared.
  const columns = uniqueNames(statement.columns().map(({ name }) => name));
  return { ...emptyStepResult, columns, rows: lists.map((list) => objectOf(columns, list)) };
}

function isUnsafe(value: Value): boolean {
  return typeof value === 'number' && Math.abs(value) > Number.MAX_SAFE_INTEGER;
}
