import type pg from 'pg';
import { DatasetNotFoundError, InvalidArgumentError } from './api/storage-errors.ts';
import type { InputValue } from './api/input-values.ts';
import { quoteIdentifier } from './dialect/dialect.ts';
import { toStorageError } from './errors.ts';
import { inputCells } from './input-cells.ts';
import { requestCancel } from './postgres-cancel.ts';
import { copyChunks } from './postgres-copy.ts';
import type { PostgresResult } from './postgres-query.ts';
import { alone, type DriverClient, PostgresSender, type Send } from './postgres-sender.ts';
import { type PostgresSettings, setForSession, requiredSettings } from './postgres-settings.ts';
import { cleanConnection, type MayLeave, PooledTraces } from './postgres-traces.ts';
import { insertingStatement } from './session-facts/session-facts.ts';
import { isRecoveryRefusal, PostgresTransaction } from './postgres-transaction.ts';
import {
  beginText,
  checkPooledStatement,
  pooledStatementError,
  readConnectionFacts,
  standbyError,
  type ConnectionFacts,
  connectionFactsQuery,
} from './postgres-connection-facts.ts';
import {
  checkPostgresExecute,
  checkPostgresQuery,
  givesRowsAndActs,
} from './postgres-statements.ts';
import {
  type CallerStatementStep,
  emptyStepResult,
  type InsertStep,
  type Program,
  type StatementStep,
  type Step,
  type StepResult,
  type TransactionStep,
} from './program.ts';
import { ProgramLine, settledWithin } from './program-line.ts';
import { searchPathOf } from './search-path.ts';
import type { AsyncSession, TransactionState } from './session.ts';
import { WatchedSettings } from './watched-settings.ts';

/** What a statement needs of the transaction that it gets where it has none. */
type Access = 'read' | 'write' | 'any';

/** How long a connection may take to say goodbye before its socket is cut. */
const closeTimeoutMs = 1000;

/** Commands whose number of rows is that of rows affected. */
const affectingCommands: ReadonlySet<string> = new Set([
  'INSERT',
  'UPDATE',
  'DELETE',
  'MERGE',
  'COPY',
]);
/** What a session is made of. */
export interface PostgresSessionParts {
  /** Of the driver, not connected yet. */
  readonly client: pg.Client;
  /** Undefined for work on the datasets themselves. */
  readonly dataset: string | undefined;
  readonly statementCacheSize: number;
  readonly connectTimeoutMs: number;
  readonly mayLeave: MayLeave | undefined;
}

/** One connection to a PostgreSQL server. */
export class PostgresSession implements AsyncSession {
  readonly engine = 'postgresql';
  readonly #client: pg.Client;
  readonly #driver: DriverClient;
  readonly #sender: PostgresSender;
  readonly #settings = new WatchedSettings();
  readonly #connectTimeoutMs: number;
  readonly #line = new ProgramLine('postgresql');
  #dataset: string | undefined;
  readonly #transaction: PostgresTransaction;
  readonly #traces: PooledTraces;
  /** Set in each transaction, where nothing may stay on the connection. */
  #local: PostgresSettings | undefined;
  #leavesTraces = false;
  #closing: Promise<void> | undefined;
  #cancelling: Promise<void> | undefined;
  /** Ends a request to cancel that is under way too. */
  readonly #cut = new AbortController();

  /** Use `connectPostgres`. */
  constructor(parts: PostgresSessionParts) {
    const { client, dataset, statementCacheSize, connectTimeoutMs, mayLeave } = parts;
    this.#client = client;
    this.#driver = client as unknown as DriverClient;
    this.#dataset = dataset;
    this.#connectTimeoutMs = connectTimeoutMs;
    this.#sender = new PostgresSender(client, statementCacheSize, () => this.#isChanged);
    this.#traces = new PooledTraces(mayLeave);
    this.#transaction = new PostgresTransaction(this.#sender, () => this.#local, this.#traces);
    this.#driver.connection.on('parameterStatus', ({ parameterName, parameterValue }) => {
      this.#settings.note(parameterName, parameterValue);
      this.#traces.note(parameterName, parameterValue);
    });
  }

  /** The server's process behind the connection, as it was told; null before it is connected. */
  get processId(): number | null {
    return this.#driver.processID;
  }

  /** False once it was closed or lost; it never becomes true again. */
  get connected(): boolean {
    return !this.#sender.lost && !this.#line.closed;
  }

  get usable(): boolean {
    if (!this.connected) return false;
    return this.transactionState !== 'none' || !this.#isChanged;
  }

  /** A pooler gives each transaction another connection to the server: nothing of one is there for the next. */
  get isPooledByTransaction(): boolean {
    return this.#local !== undefined;
  }

  get transactionState(): TransactionState {
    return this.#transaction.state;
  }

  run<T>(program: Program<T>): Promise<T> {
    return this.#line.run(() => this.#drive(program, alone));
  }

  /**
   * Runs a program that only reads. The connection must do nothing else than that meanwhile, and in no transaction.
   *
   * @param pipelined whether others like it run meanwhile: each statement is sent at once, and those of one turn together. One that
   * comes after a statement that changed a setting is refused, for it may have seen that.
   * @param onTook told how long the server took for each statement, as far as can be seen from here.
   */
  read<T>(
    program: Program<T>,
    pipelined: boolean,
    onTook: (durationMs: number) => void,
  ): Promise<T> {
    const send: Send = { pipelined, onTook };
    return pipelined
      ? this.#line.runAtOnce(() => this.#drive(program, send))
      : this.#line.run(() => this.#drive(program, send));
  }

  /** Asks the server in one trip for what the connection stands on. */
  async connectionFacts(settings: PostgresSettings): Promise<ConnectionFacts> {
    const { text, values } = connectionFactsQuery(settings, this.#dataset);
    const { rows } = await this.#sender.send({
      sql: text,
      params: values,
      cells: false,
      mayName: false,
    });
    return readConnectionFacts(rows[0] ?? {}, settings, this.#dataset);
  }

  /** Sets what the connection was not opened with, for as long as it is open. */
  async setForSession(settings: PostgresSettings): Promise<void> {
    await this.#sender.simple(setForSession(settings));
    this.#leavesTraces = true;
    this.#settings.acceptAll();
  }

  /** From now on each transaction has its own settings, single statements have one, and no statement stays prepared. */
  setInTransactions(settings: PostgresSettings): void {
    this.#local = settings;
  }

  /**
   * Makes it a connection to another dataset, as one that was just opened: nothing that was set, prepared or temporary stays.
   *
   * @param dataset undefined for work on the datasets themselves.
   * @throws {DatasetNotFoundError} where the dataset has no schema.
   */
  moveTo(dataset: string | undefined): Promise<void> {
    return this.#line.run(async () => {
      try {
        this.#dataset = dataset;
        if (this.#local !== undefined) {
          this.#local = { ...this.#local, search_path: searchPathOf(dataset) };
        } else {
          await this.#sender.simple('DISCARD ALL');
          this.#sender.forgetStatements();
          await this.#setAgain();
        }
        if ((await this.connectionFacts({})).hasSchema) return;
      } catch (error) {
        this.#sender.lose();
        throw error;
      }
      throw new DatasetNotFoundError(dataset ?? '', { engine: 'postgresql' });
    });
  }

  /**
   * Takes away what statements may have left, see {@link cleanConnection}. Prepared statements stay. A custom setting reads as '' afterwards, and the seed of `random` stays. Rejects where the connection
   * is of no use any more.
   */
  clean(): Promise<void> {
    return this.#line.run(async () => {
      // What was left is on a connection of the pooler's, which nobody can name.
      if (this.#local !== undefined) return;
      try {
        await this.#sender.simple(cleanConnection);
        await this.#setAgain();
      } catch (error) {
        this.#sender.lose();
        throw error;
      }
    });
  }

  /** Lets the process end although the connection is open. */
  unref(): void {
    this.#driver.connection.stream.unref();
  }

  async cancel(): Promise<void> {
    if (!this.#sender.busy || this.#sender.lost) return;
    this.#cancelling ??= requestCancel(
      this.#driver,
      this.#connectTimeoutMs,
      this.#cut.signal,
    ).finally(() => {
      this.#cancelling = undefined;
    });
    await this.#cancelling;
  }

  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  /** Closes the connection at once and says nothing to the server: nothing of it is there when this returns, even where
   * `close` waits for an answer. */
  cut(): void {
    this.#sender.lose();
    this.#cut.abort();
    this.#driver.connection.stream.destroy();
    void this.close();
  }

  async #end(): Promise<void> {
    const ended = this.#line.close();
    // A statement in flight would keep the server's answer to a goodbye waiting.
    if (this.#sender.busy || this.#sender.lost) this.#driver.connection.stream.destroy();
    else if (!(await settledWithin(this.#sayGoodbye(), closeTimeoutMs)))
      this.#driver.connection.stream.destroy();
    await settledWithin(ended, closeTimeoutMs);
    this.#sender.lose();
  }

  async #sayGoodbye(): Promise<void> {
    // Not every pooler cleans a connection before another program gets it.
    if (this.#leavesTraces && this.transactionState === 'none')
      await this.#sender.simple('DISCARD ALL').catch(() => undefined);
    await this.#client.end();
  }

  get #isChanged(): boolean {
    return this.#local === undefined && this.#settings.changed;
  }

  get #schema(): string {
    return searchPathOf(this.#dataset);
  }

  /** What a connection that was cleaned has to be set again. */
  async #setAgain(): Promise<void> {
    this.#settings.readOnlyDefault = false;
    // RESET goes back to what a connection was opened with, which a pooler has dropped.
    if (this.#leavesTraces) await this.setForSession(requiredSettings(this.#dataset));
    await this.#sender.simple(`SET search_path TO ${this.#schema}`);
    // Told with other quotes than at connecting.
    this.#settings.accept('search_path');
  }

  /** Runs a program. Statements of our own are sent from here: a function in between for each took a tenth of a point read. */
  async #drive<T>(program: Program<T>, send: Send): Promise<T> {
    try {
      let next = program.next();
      while (next.done !== true) {
        const step = next.value;
        let result: StepResult;
        try {
          if (this.#cancelling !== undefined) await this.#cancelling;
          result = isStatement(step)
            ? this.#stepResult(
                await this.#send(
                  step.sql,
                  step.params,
                  step.form === 'cells',
                  step.kind === 'run' ? 'write' : 'any',
                  send,
                ),
              )
            : await this.#performStep(step, send);
        } catch (error) {
          next = program.throw(error);
          continue;
        }
        next = program.next(result);
      }
      return next.value;
    } catch (error) {
      throw toStorageError('postgresql', error);
    }
  }

  async #performStep(step: Exclude<Step, StatementStep>, send: Send): Promise<StepResult> {
    switch (step.kind) {
      case 'query':
        return this.#query(step, send);
      case 'execute':
        return this.#execute(step);
      case 'insert':
        return this.#insert(step);
      default:
        await this.#control(step);
        return emptyStepResult;
    }
  }

  #stepResult({ columns, rows, cells, command, rowCount }: PostgresResult): StepResult {
    return {
      columns,
      rows,
      cells,
      rowsAffected: affectingCommands.has(command ?? '') ? rowCount : 0,
    };
  }

  async #query(step: CallerStatementStep, send: Send): Promise<StepResult> {
    const { sql, params, inSession } = step;
    const cells = step.form === 'cells';
    const { isSnapshot } = this.#transaction;
    const inTransaction = this.transactionState !== 'none' && !isSnapshot;
    if (this.#local !== undefined) checkPooledStatement(sql, inTransaction);
    if ((inTransaction || inSession === true) && givesRowsAndActs(sql)) {
      if (!inTransaction) await this.#setReadOnlyDefault(false);
      return this.#stepResult(await this.#one(sql, params, cells, 'write'));
    }
    checkPostgresQuery(sql);
    if (!inTransaction) {
      if (!isSnapshot) await this.#setReadOnlyDefault(true);
      return this.#stepResult(await this.#one(sql, params, cells, 'read', send));
    }
    // The server refuses writes inside this savepoint, and whatever fails in it doesn't fail the transaction.
    await this.#sender.simple('SAVEPOINT _changeover_read; SET LOCAL transaction_read_only = on');
    try {
      const result = this.#stepResult(await this.#one(sql, params, cells, 'read'));
      await this.#sender.simple('RELEASE SAVEPOINT _changeover_read');
      return result;
    } catch (error) {
      await this.#sender
        .simple('ROLLBACK TO SAVEPOINT _changeover_read; RELEASE SAVEPOINT _changeover_read')
        .catch(() => undefined);
      throw error;
    }
  }

  async #execute({ sql, params, inSession }: CallerStatementStep): Promise<StepResult> {
    checkPostgresExecute(sql, inSession);
    const inTransaction = this.transactionState !== 'none';
    if (this.#local !== undefined) checkPooledStatement(sql, inTransaction);
    if (!inTransaction) await this.#setReadOnlyDefault(false);
    const { rowsAffected } = this.#stepResult(await this.#one(sql, params, false, 'write'));
    return { ...emptyStepResult, rowsAffected };
  }

  /** Exactly one statement of the caller's. */
  async #one(
    sql: string,
    params: readonly InputValue[] | undefined,
    cells: boolean,
    access: Access,
    send = alone,
  ): Promise<PostgresResult> {
    let result: PostgresResult;
    try {
      result = await this.#send(sql, params, cells, access, send);
    } catch (error) {
      if (
        /cannot insert multiple commands into a prepared statement/.test((error as Error).message)
      ) {
        throw new InvalidArgumentError('Expected exactly one SQL statement, found several.', {
          engine: 'postgresql',
          cause: error,
        });
      }
      throw await this.#writeError(error, access);
    }
    if (result.command === null) {
      throw new InvalidArgumentError('Expected exactly one SQL statement, found none.', {
        engine: 'postgresql',
      });
    }
    return result;
  }

  async #setReadOnlyDefault(readOnly: boolean): Promise<void> {
    // A setting would stay on a connection of the pooler's.
    if (this.#local !== undefined || this.#settings.readOnlyDefault === readOnly) return;
    await this.#sender.simple(`SET default_transaction_read_only = ${readOnly ? 'on' : 'off'}`);
    // Servers before 14 don't report it.
    this.#settings.readOnlyDefault = readOnly;
  }

  async #control(step: TransactionStep): Promise<void> {
    try {
      await this.#transaction.control(step);
    } catch (error) {
      throw isRecoveryRefusal(error) ? this.#standbyMet() : error;
    }
  }

  async #insert(step: InsertStep): Promise<StepResult> {
    const { columns } = step;
    const cells = inputCells(
      step.rows,
      columns.map(({ key }) => key),
    );
    if (cells.count === 0) return emptyStepResult;
    const schema = step.temporary === true ? 'pg_temp' : this.#schema;
    const table = `${schema}.${quoteIdentifier(step.table)}`;
    const names = columns.map(({ name }) => quoteIdentifier(name)).join(', ');
    const types = columns.map(({ type }) => type);
    if (this.#local !== undefined) this.#traces.runs(this.#dataset, insertingStatement(table));
    const rowsAffected = await this.#sender.copy(
      `COPY ${table} (${names}) FROM STDIN`,
      copyChunks(cells, types),
    );
    return { ...emptyStepResult, rowsAffected };
  }

  #send(
    sql: string,
    params: readonly InputValue[] | undefined,
    cells: boolean,
    access: Access,
    send = alone,
  ): Promise<PostgresResult> {
    if (this.#local !== undefined)
      return this.#sendPooled(this.#local, sql, params, cells, access, send);
    // Inside a transaction a prepared plan that went stale would fail the whole of it.
    const mayName = this.transactionState === 'none' || this.#transaction.isSnapshot;
    return this.#sender.send({ sql, params, cells, mayName }, send);
  }

  async #sendPooled(
    local: PostgresSettings,
    sql: string,
    params: readonly InputValue[] | undefined,
    cells: boolean,
    access: Access,
    send: Send,
  ): Promise<PostgresResult> {
    // A name is another program's statement on another connection.
    const statement = { sql, params, cells, mayName: false };
    if (this.#transaction.isOpen) {
      this.#traces.runs(this.#dataset, sql);
      return await this.#sender.send(statement, send);
    }
    const ending = this.#traces.endingAfter(this.#dataset, sql);
    try {
      const around = { begin: beginText(local, access), ending };
      return await this.#sender.sendInTransaction(around, statement, send);
    } catch (error) {
      throw isRecoveryRefusal(error) ? this.#standbyMet() : pooledStatementError(error);
    }
  }

  /** A write that was refused as such: by a statement of the caller's that only reads, or by a server that does. */
  async #writeError(error: unknown, access: Access): Promise<unknown> {
    const { code } = error as { code?: unknown };
    if (access !== 'write' || code !== '25006' || this.transactionState !== 'none') return error;
    const { isStandby } = await this.connectionFacts({});
    return isStandby ? this.#standbyMet() : error;
  }

  /** Nothing is to be had here; another connection may be one to a server that was made the primary. */
  #standbyMet(): Error {
    this.#sender.lose();
    return standbyError(undefined, this.#dataset);
  }
}

function isStatement(step: Step): step is StatementStep {
  return step.kind === 'all' || step.kind === 'run';
}
