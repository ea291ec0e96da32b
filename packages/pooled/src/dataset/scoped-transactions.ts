import { AsyncLocalStorage } from 'node:async_hooks';
import type { Clock } from '@changeover/core';
import {
  type CallOptions,
  type Engine,
  InvalidArgumentError,
  type StorageTransaction,
} from '@changeover/engines/api';
import type { CallEnd } from './call-end.ts';
import { abortedError, type CallLimit, callLimit, within } from './call-limit.ts';
import type { OpenDatasets } from './open-datasets.ts';
import { checkWork, OpenTransaction } from './open-transaction.ts';

/** What one engine's transactions run by. */
export interface ScopedTransactionsParts {
  readonly engine: Engine;
  readonly datasets: OpenDatasets;
  readonly clock: Clock;
  /** Of a call that brings no deadline; 0 for none. */
  readonly callTimeoutMs: number;
}

/** A caller's function in a transaction. */
export interface TransactionCall<Value> {
  readonly dataset: string;
  readonly work: (transaction: StorageTransaction) => Promise<Value> | Value;
  readonly options: CallOptions | undefined;
  /** Set where somebody else can end it. */
  readonly end: CallEnd | undefined;
}

/** Runs callers' functions in transactions; calls that a function makes for the same dataset take part. */
export class ScopedTransactions {
  readonly #parts: ScopedTransactionsParts;
  readonly #scope = new AsyncLocalStorage<OpenTransaction>();
  #running = 0;

  constructor(parts: ScopedTransactionsParts) {
    this.#parts = parts;
  }

  /** Whether the call that is being made is made by a transaction's function. */
  get inside(): boolean {
    return this.#scope.getStore()?.ended === false;
  }

  /** The transaction that a call of a dataset takes part in. */
  joined(dataset: string): OpenTransaction | undefined {
    if (this.#running === 0) return undefined;
    const transaction = this.#scope.getStore();
    return transaction !== undefined &&
      !transaction.ended &&
      transaction.dataset.dataset === dataset
      ? transaction
      : undefined;
  }

  /**
   * Runs a function once and commits, or rolls back where it throws.
   *
   * @throws {InvalidArgumentError} for what is no function, or inside a transaction on the same dataset.
   */
  async run<Value>({ dataset, work, options, end }: TransactionCall<Value>): Promise<Value> {
    checkWork(work);
    const { engine, datasets, clock, callTimeoutMs } = this.#parts;
    const fields = { engine, dataset, operation: 'transaction' };
    if (this.joined(dataset) !== undefined) {
      throw new InvalidArgumentError(
        'A transaction can not be begun inside a transaction on the same dataset.',
        fields,
      );
    }
    const whole = callLimit(options, 0, clock.monotonicMs());
    // Every statement of a transaction has a limit, even where the whole has none.
    const limit = (): CallLimit => {
      const one = callLimit(undefined, callTimeoutMs, clock.monotonicMs());
      return { signal: whole.signal, atMs: Math.min(whole.atMs, one.atMs) };
    };
    const beginning = (): CallLimit =>
      end === undefined ? limit() : { ...limit(), signal: end.signal };
    const transaction = await datasets.use(
      dataset,
      async (pools) =>
        new OpenTransaction(pools, await pools.transactions.begin(beginning()), limit),
    );
    this.#running += 1;
    if (end !== undefined) endBy(end, transaction);
    try {
      let value: Value;
      try {
        const working = this.#scope.run(transaction, async () => await work(transaction.api()));
        // A function that never returns must not keep its caller, who gave a deadline, or whose connection is gone.
        value = await within(Promise.race([working, transaction.lost]), whole, clock, {
          unapplied: true,
          fields,
          onGiveUp: () => undefined,
        });
      } catch (error) {
        await transaction.rollback();
        throw error;
      }
      await transaction.commit();
      return value;
    } finally {
      this.#running -= 1;
    }
  }
}

/** Has a transaction ended when its call is. */
function endBy(end: CallEnd, transaction: OpenTransaction): void {
  const { signal } = end;
  const cut = (): void => {
    const fields = transaction.dataset.fields('transaction');
    transaction.cut(abortedError(signal.reason, true, fields));
  };
  end.mayEnd = () => transaction.mayCut;
  if (signal.aborted) cut();
  else signal.addEventListener('abort', cut, { once: true });
}
