import {
  ConnectionError,
  DatasetNotFoundError,
  datasetSchema,
  InvalidArgumentError,
  type InputValue,
  StatementError,
} from '@changeover/engines/api';
import { type Value } from '@changeover/core';
import {
  bareUrl,
  beginText,
  checkDeferred,
  checkPooledStatement,
  checkPostgresExecute,
  checkPostgresQuery,
  classifyError,
  decideKeptBy,
  emptyStepResult,
  givesRowsAndActs,
  inputCells,
  type InsertStep,
  isRecoveryRefusal,
  noteRefusal,
  PooledTraces,
  pooledStatementError,
  type PostgresSettings,
  type Program,
  quoteIdentifier,
  readConnectionFacts,
  refusesStartup,
  requestCancel,
  runProgramAsync,
  setForSession,
  shownUrl,
  standbyError,
  connectionFactsQuery,
  requiredSettings,
  type Step,
  type StepResult,
  toStorageError,
  type TransactionStep,
} from '@changeover/engines';
import type pg from 'pg';
import type { Connection } from './connection.ts';
import {
  connectionOf,
  connectTimeoutMs,
  createClient,
  endClient,
  idleInTransactionTimeoutMs,
  targetOf,
} from './postgres-client.ts';
import { boundValue, insertedValue, postgresTypeParser } from './postgres-values.ts';
import { objectOf, uniqueNames } from './rows.ts';

/** The protocol counts a statement's values in 16 bits. */
const maxValues = 65_535;

const neverAborted = new AbortController().signal;
/**
 * Settings on which a connection is not used again once a caller changed one: the driver reads all text as UTF-8. Others stay as the caller
 * has set them, as on any singleton: values are the server's text, and the API's own statements name their schema.
 */
const watchedSettings: ReadonlySet<string> = new Set(['client_encoding']);
/** Commands whose number of rows is that of rows changed. */
const changingCommands: ReadonlySet<string> = new Set([
  'INSERT',
  'UPDATE',
  'DELETE',
  'MERGE',
  'COPY',
]);

/** What a connection is opened to. */
export interface OpenOptions {
  readonly url: string;
  /** Undefined for work on the datasets themselves. */
  readonly dataset: string | undefined;
  /** See `LegacyLegOptions`. */
  readonly mayLeave: ((sql: string) => boolean | undefined) | undefined;
}

/** One client of pg, as it is: each statement is sent and waited for by itself. */
export class PostgresConnection implements Connection {
  readonly #client: pg.Client;
  readonly #url: string;
  readonly #dataset: string | undefined;
  #lost = false;
  #inTransaction = false;
  #isReadOnly: boolean | undefined;
  readonly #firstSettings = new Map<string, string>();
  readonly #changedSettings = new Map<string, string>();
  /** Set in each transaction, where a pooler keeps nothing on a connection. */
  #local: PostgresSettings | undefined;
  readonly #traces: PooledTraces;
  /** Was set by statements and not at connecting. */
  #leavesTraces = false;
  /** A request to give up that is under way: it must not meet the next statement. */
  #cancelling: Promise<void> | undefined;
  #isRunning = false;

  private constructor({ url, dataset, mayLeave }: OpenOptions, isBare: boolean) {
    this.#url = url;
    this.#dataset = dataset;
    this.#traces = new PooledTraces((_dataset, sql) => mayLeave?.(sql));
    this.#client = createClient(url, dataset, isBare);
    // Without a listener, the loss of an idle connection ends the process.
    this.#client.on('error', () => {
      this.#lost = true;
    });
    this.#client.on('end', () => {
      this.#lost = true;
    });
    connectionOf(this.#client).on('parameterStatus', ({ parameterName, parameterValue }) => {
      this.#noteSetting(parameterName, parameterValue);
      this.#traces.note(parameterName, parameterValue);
    });
  }

  /**
   * Connects. Where a pooler is in between that keeps no settings, each transaction sets them.
   *
   * Rejects with a {@link ConnectionError} where the server can't be reached in time or doesn't keep a setting in any way, and with a
   * {@link DatasetNotFoundError} where the dataset doesn't exist.
   */
  static async open(options: OpenOptions): Promise<PostgresConnection> {
    const isBare = refusesStartup(options.url);
    try {
      return await PostgresConnection.#open(options, isBare);
    } catch (error) {
      const cause: unknown = error instanceof ConnectionError ? error.cause : undefined;
      if (isBare || !noteRefusal(options.url, cause)) throw error;
      return await PostgresConnection.#open(options, true);
    }
  }

  static async #open(options: OpenOptions, isBare: boolean): Promise<PostgresConnection> {
    const { url, dataset } = options;
    let connection: PostgresConnection | undefined;
    try {
      connection = new PostgresConnection(options, isBare);
      await connection.#client.connect();
      await connection.#stand();
      return connection;
    } catch (error) {
      await connection?.close();
      if (error instanceof DatasetNotFoundError) throw error;
      if (error instanceof ConnectionError && error.cause === undefined) throw error;
      const reason = toStorageError('postgresql', error).message.replace(/\.?$/, '.');
      throw new ConnectionError(
        `PostgreSQL at ${shownUrl(url)} could not be reached. ${reason} Check DATABASE_URL and that the ` +
          'server runs and takes connections.',
        { engine: 'postgresql', dataset, cause: error, retryable: true },
      );
    }
  }

  get usable(): boolean {
    return (
      !this.#lost &&
      (this.#inTransaction || this.#local !== undefined || this.#changedSettings.size === 0)
    );
  }

  async run<T>(program: Program<T>): Promise<T> {
    try {
      return await runProgramAsync(program, (step) => this.#noting(step));
    } catch (error) {
      throw toStorageError('postgresql', error);
    }
  }

  async cancel(): Promise<void> {
    if (!this.#isRunning || this.#lost) return;
    this.#cancelling ??= this.#requestCancel().finally(() => {
      this.#cancelling = undefined;
    });
    await this.#cancelling;
  }

  async close(): Promise<void> {
    // Not every pooler cleans a connection before another program gets it.
    if (this.#leavesTraces && !this.#lost && !this.#inTransaction)
      await this.#client.query('DISCARD ALL').catch(() => undefined);
    this.#lost = true;
    await endClient(this.#client);
  }

  /** Sees to it that the connection has what every statement relies on. */
  async #stand(): Promise<void> {
    const dataset = this.#dataset;
    const settings = requiredSettings(dataset);
    const { text, values } = connectionFactsQuery(settings, dataset);
    const { rows } = await this.#client.query<Record<string, unknown>>(text, [...values]);
    const found = readConnectionFacts(rows[0] ?? {}, settings, dataset);
    const kept = await decideKeptBy({
      url: this.#url,
      dataset,
      settings,
      found,
      toldProcessId: targetOf(this.#client).processID,
      timeoutMs: connectTimeoutMs,
    });
    const all = {
      ...bareUrl(this.#url).settings,
      idle_in_transaction_session_timeout: String(idleInTransactionTimeoutMs),
      ...settings,
    };
    if (kept === 'each transaction') this.#local = all;
    if (kept === 'set') {
      await this.#client.query(setForSession(all));
      this.#leavesTraces = true;
      // What was told before was the server's own: what holds is what was set.
      for (const [name, value] of this.#changedSettings) this.#firstSettings.set(name, value);
      this.#changedSettings.clear();
    }
    if (!found.hasSchema) throw new DatasetNotFoundError(dataset ?? '', { engine: 'postgresql' });
  }

  /** Asks the server to give up what this connection runs, on a connection of its own. A pooler knows by the same number which process
   * that is now. */
  #requestCancel(): Promise<void> {
    return requestCancel(targetOf(this.#client), connectTimeoutMs, neverAborted);
  }

  #noteSetting(name: string, value: string): void {
    if (name === 'default_transaction_read_only') this.#isReadOnly = value === 'on';
    if (!watchedSettings.has(name)) return;
    const first = this.#firstSettings.get(name);
    if (first === undefined) this.#firstSettings.set(name, value);
    else if (first === value) this.#changedSettings.delete(name);
    else this.#changedSettings.set(name, value);
  }

  async #noting(step: Step): Promise<StepResult> {
    if (this.#cancelling !== undefined) await this.#cancelling;
    this.#isRunning = true;
    try {
      return await this.#perform(step);
    } catch (error) {
      if (classifyError('postgresql', error) === 'connection') this.#lost = true;
      if (!(await this.#isStandbyRefusal(step, error))) throw error;
      // The next call connects anew, to whatever is the primary then.
      this.#lost = true;
      throw standbyError(this.#url, this.#dataset);
    } finally {
      this.#isRunning = false;
    }
  }

  /** Whether a write was refused because the server follows another. */
  async #isStandbyRefusal(step: Step, error: unknown): Promise<boolean> {
    if (isRecoveryRefusal(error)) return true;
    const { code } = error as { code?: unknown };
    if (code !== '25006' || this.#inTransaction || !['run', 'execute'].includes(step.kind))
      return false;
    const { rows } = await this.#client.query<{ standby: boolean }>(
      'SELECT pg_catalog.pg_is_in_recovery() AS standby',
    );
    return rows[0]?.standby === true;
  }

  async #perform(step: Step): Promise<StepResult> {
    switch (step.kind) {
      case 'all':
      case 'run':
        return resultOf(
          await this.#owned(step.kind === 'run' ? 'write' : 'any', step.sql, step.params),
        );
      case 'query':
        if (this.#local !== undefined) checkPooledStatement(step.sql, this.#inTransaction);
        if ((this.#inTransaction || step.inSession === true) && givesRowsAndActs(step.sql))
          return this.#one(step.sql, step.params, false);
        checkPostgresQuery(step.sql);
        return this.#inTransaction
          ? this.#queryInTransaction(step.sql, step.params)
          : this.#one(step.sql, step.params, true);
      case 'execute': {
        checkPostgresExecute(step.sql, step.inSession);
        if (this.#local !== undefined) checkPooledStatement(step.sql, this.#inTransaction);
        const { rowsAffected } = await this.#one(step.sql, step.params, false);
        return { ...emptyStepResult, rowsAffected };
      }
      case 'insert':
        return this.#insert(step);
      default:
        await this.#control(step);
        return emptyStepResult;
    }
  }

  /** One statement of a caller's. Outside of a transaction the server itself refuses what a reading one would write. */
  async #one(
    sql: string,
    params: readonly InputValue[] | undefined,
    readOnly: boolean,
  ): Promise<StepResult> {
    if (!this.#inTransaction) await this.#setReadOnly(readOnly);
    const result = await this.#owned(readOnly ? 'read' : 'write', sql, params);
    // The driver's types say otherwise, but there is none where there was nothing to run.
    if ((result.command as string | null) !== null) return resultOf(result);
    throw new InvalidArgumentError('Expected exactly one SQL statement, found none.', {
      engine: 'postgresql',
    });
  }

  /** The server refuses writes inside the savepoint, and whatever fails in it doesn't fail the transaction. */
  async #queryInTransaction(
    sql: string,
    params: readonly InputValue[] | undefined,
  ): Promise<StepResult> {
    await this.#client.query('SAVEPOINT _changeover_read; SET LOCAL transaction_read_only = on');
    try {
      const result = await this.#one(sql, params, true);
      await this.#client.query('RELEASE SAVEPOINT _changeover_read');
      return result;
    } catch (error) {
      await this.#client
        .query('ROLLBACK TO SAVEPOINT _changeover_read; RELEASE SAVEPOINT _changeover_read')
        .catch(() => undefined);
      throw error;
    }
  }

  /** One statement: where a pooler keeps no settings it has a transaction of its own, outside of one. */
  async #owned(
    access: 'read' | 'write' | 'any',
    sql: string,
    params: readonly InputValue[] | undefined,
  ): Promise<pg.QueryArrayResult<Value[]>> {
    if (this.#local === undefined) return await this.#send(sql, params);
    if (!this.#inTransaction) this.#traces.begin();
    this.#traces.runs(this.#dataset, sql);
    if (this.#inTransaction) return await this.#send(sql, params);
    let result: pg.QueryArrayResult<Value[]>;
    try {
      await this.#client.query(beginText(this.#local, access));
      result = await this.#send(sql, params);
      if (this.#traces.mayHaveLeft) await this.#client.query(checkDeferred);
    } catch (error) {
      await this.#end('ROLLBACK').catch(() => undefined);
      throw pooledStatementError(error);
    }
    await this.#end('COMMIT');
    return result;
  }

  /** @returns what the server did. */
  async #end(end: 'COMMIT' | 'ROLLBACK'): Promise<string> {
    // A list where the text holds several statements, which the driver's types don't say.
    const [result] = [await this.#client.query(this.#traces.ending(end))].flat();
    return result?.command ?? '';
  }

  async #setReadOnly(readOnly: boolean): Promise<void> {
    // A setting would stay on a connection of the pooler's.
    if (this.#local !== undefined || this.#isReadOnly === readOnly) return;
    await this.#client.query(`SET default_transaction_read_only = ${readOnly ? 'on' : 'off'}`);
    this.#isReadOnly = readOnly;
  }

  async #send(
    sql: string,
    params: readonly InputValue[] = [],
  ): Promise<pg.QueryArrayResult<Value[]>> {
    if (params.length > maxValues) {
      throw new InvalidArgumentError(
        `A statement takes at most ${maxValues} values; found ${params.length}.`,
        { engine: 'postgresql' },
      );
    }
    const statement: pg.QueryArrayConfig<unknown[]> & { queryMode: 'extended' } = {
      text: sql,
      values: params.map(boundValue),
      // As objects, one of two columns of one name would be lost.
      rowMode: 'array',
      // Or a text without parameters could be several statements.
      queryMode: 'extended',
      types: { getTypeParser: postgresTypeParser as pg.CustomTypesConfig['getTypeParser'] },
    };
    try {
      return await this.#client.query<Value[]>(statement);
    } catch (error) {
      if (!/cannot insert multiple commands/.test((error as Error).message)) throw error;
      throw new InvalidArgumentError('Expected exactly one SQL statement, found several.', {
        engine: 'postgresql',
        cause: error,
      });
    }
  }

  /** As many rows a statement as it takes values. */
  async #insert({ table, temporary, columns, rows }: InsertStep): Promise<StepResult> {
    const cells = inputCells(
      rows,
      columns.map(({ key }) => key),
    );
    const name = `${temporary === true ? 'pg_temp' : this.#schema()}.${quoteIdentifier(table)}`;
    const names = columns.map((column) => quoteIdentifier(column.name)).join(', ');
    if (this.#local !== undefined)
      this.#traces.runs(this.#dataset, `INSERT INTO ${name} DEFAULT VALUES`);
    const most = Math.max(1, Math.floor(maxValues / columns.length));
    for (let first = 0; first < cells.count; first += most) {
      const values: unknown[] = [];
      const tuples: string[] = [];
      for (let row = first; row < Math.min(first + most, cells.count); row += 1) {
        const marks = columns.map(({ type }, at) => {
          values.push(insertedValue(cells.value(row, at), type));
          return `$${values.length}`;
        });
        tuples.push(`(${marks.join(', ')})`);
      }
      await this.#client.query(
        `INSERT INTO ${name} (${names}) OVERRIDING SYSTEM VALUE VALUES ${tuples.join(', ')}`,
        values,
      );
    }
    return { ...emptyStepResult, rowsAffected: cells.count };
  }

  #schema(): string {
    return this.#dataset === undefined
      ? 'pg_catalog'
      : quoteIdentifier(datasetSchema(this.#dataset));
  }

  async #begin(readOnly: boolean): Promise<void> {
    this.#traces.begin();
    if (this.#local === undefined) {
      await this.#client.query(readOnly ? 'BEGIN READ ONLY' : 'BEGIN READ WRITE');
    } else {
      try {
        await this.#client.query(beginText(this.#local, readOnly ? 'read' : 'write'));
      } catch (error) {
        await this.#client.query('ROLLBACK').catch(() => undefined);
        throw error;
      }
    }
    this.#inTransaction = true;
  }

  async #control({ kind, readOnly }: TransactionStep): Promise<void> {
    switch (kind) {
      case 'begin':
        await this.#begin(readOnly === true);
        break;
      case 'commit': {
        if (this.#traces.mayHaveLeft) await this.#client.query(checkDeferred).catch(unlessFailed);
        this.#inTransaction = false;
        if ((await this.#end('COMMIT')) !== 'ROLLBACK') break;
        throw new StatementError(
          'A statement of the transaction had failed, so PostgreSQL rolled all of it back.',
          { engine: 'postgresql' },
        );
      }
      case 'rollback':
        if (!this.#inTransaction) break;
        this.#inTransaction = false;
        await this.#end('ROLLBACK');
        break;
      case 'savepoint':
        await this.#client.query('SAVEPOINT _changeover');
        break;
      case 'release':
        await this.#client.query('RELEASE SAVEPOINT _changeover');
        break;
      case 'rollbackToSavepoint':
        await this.#client.query(
          'ROLLBACK TO SAVEPOINT _changeover; RELEASE SAVEPOINT _changeover',
        );
    }
  }
}

/** In a transaction that has failed nothing can be checked, and COMMIT says what became of it. */
function unlessFailed(error: unknown): void {
  if ((error as { code?: unknown }).code !== '25P02') throw error;
}

function resultOf({ fields, rows, command, rowCount }: pg.QueryArrayResult<Value[]>): StepResult {
  const columns = uniqueNames(fields.map(({ name }) => name));
  return {
    ...emptyStepResult,
    columns,
    rows: rows.map((values) => objectOf(columns, values)),
    rowsAffected: changingCommands.has(command) ? (rowCount ?? 0) : 0,
  };
}
