import { InvalidArgumentError } from '@changeover/engines/api';
import type { StorageSession, StorageTransaction } from '@changeover/engines/api';
import { type CallLimit, within } from './call-limit.ts';
import { isWriting, type DatasetOperation, type OperationJob } from '../job.ts';
import { backoffMs, type Random } from '../pool/backoff.ts';
import { type Clock, pause } from '@changeover/core';
import { failureClass, retryAction } from './retry-policy.ts';
import { OpenTransaction, type OpenTransactionParts } from './open-transaction.ts';

/** What a session is made of. */
export interface OpenSessionParts extends OpenTransactionParts {
  readonly clock: Clock;
  readonly random: Random;
  /** The longest wait for a lock that another holds. */
  readonly lockWaitMs: number;
}

/**
 * One connection that a caller has to itself for several calls: each commits by itself, but for those of a transaction in it. The
 * connection is closed at its end, with all that was left on it.
 */
export class OpenSession extends OpenTransaction {
  readonly #parts: OpenSessionParts;
  #inner: Promise<unknown> | undefined = undefined;
  #inTransaction = false;

  constructor(parts: OpenSessionParts) {
    super(parts, 'session');
    this.#parts = parts;
    parts.lease.retire();
    // On one physical connection, however an engine spreads what it is given.
    parts.lease.resource.pin?.();
  }

  /** Waits for the calls that nobody waited for, and gives the connection back to be closed. Never rejects. */
  async finish(): Promise<void> {
    await this.#inner?.catch(() => undefined);
    await this.rollback();
  }

  /** Runs work in a transaction on the connection; see `StorageSession.transaction`. */
  async transaction<Value>(
    work: (transaction: StorageTransaction) => Promise<Value> | Value,
  ): Promise<Value> {
    if (this.#inner !== undefined) {
      throw new InvalidArgumentError(
        'A transaction can not be begun inside a transaction of the same session.',
        this.dataset.fields('transaction'),
      );
    }
    const inner = this.#transacted(work);
    this.#inner = inner;
    try {
      return await inner;
    } finally {
      this.#inner = undefined;
    }
  }

  override api(): StorageSession {
    return Object.freeze({
      ...super.api(),
      transaction: <Value>(work: (transaction: StorageTransaction) => Promise<Value> | Value) =>
        this.transaction(work),
    });
  }

  async #transacted<Value>(
    work: (transaction: StorageTransaction) => Promise<Value> | Value,
  ): Promise<Value> {
    await this.enqueue(async () => {
      await this.runJob({ kind: 'begin' });
      this.#inTransaction = true;
    });
    let value: Value;
    try {
      value = await Promise.race([Promise.resolve(this.api()).then(work), this.lost]);
      await this.calls();
    } catch (error) {
      await this.#endTransaction('rollback').catch(() => undefined);
      throw error;
    }
    await this.#endTransaction('commit');
    return value;
  }

  #endTransaction(kind: 'commit' | 'rollback'): Promise<unknown> {
    return this.enqueue(async () => {
      this.#inTransaction = false;
      const state = this.lease.resource.transactionState;
      if (kind === 'commit' && state !== 'open') {
        await this.runJob({ kind: 'rollback' });
        throw this.rolledBackError();
      }
      return await this.runJob({ kind });
    });
  }

  /** A statement waits for a lock, and is run again, as it would be on a connection of the pool. */
  protected override async perform(
    operation: DatasetOperation,
    args: readonly unknown[],
  ): Promise<unknown> {
    const { clock, lockWaitMs } = this.#parts;
    const inTransaction = this.#inTransaction;
    const job: OperationJob = {
      kind: 'operation',
      operation,
      args,
      inTransaction,
      inSession: true,
    };
    const untilMs = clock.monotonicMs() + lockWaitMs;
    for (let failures = 1; ; failures += 1) {
      try {
        return await this.runJob(job);
      } catch (error) {
        if (inTransaction || !this.#mayRunAgain(error, job) || clock.monotonicMs() >= untilMs)
          throw error;
        await this.#pause(failures, this.limit());
      }
    }
  }

  #mayRunAgain(error: unknown, job: OperationJob): boolean {
    const { engine } = this.dataset;
    const failure = failureClass(engine, error);
    // Another connection is another session.
    if (failure === 'connection' || !this.lease.held) return false;
    const kind = isWriting(job) ? 'write' : 'read';
    const action = retryAction(failure, kind, this.lease.resource.transactionState);
    return action === 'wait' || action === 'retry';
  }

  async #pause(failures: number, limit: CallLimit): Promise<void> {
    const { clock, random } = this.#parts;
    await within(pause(clock, backoffMs(failures, 2, 25, random)), limit, clock, {
      unapplied: true,
      fields: this.dataset.fields('session'),
      onGiveUp: () => undefined,
    });
  }
}
