import {
  AbortedError,
  ClosedError,
  InvalidArgumentError,
  StatementError,
} from '@changeover/engines/api';
import { TransactionOverError } from '@changeover/core';
import { isConflict } from '@changeover/engines';
import type { StorageTransaction } from '@changeover/engines/api';
import type { CallLimit } from './call-limit.ts';
import type { DatasetOperation, Job } from '../job.ts';
import type { Lease } from '../pool/lease.ts';
import type { PooledDataset } from './pooled-dataset.ts';
import type { PooledSession } from '../pooled-session.ts';

/** The operations of a transaction object. */
const transactionOperations = [
  'readData',
  'readTable',
  'query',
  'writeTable',
  'execute',
  'getTableInfo',
  'getColumns',
  'tableExists',
  'listTables',
  'analyzeColumn',
] as const satisfies readonly (keyof StorageTransaction)[];

/** What a transaction is made of. */
export interface OpenTransactionParts {
  readonly dataset: PooledDataset;
  readonly lease: Lease<PooledSession>;
  /** The limit of one call from now on. */
  readonly limit: () => CallLimit;
}

/** One transaction that is under way: its calls run on one connection, one after the other. */
export class OpenTransaction {
  readonly dataset: PooledDataset;
  protected readonly lease: Lease<PooledSession>;
  protected readonly limit: () => CallLimit;
  readonly #what: 'transaction' | 'session';
  /** Rejects when the connection is taken back before the end. */
  readonly lost: Promise<never>;
  readonly #lose: (error: Error) => void;
  #last: Promise<unknown> = Promise.resolve();
  #ended = false;
  /** A statement was given up: it may still run, and what it did can't be told, so nothing of the transaction may stay. */
  #doomed = false;
  /** The commit was handed to the engine, so that its answer tells what became of the transaction. */
  #committing = false;
  #cut: { readonly error: Error; readonly done: Promise<void> } | undefined = undefined;
  /** Why the engine gave the transaction up, where its work did not pass that on. */
  #conflict: unknown = undefined;

  constructor({ dataset, lease, limit }: OpenTransactionParts, what: 'transaction' | 'session') {
    this.dataset = dataset;
    this.lease = lease;
    this.limit = limit;
    this.#what = what;
    const { promise, reject } = Promise.withResolvers<never>();
    this.lost = promise;
    this.#lose = reject;
    lease.onTakenBack = () => {
      reject(this.#lostError());
    };
    this.lost.catch(() => undefined);
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Runs a call on the transaction's connection, after those before it. */
  async run(operation: DatasetOperation, args: readonly unknown[]): Promise<unknown> {
    return await this.enqueue(() => this.perform(operation, args));
  }

  /** Does something on the connection after what was asked for before. */
  protected async enqueue<Value>(work: () => Promise<Value>): Promise<Value> {
    if (this.#cut !== undefined) throw new TransactionOverError(this.dataset.dataset);
    if (this.#ended) throw this.#endedError();
    const call = this.#last
      .then(() => {
        if (this.#cut !== undefined) throw new TransactionOverError(this.dataset.dataset);
        if (this.#doomed || !this.lease.held) throw this.#lostError();
        return work();
      })
      .catch((error: unknown) => {
        if (error instanceof AbortedError) this.#doomed = true;
        if (isConflict(this.dataset.engine, error)) this.#conflict ??= error;
        throw error;
      });
    this.#last = call.catch(() => undefined);
    return await call;
  }

  /** Runs a call, when it is its turn. */
  protected async perform(operation: DatasetOperation, args: readonly unknown[]): Promise<unknown> {
    const job = { kind: 'operation', operation, args } as const;
    return await this.dataset.transactions.call(this.lease, job, this.limit());
  }

  protected async runJob(job: Job): Promise<unknown> {
    const terms = { limit: this.limit(), releaseOnFailure: false };
    return await this.dataset.transactions.run(this.lease, job, terms);
  }

  /** Waits for the calls that nobody waited for, and commits.
   *
   * @throws where it was not applied, or nobody knows. */
  async commit(): Promise<void> {
    await Promise.race([this.#settle(), this.lost.catch(() => undefined)]);
    if (this.#cut !== undefined) {
      await this.rollback();
      throw this.#cut.error;
    }
    if (this.#doomed) {
      await this.#end();
      throw this.#lostError();
    }
    if (!this.lease.held) throw this.#lostError();
    const state = this.lease.resource.transactionState;
    if (state !== 'open') {
      await this.dataset.transactions.end(this.lease, 'rollback', this.limit());
      throw this.rolledBackError();
    }
    this.#committing = true;
    await this.dataset.transactions.end(this.lease, 'commit', this.limit());
  }

  /** Waits for the calls that nobody waited for, and undoes everything. Never rejects. */
  async rollback(): Promise<void> {
    if (this.#cut !== undefined) {
      this.#ended = true;
      await this.#cut.done;
      return;
    }
    await this.#settle();
    await this.#end();
  }

  /** Whether {@link cut} does what it says: an engine may not let go of a commit. */
  get mayCut(): boolean {
    return !this.#committing || this.dataset.engine !== 'duckdb';
  }

  /**
   * Ends it from outside. `lost` rejects at once with `error`, nothing that its work goes on to do is applied, and {@link rollback}
   * resolves when the engine has nothing of it any more. Where the commit is under way, its connection is ended, and `commit` says
   * what became of it.
   */
  cut(error: Error): void {
    if (!this.#committing) {
      this.#cut ??= { error, done: this.dataset.transactions.cut(this.lease) };
      this.#lose(error);
    } else if (this.lease.held) void this.lease.resource.end();
  }

  async #end(): Promise<void> {
    // A connection on which something still runs goes when that has ended.
    if (!this.lease.held || this.lease.busy) return;
    if (this.#what === 'session') {
      this.lease.release();
      return;
    }
    try {
      await this.dataset.transactions.end(this.lease, 'rollback', this.limit());
    } catch {
      this.lease.discard('broken');
    }
  }

  protected rolledBackError(): StatementError {
    return new StatementError(
      'A statement of the transaction failed and the engine gave the whole of it up: it was rolled ' +
        'back. Begin a new one.',
      { ...this.dataset.fields('transaction'), cause: this.#conflict },
    );
  }

  /** The object that the caller's function gets. */
  api(): StorageTransaction {
    const calls = transactionOperations.map(
      (operation) =>
        [operation, (...args: readonly unknown[]) => this.run(operation, args)] as const,
    );
    return Object.freeze(Object.fromEntries(calls)) as unknown as StorageTransaction;
  }

  async #settle(): Promise<void> {
    await this.calls();
    this.#ended = true;
  }

  /** Waits for the calls that were begun. What follows from one of them in the same tick counts too. */
  protected async calls(): Promise<void> {
    let last: Promise<unknown>;
    do {
      last = this.#last;
      await last;
      await new Promise<void>((resolve) => {
        setImmediate(resolve);
      });
    } while (last !== this.#last);
  }

  #endedError(): ClosedError {
    return new ClosedError(
      `The ${this.#what} has ended and takes no more calls.`,
      this.dataset.fields(this.#what),
    );
  }

  #lostError(): AbortedError {
    const isTransaction = this.#what === 'transaction';
    return new AbortedError(
      `The ${this.#what}'s connection was taken back: because of a deadline, or because nothing ran on it for too long. ` +
        (isTransaction ? 'Nothing of it was applied.' : 'What it did before stays.'),
      { ...this.dataset.fields(this.#what), retryable: isTransaction },
    );
  }
}

/** Checks what a caller wants to be run.
 *
 * @throws {InvalidArgumentError} where it is no function. */
export function checkWork(work: unknown, operation: 'transaction' | 'session'): void {
  if (typeof work !== 'function')
    throw new InvalidArgumentError(`${operation} takes a function that does the work.`);
}
