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
  checkPostgresExecute,
  checkPostgresQuery,
  givesRowsAndActs,
  classifyError,
  emptyStepResult,
  inputCells,
  type InsertStep,
  postgresDriver,
  type Program,
  quoteIdentifier,
  runProgramAsync,
  type Step,
  type StepResult,
  toStorageError,
  type TransactionStep,
} from '@changeover/engines';
import type pg from 'pg';
import type { Connection } from './connection.ts';
import { boundValue, insertedValue, postgresTypeParser } from './postgres-values.ts';
import { objectOf, uniqueNames } from './rows.ts';

const connectTimeoutMs = 5000;
const closeTimeoutMs = 1000;
/** The protocol counts a statement's values in 16 bits. */
const maxValues = 65_535;

/** What decides how names are looked up and values written. */
const settings: Readonly<Record<string, string>> = {
  TimeZone: 'UTC',
  DateStyle: 'ISO',
  IntervalStyle: 'postgres',
  bytea_output: 'hex',
  // Or a scan would begin where another's is, and LIMIT would not give the first rows.
  synchronize_seqscans: 'off',
  extra_float_digits: '1',
  client_min_messages: 'warning',
};
/** Those of them that the server tells changes of. A connection on which a caller changed one is not used again. */
const watchedSettings: ReadonlySet<string> = new Set([
  'TimeZone',
  'DateStyle',
  'IntervalStyle',
  'search_path',
  'client_encoding',
]);
/** Commands whose number of rows is that of rows changed. */
const changingCommands: ReadonlySet<string> = new Set([
  'INSERT',
  'UPDATE',
  'DELETE',
  'MERGE',
  'COPY',
]);

/** One client of pg, as it is: each statement is sent and waited for by itself. */
export class PostgresConnection implements Connection {
  readonly #client: pg.Client;
  readonly #config: pg.ClientConfig;
  readonly #schema: string;
  #lost = false;
  #inTransaction = false;
  #isReadOnly: boolean | undefined;
  readonly #firstSettings = new Map<string, string>();
  readonly #changedSettings = new Set<string>();
  /** A request to give up that is under way: it must not meet the next statement. */
  #cancelling: Promise<void> | undefined;
  #isRunning = false;

  private constructor(url: string, dataset: string | undefined) {
    this.#schema = dataset === undefined ? 'pg_catalog' : quoteIdentifier(datasetSchema(dataset));
    this.#config = {
      connectionString: url,
      connectionTimeoutMillis: connectTimeoutMs,
      keepAlive: true,
      application_name: 'changeover',
      idle_in_transaction_session_timeout: 60_000,
      options: Object.entries({ ...settings, search_path: this.#schema })
        .map(([name, value]) => `-c ${name}=${value}`)
        .join(' '),
    };
    this.#client = new (postgresDriver().Client)(this.#config);
    // Without a listener, the loss of an idle connection ends the process.
    this.#client.on('error', () => {
      this.#lost = true;
    });
    this.#client.on('end', () => {
      this.#lost = true;
    });
    connectionOf(this.#client).on('parameterStatus', ({ parameterName, parameterValue }) => {
      this.#noteSetting(parameterName, parameterValue);
    });
  }

  /**
   * Connects.
   *
   * @param dataset undefined for work on the datasets themselves.
   *
   * Rejects with a {@link ConnectionError} where the server can't be reached in time, and with a {@link DatasetNotFoundError}
   * where the dataset doesn't exist.
   */
  static async open(url: string, dataset?: string): Promise<PostgresConnection> {
    let connection: PostgresConnection | undefined;
    try {
      connection = new PostgresConnection(url, dataset);
      await connection.#client.connect();
      if (dataset !== undefined) await connection.#requireSchema(dataset);
      return connection;
    } catch (error) {
      await connection?.close();
      if (error instanceof DatasetNotFoundError) throw error;
      const reason = toStorageError('postgresql', error).message.replace(/\.?$/, '.');
      throw new ConnectionError(
        `PostgreSQL at ${shownUrl(url)} could not be reached. ${reason} Check DATABASE_URL and that the ` +
          'server runs and takes connections.',
        { engine: 'postgresql', dataset, cause: error, retryable: true },
      );
    }
  }

  get usable(): boolean {
    return !this.#lost && (this.#inTransaction || this.#changedSettings.size === 0);
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
    this.#lost = true;
    await end(this.#client);
  }

  async #requireSchema(dataset: string): Promise<void> {
    const { rowCount } = await this.#client.query(
      'SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1',
      [datasetSchema(dataset)],
    );
    if (rowCount === 0) throw new DatasetNotFoundError(dataset, { engine: 'postgresql' });
  }

  /** Asks the server to give up what this connection runs, on a connection of its own. */
  async #requestCancel(): Promise<void> {
    const other = new (postgresDriver().Client)({
      ...this.#config,
      query_timeout: connectTimeoutMs,
    });
    other.on('error', () => undefined);
    try {
      await other.connect();
      await other.query('SELECT pg_catalog.pg_cancel_backend($1)', [processIdOf(this.#client)]);
    } catch {
      // Then the statement runs to its end.
    }
    await end(other);
  }

  #noteSetting(name: string, value: string): void {
    if (name === 'default_transaction_read_only') this.#isReadOnly = value === 'on';
    if (!watchedSettings.has(name)) return;
    const first = this.#firstSettings.get(name);
    if (first === undefined) this.#firstSettings.set(name, value);
    else if (first === value) this.#changedSettings.delete(name);
    else this.#changedSettings.add(name);
  }

  async #noting(step: Step): Promise<StepResult> {
    if (this.#cancelling !== undefined) await this.#cancelling;
    this.#isRunning = true;
    try {
      return await this.#perform(step);
    } catch (error) {
      if (classifyError('postgresql', error) === 'connection') this.#lost = true;
      throw error;
    } finally {
      this.#isRunning = false;
    }
  }

  async #perform(step: Step): Promise<StepResult> {
    switch (step.kind) {
      case 'all':
      case 'run':
        return resultOf(await this.#send(step.sql, step.params));
      case 'query':
        if (this.#inTransaction && givesRowsAndActs(step.sql))
          return this.#one(step.sql, step.params, false);
        checkPostgresQuery(step.sql);
        return this.#inTransaction
          ? this.#queryInTransaction(step.sql, step.params)
          : this.#one(step.sql, step.params, true);
      case 'execute': {
        checkPostgresExecute(step.sql);
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
    const result = await this.#send(sql, params);
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

  async #setReadOnly(readOnly: boolean): Promise<void> {
    if (this.#isReadOnly === readOnly) return;
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
    const name = `${temporary === true ? 'pg_temp' : this.#schema}.${quoteIdentifier(table)}`;
    const names = columns.map((column) => quoteIdentifier(column.name)).join(', ');
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

  async #control({ kind, readOnly }: TransactionStep): Promise<void> {
    switch (kind) {
      case 'begin':
        await this.#client.query(readOnly === true ? 'BEGIN READ ONLY' : 'BEGIN READ WRITE');
        this.#inTransaction = true;
        break;
      case 'commit': {
        this.#inTransaction = false;
        const { command } = await this.#client.query('COMMIT');
        if (command !== 'ROLLBACK') break;
        throw new StatementError(
          'A statement of the transaction had failed, so PostgreSQL rolled all of it back.',
          { engine: 'postgresql' },
        );
      }
      case 'rollback':
        if (!this.#inTransaction) break;
        this.#inTransaction = false;
        await this.#client.query('ROLLBACK');
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

async function end(client: pg.Client): Promise<void> {
  const { stream } = connectionOf(client);
  // A server that is gone answers no goodbye.
  const timer = setTimeout(() => {
    stream.destroy();
  }, closeTimeoutMs);
  await client.end().catch(() => undefined);
  clearTimeout(timer);
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

/** What of the driver's client has no public type. */
interface ClientConnection {
  on(
    event: 'parameterStatus',
    listener: (message: { parameterName: string; parameterValue: string }) => void,
  ): void;
  readonly stream: { destroy(): void };
}

function connectionOf(client: pg.Client): ClientConnection {
  return (client as unknown as { readonly connection: ClientConnection }).connection;
}

function processIdOf(client: pg.Client): number | null {
  return (client as unknown as { readonly processID: number | null }).processID;
}

/** Host, port and database; never the password. */
function shownUrl(url: string): string {
  try {
    const { host, pathname } = new URL(url);
    return `${host}${pathname}`;
  } catch {
    return 'the configured URL';
  }
}
