import type pg from 'pg';
import { InvalidArgumentError } from './api/storage-errors.ts';
import type { InputValue } from './api/input-values.ts';
import { AnswerTimes } from './answer-times.ts';
import { classifyError } from './errors.ts';
import type { CancelTarget } from './postgres-cancel.ts';
import { CopyQuery } from './postgres-copy.ts';
import {
  type PostgresResult,
  type PostgresStatement,
  type PreparedStatement,
  readRowsDirectly,
  ValueQuery,
  type WireConnection,
} from './postgres-query.ts';
import { checkDeferred } from './postgres-traces.ts';
import { postgresParam } from './postgres-values.ts';
import { leadingWords } from './sql-text.ts';
import { StatementCache } from './statement-cache.ts';

/** What of the driver's client is used beside its public types. */
export interface DriverClient extends CancelTarget {
  readonly connection: WireConnection & {
    on(event: 'bindComplete' | 'readyForQuery', listener: () => void): void;
    on(event: 'errorMessage', listener: (error: { readonly severity?: unknown }) => void): void;
    on(
      event: 'parameterStatus',
      listener: (message: { parameterName: string; parameterValue: string }) => void,
    ): void;
    readonly stream: { destroy(): void; unref(): void };
  };
  getTransactionStatus(): string | null;
  /** The one that is answered now. */
  _getActiveQuery(): unknown;
}

/** Statements worth keeping prepared. */
const namedWords: ReadonlySet<string> = new Set([
  'SELECT',
  'WITH',
  'VALUES',
  'TABLE',
  'INSERT',
  'UPDATE',
  'DELETE',
]);
/** The protocol counts them in 16 bits. */
const maxValues = 65_535;

/** How a statement is sent. */
export interface Send {
  /** Others like it are on their way: what is sent in one turn goes together, and one that may have seen a changed setting fails. */
  readonly pipelined: boolean;
  /** Told how long the server took, as far as can be seen from here. */
  readonly onTook?: ((durationMs: number) => void) | undefined;
}

/** Nothing else is on its way. */
export const alone: Send = { pipelined: false };

/** A caller's statement, or one of our own with values. */
export interface SentStatement {
  readonly sql: string;
  readonly params: readonly InputValue[] | undefined;
  /** Rows as lists of values. */
  readonly cells: boolean;
  /** Whether it may be kept prepared. */
  readonly mayName: boolean;
}

/** What makes a transaction of one statement. */
export interface AroundStatement {
  /** Must open the transaction whatever of it fails, so that the statement fails as well. */
  readonly begin: string;
  /** See `PooledTraces.endingAfter`. */
  readonly ending: string | undefined;
}

/** Sends statements over one connection and keeps those prepared that come again. */
export class PostgresSender {
  readonly #client: pg.Client;
  readonly #driver: DriverClient;
  readonly #isChanged: () => boolean;
  readonly #statements: StatementCache<PreparedStatement>;
  readonly #evicted: PreparedStatement[] = [];
  readonly #times = new AnswerTimes();
  #statementNumber = 0;
  #lost = false;
  /** The server has refused a statement, and has not said yet in which state that leaves the transaction: an error may come in one
   * piece and that in the next. */
  #refused = false;
  /** Statements that are on their way or at the server. */
  #submitted = 0;
  /** What is sent in this turn of the event loop. */
  #piece: { atMs: number } | undefined;
  /** Whether settings were changed when the statement that is answered last began. */
  #changedBefore = false;

  /** @param isChanged whether a setting is not what it was. */
  constructor(client: pg.Client, statementCacheSize: number, isChanged: () => boolean) {
    this.#client = client;
    this.#driver = client as unknown as DriverClient;
    this.#isChanged = isChanged;
    this.#statements = new StatementCache(statementCacheSize, (statement) =>
      this.#evicted.push(statement),
    );
    readRowsDirectly(this.#driver.connection, () => this.#driver._getActiveQuery());
    this.#driver.connection.on('bindComplete', () => {
      const query = this.#driver._getActiveQuery();
      if (query instanceof ValueQuery) query.handleBindComplete();
    });
    this.#driver.connection.on('errorMessage', ({ severity }) => {
      this.#refused = severity === 'ERROR';
    });
    this.#driver.connection.on('readyForQuery', () => {
      this.#refused = false;
    });
    const lose = (): void => {
      this.#lost = true;
    };
    client.on('error', lose);
    client.on('end', lose);
  }

  /** Whether the connection is of no use any more. */
  get lost(): boolean {
    return this.#lost;
  }

  /** It is of no use any more. */
  lose(): void {
    this.#lost = true;
  }

  /** Whether the server has been asked something that it hasn't answered. */
  get busy(): boolean {
    return this.#submitted > 0;
  }

  /** What the server said last: `I` idle, `T` in a transaction, `E` in one that has failed; null before it said anything. */
  get transactionStatus(): string | null {
    const status = this.#driver.getTransactionStatus();
    return this.#refused && status === 'T' ? 'E' : status;
  }

  /** Statements of our own, without parameters: one round trip, several at once if need be. */
  simple(sql: string, send: Send = alone): Promise<PostgresResult> {
    return this.#submit({ text: sql }, false, send);
  }

  /** One statement with its values. */
  send(
    { sql, params, cells, mayName }: SentStatement,
    send: Send = alone,
  ): Promise<PostgresResult> {
    const values = (params ?? []).map(postgresParam);
    if (values.length > maxValues) {
      throw new InvalidArgumentError(
        `A statement takes at most ${maxValues} values; found ${values.length}.`,
        { engine: 'postgresql' },
      );
    }
    const statement: PostgresStatement = {
      text: sql,
      values,
      prepared: mayName ? this.#prepared(sql) : undefined,
    };
    return this.#evicted.length === 0
      ? this.#submit(statement, cells, send)
      : this.#deallocateEvicted().then(() => this.#submit(statement, cells, send));
  }

  /**
   * One statement in a transaction of its own, all in one trip.
   */
  async sendInTransaction(
    { begin, ending }: AroundStatement,
    { sql, params, cells }: SentStatement,
    send: Send = alone,
  ): Promise<PostgresResult> {
    const ours = { pipelined: send.pipelined };
    const [begun, answered, ...others] = await Promise.allSettled([
      this.simple(begin, ours),
      this.send({ sql, params, cells, mayName: false }, send),
      ...(ending === undefined ? [] : [this.simple(checkDeferred, ours)]),
      // Rolls back where the statement has failed.
      this.simple(ending ?? 'COMMIT', ours),
    ]);
    // The first that failed says why the others did.
    if (begun.status === 'rejected') throw begun.reason;
    if (answered.status === 'rejected') throw answered.reason;
    for (const other of others) if (other.status === 'rejected') throw other.reason;
    return answered.value;
  }

  /** COPY FROM STDIN. Resolves to the number of rows. */
  copy(sql: string, chunks: Iterator<string>): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#submitted += 1;
      const query = new CopyQuery(sql, chunks, (error, count = 0) => {
        this.#submitted -= 1;
        if (error === null) resolve(count);
        else reject(this.#noted(error));
      });
      this.#client.query(query as unknown as pg.Submittable);
    });
  }

  /** The server has forgotten all prepared statements. */
  forgetStatements(): void {
    this.#statements.clear();
    this.#evicted.length = 0;
    const { parsedStatements, submittedNamedStatements } = this.#driver.connection;
    for (const names of [parsedStatements, submittedNamedStatements]) {
      for (const name of Object.keys(names)) Reflect.deleteProperty(names, name);
    }
  }

  async #deallocateEvicted(): Promise<void> {
    while (this.#evicted.length > 0) await this.#deallocate(this.#evicted.pop());
  }

  /** What the statement names may have other types or columns than when it was prepared; nothing was run. */
  async #sendUnprepared(
    { text, values, prepared }: PostgresStatement,
    cells: boolean,
    send: Send,
  ): Promise<PostgresResult> {
    this.#statements.delete(text);
    await this.#deallocate(prepared);
    return await this.#submit({ text, values }, cells, send);
  }

  #prepared(sql: string): PreparedStatement | undefined {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    if (!namedWords.has(leadingWords(sql, 1, 'postgresql')[0] ?? '')) return undefined;
    this.#statementNumber += 1;
    const made: PreparedStatement = {
      name: `c${this.#statementNumber}`,
      shape: undefined,
      dropped: false,
    };
    this.#statements.set(sql, made);
    return made;
  }

  async #deallocate(statement: PreparedStatement | undefined): Promise<void> {
    if (statement === undefined || statement.dropped) return;
    statement.dropped = true;
    const { name } = statement;
    const { parsedStatements, submittedNamedStatements } = this.#driver.connection;
    // One that failed to parse was never there.
    if (parsedStatements[name] !== undefined) await this.simple(`DEALLOCATE ${name}`);
    Reflect.deleteProperty(parsedStatements, name);
    Reflect.deleteProperty(submittedNamedStatements, name);
  }

  #submit(statement: PostgresStatement, cells: boolean, send: Send): Promise<PostgresResult> {
    const { pipelined, onTook } = send;
    return new Promise((resolve, reject) => {
      const sent = pipelined ? this.#together() : { atMs: performance.now() };
      const isFirst = this.#submitted === 0;
      this.#submitted += 1;
      const query = new ValueQuery(statement, cells, (error, result) => {
        this.#submitted -= 1;
        const tookMs = this.#times.took(sent.atMs, isFirst);
        onTook?.(tookMs);
        const isTainted = pipelined && this.#changedBefore;
        this.#changedBefore = this.#isChanged();
        if (
          error !== null &&
          statement.prepared !== undefined &&
          query.isRefusedReuse &&
          mayBeStale(error)
        ) {
          resolve(this.#sendUnprepared(statement, cells, send));
        } else if (error !== null) reject(this.#noted(error));
        else if (isTainted) reject(new Error('A statement before this one has changed a setting.'));
        else if (result !== undefined) resolve(result);
      });
      this.#client.query(query as unknown as pg.Submittable);
    });
  }

  /** The error, once it is known whether the connection is lost by it. */
  #noted(error: Error): Error {
    if (classifyError('postgresql', error) === 'connection') this.#lost = true;
    return error;
  }

  /** What is sent in this turn goes in one piece: 100 callers on 10 connections make 1.8 times as many point reads. */
  #together(): { atMs: number } {
    if (this.#piece !== undefined) return this.#piece;
    const piece = { atMs: 0 };
    const { stream } = this.#driver.connection;
    this.#piece = piece;
    stream.cork();
    process.nextTick(() => {
      this.#piece = undefined;
      piece.atMs = performance.now();
      stream.uncork();
    });
    return piece;
  }
}

/** A prepared statement keeps the types of its parameters, and asks for the columns that it had: its own complaint about either, or
 * that it isn't there, is no answer to the caller. */
function mayBeStale(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' && /^(0A|22|26|42)/.test(code);
}
