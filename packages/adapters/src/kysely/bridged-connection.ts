import type {
  AbortableOperationOptions,
  CompiledQuery,
  DatabaseConnection,
  Driver,
  QueryCompiler,
  QueryResult,
  TransactionSettings,
} from 'kysely';
import type { BridgedQueries } from './bridged-queries.ts';
import { heldAlready, hold } from '../shared/held.ts';
import { OpenTransaction } from '../shared/open-transaction.ts';
import { controlOf } from '../shared/transaction-control.ts';
import type { Holder, KyselyLease } from './lease.ts';
import type { TransactionCall } from './leg.ts';
import type { QueryCall } from './query-call.ts';

type KyselyTransaction = OpenTransaction<DatabaseConnection, Driver>;
type Cancel = () => Promise<void>;

/** What a driver can do with a savepoint. */
export type SavepointAct = 'savepoint' | 'rollbackToSavepoint' | 'releaseSavepoint';

/**
 * What Kysely has for a connection. Its first query takes one of the leg that its key's stage says, and what follows runs on the
 * same one, until Kysely is done with it: usually after that one query.
 */
export class BridgedConnection implements Holder {
  lease: KyselyLease | undefined;
  /** Kysely has it. */
  isOut = false;
  /** What Kysely gave up may still go on: a query that may be cancelled, or a stream, was begun on it. */
  mayGoOn = false;
  readonly #queries: BridgedQueries;
  #transaction: KyselyTransaction | undefined;
  /** Runs a statement that the leg's driver makes of its own, while it does. */
  #ofDriver: DatabaseConnection['executeQuery'] | undefined;

  constructor(queries: BridgedQueries) {
    this.#queries = queries;
  }

  /** No asynchronous function, which would make the answer wait for one more of its own. */
  executeQuery<R>(
    query: CompiledQuery,
    options?: AbortableOperationOptions,
  ): Promise<QueryResult<R>> {
    let running: Promise<QueryResult<unknown>>;
    try {
      running = this.#execute(query, options);
    } catch (error) {
      running = Promise.reject(error);
    }
    return (running as Promise<QueryResult<R>>).then(undefined, failWithCallersStack);
  }

  async *streamQuery<R>(
    query: CompiledQuery,
    chunkSize: number,
    options?: AbortableOperationOptions,
  ): AsyncIterableIterator<QueryResult<R>> {
    // Its reader may leave it for good.
    this.mayGoOn = true;
    const call = this.#queries.callOf(query, options, this);
    const open = this.#open(call);
    this.#queries.saw(call, open !== undefined);
    if (open !== undefined) {
      open.lease.note(call);
      yield* open.lease.connection.streamQuery<R>(query, chunkSize, options);
      return;
    }
    const held = await this.#queries.stream(call, chunkSize);
    try {
      yield* held.value as AsyncIterable<QueryResult<R>>;
    } finally {
      await held.end();
    }
  }

  /** Begins a transaction of Kysely's own. */
  async begin(settings: TransactionSettings): Promise<void> {
    const key = this.#queries.keyOf(undefined);
    const open = this.#transaction ?? this.#queries.left.of(key);
    if (open === undefined) {
      const begin = (lease: KyselyLease): Promise<void> =>
        this.#byDriver(lease, ({ driver, connection }) =>
          driver.beginTransaction(connection, settings),
        );
      await this.#begin({ key, holder: this, begin }, false);
      return;
    }
    // A singleton's one connection is in a transaction already, and says so as it always did.
    await this.#byDriver(open.lease, ({ driver, connection }) =>
      driver.beginTransaction(connection, settings),
    );
    this.#transaction = open;
  }

  async commit(): Promise<void> {
    const open = this.#mustBeOpen('commit');
    await this.#byDriver(open.lease, ({ driver, connection }) =>
      driver.commitTransaction(connection),
    );
    await this.#ended(open);
  }

  async rollback(): Promise<void> {
    const open = this.#mustBeOpen('roll back');
    try {
      await this.#byDriver(open.lease, ({ driver, connection }) =>
        driver.rollbackTransaction(connection),
      );
    } finally {
      await this.#ended(open);
    }
  }

  /** Makes, goes back to, or lets go of a savepoint. */
  async savepoint(
    act: SavepointAct,
    name: string,
    compileQuery: QueryCompiler['compileQuery'],
  ): Promise<void> {
    await this.#byDriver(this.#mustBeOpen(act).lease, async ({ driver, connection }) => {
      if (driver[act] === undefined)
        throw new Error(`The \`${act}\` method is not supported by this driver`);
      await driver[act](connection, name, compileQuery);
    });
  }

  /** Kysely is done with it. */
  release(): Promise<void> {
    const open = this.#transaction;
    const { lease } = this;
    this.#transaction = undefined;
    this.lease = undefined;
    if (open !== undefined) return this.#releaseOpen(open, lease);
    return lease === undefined ? Promise.resolve() : lease.giveBack();
  }

  async #releaseOpen(open: KyselyTransaction, lease: KyselyLease | undefined): Promise<void> {
    if (open.byStatement) {
      open.isLeft = true;
      this.#queries.left.add(open);
      return;
    }
    try {
      await lease?.giveBack();
    } finally {
      // COMMIT made a rollback of it, or neither could be made: nothing is open any more.
      await open.end();
    }
  }

  /** Undefined where the legs' connections can't, as Kysely asks before it runs a query that may be cancelled. */
  get cancelQuery(): Cancel | undefined {
    return this.#cancelBy('cancelQuery');
  }

  get killSession(): Cancel | undefined {
    return this.#cancelBy('killSession');
  }

  #execute(
    query: CompiledQuery,
    options: AbortableOperationOptions | undefined,
  ): Promise<QueryResult<unknown>> {
    if (this.#ofDriver !== undefined) return this.#ofDriver(query, options);
    if (options?.signal !== undefined) this.mayGoOn = true;
    const call = this.#queries.callOf(query, options, this);
    const open = this.#open(call);
    this.#queries.saw(call, open !== undefined);
    if (open !== undefined) return this.#executeIn(open, call);
    if (this.lease?.holdsOthersUp === true) return this.#executeOn(this.lease, call);
    if (controlOf(call.traits, query.sql) === 'begin') return this.#beginBy(call);
    const result = this.#queries.executeQuery(query.sql, query.parameters, call);
    return call.traits.changesSchema ? this.#afterwards(call, result) : result;
  }

  async #afterwards(
    call: QueryCall,
    running: Promise<QueryResult<unknown>>,
  ): Promise<QueryResult<unknown>> {
    const result = await running;
    this.#queries.known.ran([call]);
    return result;
  }

  async #executeIn(open: KyselyTransaction, call: QueryCall): Promise<QueryResult<unknown>> {
    const control = controlOf(call.traits, call.sql);
    const result = await runOn(open.lease, call);
    if (call.traits.changesSchema) open.mayChangeSchema.push(call);
    if (open.byStatement && (control === 'commit' || control === 'rollback'))
      await this.#ended(open);
    return result;
  }

  /** On a connection that all other calls of the key wait for: they would wait for each other if it waited for them. */
  async #executeOn(lease: KyselyLease, call: QueryCall): Promise<QueryResult<unknown>> {
    const result = await runOn(lease, call);
    if (call.traits.changesSchema) this.#queries.known.ran([call]);
    return result;
  }

  async #beginBy(call: QueryCall): Promise<QueryResult<unknown>> {
    let result: QueryResult<unknown> | undefined;
    const begin = async ({ connection }: KyselyLease): Promise<void> => {
      result = await connection.executeQuery(call.query, call.options);
    };
    await this.#begin({ key: call.key, holder: this, begin }, true);
    return result ?? { rows: [] };
  }

  async #begin(call: TransactionCall, byStatement: boolean): Promise<void> {
    const { lease } = this;
    if (lease?.holdsOthersUp === true) {
      await call.begin(lease);
      this.#transaction = new OpenTransaction(call.key, byStatement, heldAlready(lease));
      return;
    }
    const held = await hold<KyselyLease>((work) => this.#queries.api.transaction(call, work));
    this.#transaction = new OpenTransaction(call.key, byStatement, held);
  }

  async #ended(open: KyselyTransaction): Promise<void> {
    if (this.#transaction === open) this.#transaction = undefined;
    this.#queries.left.delete(open);
    this.#queries.known.ran(open.mayChangeSchema);
    await open.end();
  }

  #open(call: QueryCall): KyselyTransaction | undefined {
    if (this.#transaction !== undefined) return this.#transaction;
    // What holds a connection of its own was there before the transaction.
    return this.lease === undefined ? this.#queries.left.of(call.key) : undefined;
  }

  #mustBeOpen(what: string): KyselyTransaction {
    if (this.#transaction === undefined)
      throw new Error(`There is no transaction on this connection to ${what}.`);
    return this.#transaction;
  }

  /**
   * Lets the leg's driver do something with its own connection. Where Kysely logs queries, it has put its log in front of this
   * connection, so what the driver makes of its own (BEGIN) goes that way too.
   */
  async #byDriver(lease: KyselyLease, act: (lease: KyselyLease) => Promise<void>): Promise<void> {
    if (!Object.hasOwn(this, 'executeQuery')) return act(lease);
    const { connection } = lease;
    const before = Object.getOwnPropertyDescriptor(connection, 'executeQuery');
    this.#ofDriver = connection.executeQuery.bind(connection);
    connection.executeQuery = (query, options) => this.executeQuery(query, options);
    try {
      await act(lease);
    } finally {
      this.#ofDriver = undefined;
      if (before === undefined) Reflect.deleteProperty(connection, 'executeQuery');
      else Object.defineProperty(connection, 'executeQuery', before);
    }
  }

  #cancelBy(way: 'cancelQuery' | 'killSession'): Cancel | undefined {
    const own = (): DatabaseConnection | undefined =>
      (this.#transaction?.lease ?? this.lease)?.connection;
    if ((own() ?? this.#queries.seenConnection)?.[way] === undefined) return undefined;
    return async () => {
      await own()?.[way]?.(this.#queries.controlProvider);
    };
  }
}

async function runOn(lease: KyselyLease, call: QueryCall): Promise<QueryResult<unknown>> {
  const { connection } = lease;
  lease.note(call);
  if (call.options?.signal !== undefined) await connection.collectSessionInfo?.();
  return connection.executeQuery(call.query, call.options);
}

/** With who called: where the bridge waits for a leg, the engine loses the way back to the caller. */
function failWithCallersStack(error: unknown): never {
  const { stack } = new Error();
  if (error instanceof Error && stack !== undefined && error.stack !== undefined)
    error.stack += `\n${stack.split('\n').slice(1).join('\n')}`;
  throw error;
}
