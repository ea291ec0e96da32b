import type {
  AbortableOperationOptions,
  CompiledQuery,
  Driver,
  QueryCompiler,
  QueryResult,
  TransactionSettings,
} from 'kysely';
import { type Held, hold } from './held.ts';
import { beginByDriver, type Begun, type TransactionCall } from './leg.ts';
import type { Lease } from './leases.ts';
import { controlOf, type QueryCall } from './query-call.ts';
import type { BridgedQueries } from './bridged-queries.ts';

type Cancel = () => Promise<void>;

/** A transaction on one connection of the leg that answered when it began. */
export class OpenTransaction {
  readonly key: string;
  readonly lease: Lease;
  readonly driver: Driver;
  /** Begun by a statement that the program wrote: it may go on after the connection was given back, as on a singleton. */
  readonly byStatement: boolean;
  /** What ran in it that changes the schema, or may. */
  readonly mayChangeSchema: QueryCall[] = [];
  readonly #held: Held<unknown>;

  constructor(parts: {
    readonly key: string;
    readonly lease: Lease;
    readonly driver: Driver;
    readonly byStatement: boolean;
    readonly held: Held<unknown>;
  }) {
    this.key = parts.key;
    this.lease = parts.lease;
    this.driver = parts.driver;
    this.byStatement = parts.byStatement;
    this.#held = parts.held;
  }

  /** Resolves when its connection is given back and others may write. */
  end(): Promise<void> {
    return this.#held.end();
  }
}

/**
 * What Kysely has for a connection. It holds none: each query outside a transaction takes one of the leg that its key's stage
 * says, and a transaction keeps the one that it began on.
 */
export class BridgedConnection {
  readonly #queries: BridgedQueries;
  #transaction: OpenTransaction | undefined;
  #running: QueryCall | undefined;

  constructor(queries: BridgedQueries) {
    this.#queries = queries;
  }

  async executeQuery<R>(
    query: CompiledQuery,
    options?: AbortableOperationOptions,
  ): Promise<QueryResult<R>> {
    const call = this.#queries.callOf(query, options);
    const open = this.#open(call);
    if (open === undefined && controlOf(call.statement, query.sql) === 'begin')
      return (await this.#beginBy(call)) as QueryResult<R>;
    this.#running = call;
    const result =
      open === undefined
        ? await this.#queries.api.executeQuery(query.sql, query.parameters, call)
        : await this.#executeIn(open, call, options);
    if (open === undefined) this.#queries.ran([call]);
    return result as QueryResult<R>;
  }

  async *streamQuery<R>(
    query: CompiledQuery,
    chunkSize: number,
    options?: AbortableOperationOptions,
  ): AsyncIterableIterator<QueryResult<R>> {
    const call = this.#queries.callOf(query, options);
    const open = this.#open(call);
    this.#running = call;
    if (open !== undefined) {
      open.lease.note(call);
      call.runsOn(open.lease.connection);
      yield* open.lease.connection.streamQuery<R>(query, chunkSize, options);
      return;
    }
    const held = await this.#queries.stream(call, query.parameters, chunkSize);
    try {
      yield* held.value as AsyncIterable<QueryResult<R>>;
    } finally {
      await held.end();
    }
  }

  /** Begins a transaction of Kysely's own. */
  async begin(settings: TransactionSettings): Promise<void> {
    const key = this.#queries.keyOf(undefined);
    const left = this.#queries.transactionLeft(key);
    if (left === undefined) {
      await this.#begin(beginByDriver(key, settings), false);
      return;
    }
    // A singleton's one connection is in a transaction already, and says so as it always did.
    await left.driver.beginTransaction(left.lease.connection, settings);
    this.#transaction = left;
  }

  async commit(): Promise<void> {
    const open = this.#mustBeOpen('commit');
    await open.driver.commitTransaction(open.lease.connection);
    await this.#ended(open);
  }

  async rollback(): Promise<void> {
    const open = this.#mustBeOpen('roll back');
    try {
      await open.driver.rollbackTransaction(open.lease.connection);
    } finally {
      await this.#ended(open);
    }
  }

  /** Makes, goes back to, or lets go of a savepoint. */
  async savepoint(
    what: 'savepoint' | 'rollbackToSavepoint' | 'releaseSavepoint',
    name: string,
    compileQuery: QueryCompiler['compileQuery'],
  ): Promise<void> {
    const { driver, lease } = this.#mustBeOpen(what);
    if (driver[what] === undefined)
      throw new Error(`The \`${what}\` method is not supported by this driver`);
    await driver[what](lease.connection, name, compileQuery);
  }

  /** Kysely is done with it. */
  async release(): Promise<void> {
    const open = this.#transaction;
    if (open === undefined) return;
    this.#transaction = undefined;
    if (open.byStatement) this.#queries.leaveTransaction(open);
    // COMMIT made a rollback of it, or neither could be made: nothing is open any more.
    else await open.end();
  }

  /** Undefined where the legs' connections can't, as Kysely asks before it runs a query that may be cancelled. */
  get cancelQuery(): Cancel | undefined {
    return this.#cancelBy('cancelQuery');
  }

  get killSession(): Cancel | undefined {
    return this.#cancelBy('killSession');
  }

  #cancelBy(way: 'cancelQuery' | 'killSession'): Cancel | undefined {
    const seen = this.#transaction?.lease.connection ?? this.#queries.seenConnection;
    if (seen?.[way] === undefined) return undefined;
    return async () => {
      await this.#running?.connection?.[way]?.(this.#queries.controlProvider);
    };
  }

  #open(call: QueryCall): OpenTransaction | undefined {
    return this.#transaction ?? this.#queries.transactionLeft(call.key);
  }

  #mustBeOpen(what: string): OpenTransaction {
    if (this.#transaction === undefined)
      throw new Error(`There is no transaction on this connection to ${what}.`);
    return this.#transaction;
  }

  async #executeIn(
    open: OpenTransaction,
    call: QueryCall,
    options: AbortableOperationOptions | undefined,
  ): Promise<QueryResult<unknown>> {
    const { lease } = open;
    const control = controlOf(call.statement, call.sql);
    lease.note(call);
    call.runsOn(lease.connection);
    if (options?.signal !== undefined) await lease.connection.collectSessionInfo?.();
    const result = await lease.connection.executeQuery(call.query, options);
    if (call.mayChangeSchema) open.mayChangeSchema.push(call);
    if (open.byStatement && (control === 'commit' || control === 'rollback'))
      await this.#ended(open);
    return result;
  }

  async #beginBy(call: QueryCall): Promise<QueryResult<unknown>> {
    let result: QueryResult<unknown> | undefined;
    await this.#begin(
      {
        key: call.key,
        begin: async (_driver, connection) => {
          result = await connection.executeQuery(call.query);
        },
      },
      true,
    );
    return result ?? { rows: [] };
  }

  async #begin(call: TransactionCall, byStatement: boolean): Promise<void> {
    const held = await hold<Begun>((work) => this.#queries.api.transaction(call, work));
    const { lease, driver } = held.value;
    this.#transaction = new OpenTransaction({ key: call.key, lease, driver, byStatement, held });
  }

  async #ended(open: OpenTransaction): Promise<void> {
    if (this.#transaction === open) this.#transaction = undefined;
    this.#queries.forgetTransaction(open);
    this.#queries.ran(open.mayChangeSchema);
    await open.end();
  }
}
