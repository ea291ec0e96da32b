import { type InputValue } from './api/input-values.ts';
import { InvalidArgumentError, StatementError } from './api/storage-errors.ts';
import { type Row, type Value } from '@changeover/core';
import type {
  DuckDBConnection,
  DuckDBDataChunk,
  DuckDBMaterializedResult,
  DuckDBPreparedStatement,
  StatementType as StatementKind,
} from '@duckdb/node-api';
import { duckdbDriver } from './drivers.ts';
import { duckdbColumn } from './duckdb-columns.ts';
import { insertIntoDuckdb } from './duckdb-insert.ts';
import type { DuckdbInstanceOptions } from './api/duckdb-instance-options.ts';
import { type DuckdbLease, leaseDuckdbInstance } from './duckdb-instances.ts';
import {
  checkDuckdbExecute,
  checkDuckdbQuery,
  checkDuckdbText,
  duckdbExplained,
  isDuckdbPivot,
} from './duckdb-statements.ts';
import { bindDuckdbParam } from './duckdb-values.ts';
import { classifyError, toStorageError } from './errors.ts';
import {
  type CallerStatementStep,
  emptyStepResult,
  type Program,
  type RowForm,
  runProgramAsync,
  type Step,
  type StepResult,
  type TransactionStep,
} from './program.ts';
import { ProgramLine, settledWithin } from './program-line.ts';
import { appendCells, appendRows, uniqueColumns } from './rows.ts';
import type { AsyncSession, ResultStream, TransactionState } from './session.ts';
import { isBlankSql } from './sql-text.ts';

/** How to open a DuckDB file. */
export interface DuckdbSessionOptions extends DuckdbInstanceOptions {
  /** An existing database file. Opening never creates one. */
  readonly file: string;
}

/** How long an interrupted statement may take to end before closing goes on without it. */
const closeTimeoutMs = 2000;

/**
 * Opens a connection to the one instance of an existing DuckDB file.
 *
 * Rejects with a {@link ConnectionError} where the file is missing, no database, or locked by another process.
 */
export async function openDuckdbSession(options: DuckdbSessionOptions): Promise<DuckdbSession> {
  const lease = await leaseDuckdbInstance(options.file, options);
  let connection: DuckDBConnection | undefined;
  try {
    connection = await lease.instance.connect();
    await connection.run("SET TimeZone = 'UTC'");
    return new DuckdbSession(lease, connection);
  } catch (error) {
    connection?.closeSync();
    lease.release();
    throw toStorageError('duckdb', error);
  }
}

const { ResultReturnType, StatementType } = duckdbDriver();

/** Kinds of statement that change rows. */
const changingTypes: ReadonlySet<StatementKind> = new Set([
  StatementType.INSERT,
  StatementType.UPDATE,
  StatementType.DELETE,
  StatementType.MERGE_INTO,
]);

/** One connection to a DuckDB instance. */
export class DuckdbSession implements AsyncSession {
  readonly engine = 'duckdb';
  readonly #lease: DuckdbLease;
  readonly #connection: DuckDBConnection;
  readonly #line = new ProgramLine('duckdb');
  #state: TransactionState = 'none';
  #broken = false;
  /** A statement runs that may be interrupted. The end of a transaction may not: an interrupted ROLLBACK rolls nothing back,
   * and whoever writes the same rows then meets a conflict (measured with 1.5.5). */
  #running = false;
  #stream: ResultStream | undefined;
  #closing: Promise<void> | undefined;

  /** Use {@link openDuckdbSession}. */
  constructor(lease: DuckdbLease, connection: DuckDBConnection) {
    this.#lease = lease;
    this.#connection = connection;
  }

  get usable(): boolean {
    return !this.#broken && !this.#line.closed;
  }

  get transactionState(): TransactionState {
    return this.#state;
  }

  run<T>(program: Program<T>): Promise<T> {
    return this.#line.run(async () => {
      // The engine ends the stream of a connection at its next statement.
      this.#stream = undefined;
      try {
        return await runProgramAsync(program, (step) => this.#performStep(step));
      } catch (error) {
        throw toStorageError('duckdb', error);
      }
    });
  }

  /**
   * Runs a statement of the project's own whose rows come as they are asked for. Its programs and other streams end it.
   *
   * Rejects as {@link run} does.
   */
  stream(sql: string, form: RowForm): Promise<ResultStream> {
    return this.#line.run(() =>
      this.#noting(() =>
        this.#prepared(sql, async (statement) => {
          const result = await statement.stream();
          const columns = uniqueColumns(result.columnNames());
          const stream: ResultStream = {
            isOpen: () => this.#stream === stream,
            next: () =>
              this.#line.run(() =>
                this.#noting(async () => {
                  if (this.#stream !== stream)
                    throw new StatementError('Another statement has ended this stream.', {
                      engine: 'duckdb',
                    });
                  const chunk = await result.fetchChunk();
                  if (chunk !== null && chunk.rowCount > 0) return resultOf(columns, [chunk], form);
                  this.#stream = undefined;
                  return undefined;
                }),
              ),
          };
          this.#stream = stream;
          return stream;
        }),
      ),
    );
  }

  cancel(): Promise<void> {
    if (this.#running) this.#connection.interrupt();
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  async #end(): Promise<void> {
    const ended = this.#line.close();
    if (this.#running) this.#connection.interrupt();
    // Closing under a running statement is not safe: then it is closed when the statement ends, and nobody waits.
    const closed = ended.then(() => {
      this.#release();
    });
    await settledWithin(closed, closeTimeoutMs);
  }

  #release(): void {
    this.#connection.closeSync();
    this.#lease.release();
  }

  /** Runs what may be interrupted, with errors as callers know them. */
  async #noting<T>(work: () => Promise<T>): Promise<T> {
    this.#running = true;
    try {
      return await work();
    } catch (error) {
      this.#noteError(error);
      throw toStorageError('duckdb', error);
    } finally {
      this.#running = false;
    }
  }

  async #performStep(step: Step): Promise<StepResult> {
    this.#running = !isControl(step);
    try {
      switch (step.kind) {
        case 'all':
          return await this.#prepared(step.sql, async (statement) =>
            this.#result(await this.#runStatement(statement, step.params), step.form),
          );
        case 'run':
          return await this.#prepared(step.sql, async (statement) =>
            this.#affected(await this.#runStatement(statement, step.params)),
          );
        case 'query':
          return await this.#query(step);
        case 'execute':
          return await this.#execute(step);
        case 'insert':
          await insertIntoDuckdb(this.#connection, step);
          return emptyStepResult;
        default:
          return await this.#control(step);
      }
    } catch (error) {
      this.#noteError(error);
      throw error;
    } finally {
      this.#running = false;
    }
  }

  #noteError(error: unknown): void {
    const message = messageOf(error);
    if (/transaction is aborted/i.test(message) && this.#state === 'open') this.#state = 'failed';
    if (/^FATAL Error|database has been invalidated/i.test(message)) this.#broken = true;
    if (classifyError('duckdb', error) === 'connection') this.#broken = true;
  }

  /**
   * Prepares the statement for one run. A prepared statement is not kept: DuckDB plans by the table's statistics of that
   * moment and folds what they seem to settle into the plan, so that a kept `count(*) … WHERE a > 1` still said 0 after
   * such rows had been committed (measured with 1.5.5).
   */
  async #prepared<T>(
    sql: string,
    use: (statement: DuckDBPreparedStatement) => Promise<T>,
  ): Promise<T> {
    if (isBlankSql(sql, 'duckdb')) throw oneStatement('none');
    let statement: DuckDBPreparedStatement;
    try {
      statement = await this.#connection.prepare(sql);
    } catch (error) {
      if (/prepare multiple statements/i.test(messageOf(error))) throw oneStatement('several');
      throw error;
    }
    try {
      return await use(statement);
    } finally {
      statement.destroySync();
    }
  }

  async #runStatement(
    statement: DuckDBPreparedStatement,
    params: readonly InputValue[] | undefined,
  ): Promise<DuckDBMaterializedResult> {
    const values = params ?? [];
    if (values.length !== statement.parameterCount) {
      throw new InvalidArgumentError(
        `Expected ${statement.parameterCount} parameters, found ${values.length}.`,
        {
          engine: 'duckdb',
        },
      );
    }
    values.forEach((value, index) => {
      bindDuckdbParam(statement, index + 1, value);
    });
    return statement.run();
  }

  #result(result: DuckDBMaterializedResult, form?: RowForm): StepResult {
    return resultOf(uniqueColumns(result.columnNames()), chunksOf(result), form);
  }

  #affected(result: DuckDBMaterializedResult): StepResult {
    if (result.returnType === ResultReturnType.CHANGED_ROWS)
      return { ...emptyStepResult, rowsAffected: result.rowsChanged };
    // With RETURNING the engine counts none, and its rows are those that were changed.
    return changingTypes.has(result.statementType)
      ? { ...emptyStepResult, rowsAffected: result.rowCount }
      : emptyStepResult;
  }

  async #query({ sql, params, form, inSession }: CallerStatementStep): Promise<StepResult> {
    const takesRows = inSession === true || this.#state !== 'none';
    checkDuckdbText(sql, takesRows);
    const explained = duckdbExplained(sql);
    if (explained !== undefined) await this.#checkReads(explained);
    if (isDuckdbPivot(sql)) return this.#pivot(sql, params, form);
    return this.#prepared(sql, async (statement) => {
      checkDuckdbQuery(statement.statementType, takesRows ? sql : undefined);
      return this.#result(await this.#runStatement(statement, params), form);
    });
  }

  /** Asks the engine's parser, which reads a statement and does nothing of it. */
  async #checkReads(sql: string): Promise<void> {
    const answer = await this.#connection.runAndReadAll(
      "SELECT json_serialize_sql($1::VARCHAR)->>'error'",
      [sql],
    );
    if (answer.getRows()[0]?.[0] !== 'false') checkDuckdbQuery(StatementType.INVALID);
  }

  /** The engine makes a type of the values first, and then reads. */
  async #pivot(
    sql: string,
    params: readonly InputValue[] | undefined,
    form?: RowForm,
  ): Promise<StepResult> {
    const extracted = await this.#connection.extractStatements(sql);
    for (let at = 0; ; at += 1) {
      const statement = await extracted.prepare(at);
      try {
        if (at < extracted.count - 1) {
          await statement.run();
          continue;
        }
        checkDuckdbQuery(statement.statementType);
        return this.#result(await this.#runStatement(statement, params), form);
      } finally {
        statement.destroySync();
      }
    }
  }

  #execute({ sql, params, inSession }: CallerStatementStep): Promise<StepResult> {
    return this.#prepared(sql, async (statement) => {
      checkDuckdbExecute(statement.statementType, sql, inSession);
      return this.#affected(await this.#runStatement(statement, params));
    });
  }

  async #control(step: TransactionStep): Promise<StepResult> {
    switch (step.kind) {
      case 'begin':
        await this.#connection.run(
          step.readOnly === true ? 'BEGIN TRANSACTION READ ONLY' : 'BEGIN TRANSACTION',
        );
        this.#state = 'open';
        break;
      case 'commit':
        this.#state = 'committing';
        try {
          await this.#connection.run('COMMIT');
        } finally {
          // A commit that fails has rolled back: the engine is in this process, so there is no third answer.
          this.#state = 'none';
        }
        break;
      case 'rollback':
        if (this.#state === 'none') break;
        try {
          await this.#connection.run('ROLLBACK');
        } catch (error) {
          // What it holds goes with the connection alone.
          this.#broken = true;
          throw error;
        }
        this.#state = 'none';
        break;
      case 'savepoint':
      case 'release':
      case 'rollbackToSavepoint':
        throw new InvalidArgumentError('DuckDB has no savepoints.', { engine: 'duckdb' });
    }
    return emptyStepResult;
  }
}

/** The rows are there already: fetching each chunk by a thread of libuv's took as long as a small query. */
function* chunksOf(result: DuckDBMaterializedResult): Iterable<DuckDBDataChunk> {
  for (let index = 0; index < result.chunkCount; index += 1) yield result.getChunk(index);
}

function resultOf(
  columns: string[],
  chunks: Iterable<DuckDBDataChunk>,
  form: RowForm = 'objects',
): StepResult {
  const rows: Row[] = [];
  const cells: Value[][] = [];
  for (const chunk of chunks) {
    const vectors = columns.map((_, column) => duckdbColumn(chunk, column));
    if (form === 'cells') appendCells(cells, vectors, chunk.rowCount);
    else appendRows(rows, columns, vectors, chunk.rowCount);
  }
  return { columns, rows, cells, rowsAffected: 0 };
}

/** The driver makes its errors outside of the tests' realm, where `instanceof` does not know them. */
function messageOf(error: unknown): string {
  const message: unknown =
    typeof error === 'object' && error !== null ? Reflect.get(error, 'message') : undefined;
  return typeof message === 'string' ? message : '';
}

function isControl(step: Step): step is TransactionStep {
  return (
    step.kind === 'begin' ||
    step.kind === 'commit' ||
    step.kind === 'rollback' ||
    step.kind === 'savepoint' ||
    step.kind === 'release' ||
    step.kind === 'rollbackToSavepoint'
  );
}

function oneStatement(found: string): InvalidArgumentError {
  return new InvalidArgumentError(`Expected exactly one SQL statement, found ${found}.`, {
    engine: 'duckdb',
  });
}
