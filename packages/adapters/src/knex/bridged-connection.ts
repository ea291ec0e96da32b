import { WiringError } from '@changeover/bridge';
import { heldAlready } from '../shared/held.ts';
import { OpenTransaction } from '../shared/open-transaction.ts';
import { controlOf } from '../shared/transaction-control.ts';
import type { BridgedQueries } from './bridged-queries.ts';
import type { KnexClient, KnexQuery, RawConnection, RowSink } from './knex-client.ts';
import { type ConnectionCall, type StreamRequest, streamOn, type TransactionCall } from './leg.ts';
import type { KnexLease, KnexLender } from './lender.ts';
import { notRun, NoTurnError } from './not-run.ts';
import type { Holder, QueryCall } from './query-call.ts';

type KnexTransaction = OpenTransaction<RawConnection, KnexLender>;

const none: readonly unknown[] = Object.freeze([]);

/** Of a connection that is taken before there is a statement. */
const nothing: KnexQuery = Object.freeze({ sql: '' });

/** Ends what runs on a connection of a client's. */
export type Cancel = (client: KnexClient, connection: RawConnection) => Promise<unknown>;

let made = 0;

/**
 * What Knex has for a connection. Its first query takes one of the leg that its key's stage says, and what follows runs on the same
 * one, until Knex gives it back: usually after that one query.
 */
export class BridgedConnection implements Holder {
  lease: KnexLease | undefined;
  /** As Knex names connections in its events. */
  readonly __knexUid: string;
  readonly #queries: BridgedQueries;
  #transaction: KnexTransaction | undefined;
  #running = 0;
  #isReleased = false;
  #isDisposed = false;
  #isCancelled = false;

  constructor(queries: BridgedQueries) {
    this.#queries = queries;
    queries.connections += 1;
    made += 1;
    this.__knexUid = `__changeoverUid${String(made)}`;
  }

  /** Knex marks a connection that it wants closed: a statement on it ran out of time, and may still run. */
  get __knex__disposed(): unknown {
    return this.lease?.connection.__knex__disposed;
  }

  set __knex__disposed(reason: unknown) {
    if (this.lease !== undefined) this.lease.connection.__knex__disposed = reason;
    this.#isDisposed = true;
    this.#running = 0;
  }

  get isDisposed(): boolean {
    return this.#isDisposed;
  }

  get ranOutOfTime(): boolean {
    return this.#isDisposed || this.#isCancelled;
  }

  /** @param ofKnex the statement is one by which Knex itself begins or ends a transaction. */
  async run(query: KnexQuery, ofKnex: boolean): Promise<KnexQuery> {
    this.#running += 1;
    // All in one function: each that is asynchronous by itself would make the answer wait one turn more.
    try {
      const call = this.#queries.callOf(query, this);
      const special = this.#runSpecial(call, ofKnex);
      if (special !== undefined) return await special;
      const running = this.#queries.query(query.sql, query.bindings ?? none, call);
      const answer = call.waits ? await this.#inTurn(call, running) : await running;
      if (answer !== query) {
        // The other leg answered for one that was not to be had.
        query.response = answer.response;
        query.context = answer.context;
      }
      if (call.traits.changesSchema) this.#queries.known.ran([call]);
      return query;
    } catch (error) {
      throw notRun(this.#queries, error, !ofKnex);
    } finally {
      this.#ran();
    }
  }

  async stream(query: KnexQuery, stream: RowSink, options: unknown): Promise<unknown> {
    this.#running += 1;
    try {
      return await this.#stream(query, stream, options);
    } finally {
      this.#ran();
    }
  }

  /** Takes a connection of the leg that the stage says now, before there is a statement. Gives the driver's own. */
  async acquire(): Promise<RawConnection> {
    const call = this.#queries.callOf(nothing, this);
    const acquisition: ConnectionCall = {
      key: call.key,
      holder: this,
      taken: () => {
        call.takeHolder();
      },
    };
    try {
      return await this.#inTurn(call, this.#queries.api.connection(acquisition));
    } catch (error) {
      throw notRun(this.#queries, error, false);
    }
  }

  /** Takes one of the legacy leg for a statement whose time counts from when it has its connection, as in Knex. Elsewhere it counts from
   * when it is issued, for its connection is only known when it has its turn. */
  async acquireFor(query: KnexQuery): Promise<void> {
    const call = this.#queries.callOf(query, this);
    if (this.lease !== undefined || this.#open(call) !== undefined) return;
    try {
      await this.#queries.lendWhereLegacyAnswers(this, call);
    } catch (error) {
      throw notRun(this.#queries, error, true);
    }
  }

  /** Asks the server to end what runs on it. What waits is not run any more. */
  async cancel(cancel: Cancel): Promise<unknown> {
    this.#isCancelled = true;
    const lease = this.#transaction?.lease ?? this.lease;
    if (lease !== undefined) return cancel(lease.driver.client, lease.connection);
    this.#isDisposed = true;
    return undefined;
  }

  /** Runs something inside the transaction that is open on it. */
  inside<R>(work: () => R): R {
    return this.#transaction === undefined ? work() : this.#transaction.inside(work);
  }

  /** Knex is done with it. May be called again. Once what runs on it has ended, it goes back to its leg. */
  release(): Promise<void> {
    if (!this.#isReleased) this.#queries.connections -= 1;
    this.#isReleased = true;
    return this.#running === 0 ? this.#giveBack() : Promise.resolve();
  }

  /** Those who want the driver's own connection are told. */
  query(): never {
    throw new WiringError(
      'A bridged Knex gives no connection of the driver, for it is not known yet of which leg: run the statement by raw(), or take ' +
        'a connection of the instance that the bridge was made of.',
    );
  }

  prepare(): never {
    return this.query();
  }

  #ran(): void {
    this.#running = Math.max(0, this.#running - 1);
    if (this.#isReleased && this.#running === 0) void this.#giveBack().catch(() => undefined);
  }

  #giveBack(): Promise<void> {
    const open = this.#transaction;
    const { lease } = this;
    this.#transaction = undefined;
    this.lease = undefined;
    if (open !== undefined) return this.#giveBackOpen(open, lease);
    return lease === undefined ? Promise.resolve() : lease.giveBack();
  }

  async #giveBackOpen(open: KnexTransaction, lease: KnexLease | undefined): Promise<void> {
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

  /** What goes past the bridge, or begins a transaction: undefined for any other. */
  #runSpecial(call: QueryCall, ofKnex: boolean): Promise<KnexQuery> | undefined {
    const open = this.#open(call);
    this.#queries.saw(call, open !== undefined);
    if (open !== undefined) return this.#runIn(open, call);
    if (this.lease?.holdsOthersUp === true) return this.#runOn(this.lease, call);
    if (controlOf(call.traits, call.sql) === 'begin') return this.#beginBy(call, !ofKnex);
    return undefined;
  }

  async #runIn(open: KnexTransaction, call: QueryCall): Promise<KnexQuery> {
    const control = controlOf(call.traits, call.sql);
    const answer = await runOn(open.lease, call);
    if (call.traits.changesSchema) open.mayChangeSchema.push(call);
    if (control === 'commit' || control === 'rollback') await this.#ended(open);
    return answer;
  }

  /** On a connection that all other calls of the key wait for: they would wait for each other if it waited for them. */
  async #runOn(lease: KnexLease, call: QueryCall): Promise<KnexQuery> {
    if (controlOf(call.traits, call.sql) === 'begin') {
      await runOn(lease, call);
      this.#transaction = new OpenTransaction(call.key, false, heldAlready(lease));
      return call.query;
    }
    const answer = await runOn(lease, call);
    if (call.traits.changesSchema) this.#queries.known.ran([call]);
    return answer;
  }

  async #beginBy(call: QueryCall, byStatement: boolean): Promise<KnexQuery> {
    const begin = async ({ driver, connection }: KnexLease): Promise<void> => {
      await driver.client._query(connection, call.query);
    };
    const transaction: TransactionCall = {
      key: call.key,
      holder: this,
      taken: () => {
        call.takeHolder();
      },
      begin,
    };
    const held = await this.#inTurn(call, this.#queries.begin(transaction));
    this.#transaction = new OpenTransaction(call.key, byStatement, held);
    return call.query;
  }

  async #stream(query: KnexQuery, stream: RowSink, options: unknown): Promise<unknown> {
    const { known } = this.#queries;
    // Whoever reads a stream may write meanwhile, and would wait for what is only taken for a write.
    if (!known.traits(query.sql).known) await known.learn(query.sql);
    const call = this.#queries.callOf(query, this);
    let over: Promise<unknown> = Promise.resolve();
    const request: StreamRequest = {
      stream,
      options,
      begun: (promise) => {
        over = promise;
      },
    };
    const open = this.#open(call);
    this.#queries.saw(call, open !== undefined);
    if (open !== undefined) {
      open.lease.note(call);
      return streamOn(open.lease, query, request);
    }
    try {
      await this.#inTurn(
        call,
        this.#queries.api.stream(query.sql, query.bindings ?? none, call, request),
      );
    } catch (error) {
      // The driver tells its own errors where the rows go.
      if (call.giveUp() || this.#queries.wasNotRun(error)) stream.emit('error', error);
      throw error;
    }
    return over;
  }

  async #ended(open: KnexTransaction): Promise<void> {
    if (this.#transaction === open) this.#transaction = undefined;
    this.#queries.left.delete(open);
    this.#queries.known.ran(open.mayChangeSchema);
    await open.end();
  }

  #open(call: QueryCall): KnexTransaction | undefined {
    if (this.#transaction !== undefined) return this.#transaction;
    // What holds a connection of its own was there before the transaction.
    return this.lease === undefined ? this.#queries.left.of(call.key) : undefined;
  }

  /** What waits for its turn longer than Knex waits for a connection is not run any more. */
  async #inTurn<T>(call: QueryCall, running: Promise<T>): Promise<T> {
    if (!call.waits) return running;
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      if (call.giveUp()) reject(new NoTurnError());
    }, this.#queries.waitsMs);
    try {
      return await Promise.race([running, late]);
    } catch (error) {
      if (error instanceof NoTurnError) running.catch(() => undefined);
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }
}

async function runOn(lease: KnexLease, call: QueryCall): Promise<KnexQuery> {
  lease.note(call);
  return lease.driver.client._query(lease.connection, call.query);
}
