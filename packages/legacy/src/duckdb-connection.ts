import { InvalidArgumentError, type InputValue } from '@changeover/engines/api';
import { type Row, type Value } from '@changeover/core';
import {
  checkDuckdbExecute,
  checkDuckdbQuery,
  checkDuckdbText,
  duckdbExplained,
  isDuckdbPivot,
  classifyError,
  duckdbDriver,
  type DuckdbLease,
  type CallerStatementStep,
  emptyStepResult,
  leaseDuckdbInstance,
  type Program,
  runProgramAsync,
  type Step,
  type StepResult,
  toStorageError,
  type TransactionStep,
} from '@changeover/engines';
import type {
  DuckDBConnection,
  DuckDBDataChunk,
  DuckDBMaterializedResult,
  DuckDBPreparedStatement,
  DuckDBType,
  StatementType as StatementKind,
} from '@duckdb/node-api';
import type { Connection } from './connection.ts';
import { insertRows } from './duckdb-insert.ts';
import { bindParameter, fromDuckdb } from './duckdb-values.ts';
import { objectOf, uniqueNames } from './rows.ts';

const { DuckDBStructVector, ResultReturnType, StatementType } = duckdbDriver();

/**
 * A connection of DuckDB's driver. The instance is the one that this process has of the file: a second one on the same file
 * loses rows without an error.
 */
export class DuckdbConnection implements Connection {
  readonly #lease: DuckdbLease;
  readonly #connection: DuckDBConnection;
  #inTransaction = false;
  /** What a cancel may interrupt: an interrupted ROLLBACK rolls nothing back. */
  #interruptible = false;
  #broken = false;

  private constructor(lease: DuckdbLease, connection: DuckDBConnection) {
    this.#lease = lease;
    this.#connection = connection;
  }

  /** Rejects with a {@link ConnectionError} where the file is missing, no database, or locked by another process. */
  static async open(file: string): Promise<DuckdbConnection> {
    const lease = await leaseDuckdbInstance(file);
    try {
      const connection = await lease.instance.connect();
      await connection.run("SET TimeZone = 'UTC'");
      return new DuckdbConnection(lease, connection);
    } catch (error) {
      lease.release();
      throw toStorageError('duckdb', error);
    }
  }

  get usable(): boolean {
    return !this.#broken;
  }

  async run<T>(program: Program<T>): Promise<T> {
    try {
      return await runProgramAsync(program, (step) => this.#noting(step));
    } catch (error) {
      throw toStorageError('duckdb', error);
    }
  }

  cancel(): Promise<void> {
    if (this.#interruptible) this.#connection.interrupt();
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#connection.closeSync();
    this.#lease.release();
    return Promise.resolve();
  }

  async #noting(step: Step): Promise<StepResult> {
    try {
      return await this.#perform(step);
    } catch (error) {
      const isFatal = /^FATAL Error|database has been invalidated/i.test((error as Error).message);
      this.#broken ||= isFatal || classifyError('duckdb', error) === 'connection';
      throw error;
    } finally {
      this.#interruptible = false;
    }
  }

  async #perform(step: Step): Promise<StepResult> {
    switch (step.kind) {
      case 'all':
        return this.#prepared(step.sql, async (statement) =>
          rowsOf(await this.#runStatement(statement, step.params)),
        );
      case 'run':
        return this.#prepared(step.sql, async (statement) =>
          affectedBy(await this.#runStatement(statement, step.params)),
        );
      case 'query':
        return this.#query(step);
      case 'execute':
        return this.#prepared(step.sql, async (statement) => {
          checkDuckdbExecute(statement.statementType, step.sql, step.inSession);
          return affectedBy(await this.#runStatement(statement, step.params));
        });
      case 'insert':
        this.#interruptible = true;
        await insertRows(this.#connection, step);
        return emptyStepResult;
      default:
        await this.#control(step);
        return emptyStepResult;
    }
  }

  async #query({ sql, params, inSession }: CallerStatementStep): Promise<StepResult> {
    const takesRows = inSession === true || this.#inTransaction;
    checkDuckdbText(sql, takesRows);
    const explained = duckdbExplained(sql);
    if (explained !== undefined) {
      // The parser says of what is no SELECT that it can't be written down.
      const found = await this.#connection.runAndReadAll(
        "SELECT json_serialize_sql($1::VARCHAR)->>'error'",
        [explained],
      );
      if (found.getRows()[0]?.[0] !== 'false') checkDuckdbQuery(StatementType.INVALID);
    }
    if (isDuckdbPivot(sql)) return this.#pivot(sql, params);
    return this.#prepared(sql, async (statement) => {
      checkDuckdbQuery(statement.statementType, takesRows ? sql : undefined);
      return rowsOf(await this.#runStatement(statement, params));
    });
  }

  /** All but the last of its statements make types of the values. */
  async #pivot(sql: string, params: readonly InputValue[] | undefined): Promise<StepResult> {
    const statements = await this.#connection.extractStatements(sql);
    let result: StepResult = emptyStepResult;
    for (let at = 0; at < statements.count; at += 1) {
      const statement = await statements.prepare(at);
      const isLast = at === statements.count - 1;
      try {
        if (isLast) checkDuckdbQuery(statement.statementType);
        const given = isLast ? params : undefined;
        const ran = await this.#runStatement(statement, given);
        if (isLast) result = rowsOf(ran);
      } finally {
        statement.destroySync();
      }
    }
    return result;
  }

  async #prepared<T>(
    sql: string,
    use: (statement: DuckDBPreparedStatement) => Promise<T>,
  ): Promise<T> {
    const statement = await this.#prepare(sql);
    try {
      return await use(statement);
    } finally {
      statement.destroySync();
    }
  }

  async #prepare(sql: string): Promise<DuckDBPreparedStatement> {
    try {
      return await this.#connection.prepare(sql);
    } catch (error) {
      const { message } = error as Error;
      if (!/No statement to prepare|prepare multiple statements/.test(message)) throw error;
      throw new InvalidArgumentError(
        `Expected exactly one SQL statement, found ${/multiple/.test(message) ? 'several' : 'none'}.`,
        { engine: 'duckdb', cause: error },
      );
    }
  }

  async #runStatement(
    statement: DuckDBPreparedStatement,
    params: readonly InputValue[] = [],
  ): Promise<DuckDBMaterializedResult> {
    if (params.length !== statement.parameterCount) {
      throw new InvalidArgumentError(
        `Expected ${statement.parameterCount} parameters, found ${params.length}.`,
        { engine: 'duckdb' },
      );
    }
    params.forEach((value, at) => {
      bindParameter(statement, at + 1, value);
    });
    this.#interruptible = true;
    return statement.run();
  }

  async #control({ kind, readOnly }: TransactionStep): Promise<void> {
    switch (kind) {
      case 'begin':
        await this.#connection.run(
          readOnly === true ? 'BEGIN TRANSACTION READ ONLY' : 'BEGIN TRANSACTION',
        );
        this.#inTransaction = true;
        break;
      case 'commit':
        // One that fails has rolled back.
        this.#inTransaction = false;
        await this.#connection.run('COMMIT');
        break;
      case 'rollback':
        if (this.#inTransaction) await this.#rollback();
        break;
      default:
        throw new InvalidArgumentError('DuckDB has no savepoints.', { engine: 'duckdb' });
    }
  }

  async #rollback(): Promise<void> {
    this.#inTransaction = false;
    try {
      await this.#connection.run('ROLLBACK');
    } catch (error) {
      // What it holds goes with the connection alone.
      this.#broken = true;
      throw error;
    }
  }
}

/** Kinds of statement that change rows. */
const changing: ReadonlySet<StatementKind> = new Set([
  StatementType.INSERT,
  StatementType.UPDATE,
  StatementType.DELETE,
  StatementType.MERGE_INTO,
]);

/** The engine counts rows changed, except where they are returned: then they are counted. */
function affectedBy({
  returnType,
  statementType,
  rowsChanged,
  rowCount,
}: DuckDBMaterializedResult): StepResult {
  if (returnType === ResultReturnType.CHANGED_ROWS)
    return { ...emptyStepResult, rowsAffected: rowsChanged };
  const isReturning = returnType === ResultReturnType.QUERY_RESULT && changing.has(statementType);
  return { ...emptyStepResult, rowsAffected: isReturning ? rowCount : 0 };
}

function rowsOf(result: DuckDBMaterializedResult): StepResult {
  const columns = uniqueNames(result.columnNames());
  const types = result.columnTypes();
  const rows: Row[] = [];
  for (let at = 0; at < result.chunkCount; at += 1) {
    const chunk = result.getChunk(at);
    const lists = types.map((type, column) => columnOf(chunk, column, type));
    for (let row = 0; row < chunk.rowCount; row += 1)
      rows.push(
        objectOf(
          columns,
          lists.map((list) => list[row] ?? null),
        ),
      );
  }
  return { ...emptyStepResult, columns, rows };
}

function columnOf(chunk: DuckDBDataChunk, column: number, type: DuckDBType): Value[] {
  const vector = chunk.getColumnVector(column);
  // The driver's objects keep one of several fields without names, and none called `__proto__`.
  if (vector instanceof DuckDBStructVector) {
    const { entryNames, entryTypes } = vector.type;
    const names = uniqueNames(entryNames);
    return Array.from({ length: chunk.rowCount }, (_, row) =>
      vector.isItemValid(row)
        ? objectOf(
            names,
            entryTypes.map((entry, field) => fromDuckdb(vector.getItemValue(row, field), entry)),
          )
        : null,
    );
  }
  return chunk.getColumnValues(column).map((value) => fromDuckdb(value, type));
}
