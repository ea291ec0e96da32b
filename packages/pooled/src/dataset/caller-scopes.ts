import { AsyncLocalStorage } from 'node:async_hooks';
import { pause } from '@changeover/core';
import { InvalidArgumentError } from '@changeover/engines/api';
import type {
  CallOptions,
  StorageSession,
  StorageTransaction,
  TransactionOptions,
} from '@changeover/engines/api';
import { inAttempts, parseTransactionOptions } from '@changeover/engines';
import type { CallEnd } from './call-end.ts';
import { abortedError, callLimit, type CallLimit, within } from './call-limit.ts';
import type { EngineSetting } from '../engine-parts.ts';
import { notApplied } from './retry-policy.ts';
import { OpenSession } from './open-session.ts';
import { backoffMs } from '../pool/backoff.ts';
import type { PooledDataset } from './pooled-dataset.ts';
import { checkWork, OpenTransaction } from './open-transaction.ts';

/** What the scopes of an engine are made of. */
export interface CallerScopesParts {
  readonly setting: EngineSetting;
  /** Of a statement that brings no deadline, in ms; 0 for none. */
  readonly callTimeoutMs: number;
  /** Runs work on a dataset's pools. */
  readonly pooled: <Value>(
    dataset: string,
    work: (pools: PooledDataset) => Promise<Value>,
  ) => Promise<Value>;
}

/** One caller's transaction or session. */
interface CallerWork<Value> {
  readonly dataset: string;
  readonly work: (scope: StorageSession) => Promise<Value> | Value;
  readonly options: CallOptions | undefined;
  readonly end: CallEnd | undefined;
}

/** The transactions and sessions that callers have open on one engine. Calls that their work makes for the same dataset take part. */
export class CallerScopes {
  readonly #parts: CallerScopesParts;
  readonly #scope = new AsyncLocalStorage<OpenTransaction>();
  #open = 0;

  constructor(parts: CallerScopesParts) {
    this.#parts = parts;
  }

  /** Whether the calling code is inside of one, of whatever dataset. */
  get inside(): boolean {
    return this.#scope.getStore()?.ended === false;
  }

  /** The one on a dataset that the calling code is inside of. */
  joined(dataset: string): OpenTransaction | undefined {
    if (this.#open === 0) return undefined;
    const scope = this.#scope.getStore();
    return scope !== undefined && !scope.ended && scope.dataset.dataset === dataset
      ? scope
      : undefined;
  }

  /** Runs a caller's function in a transaction: once, or as often as its options say. */
  async transaction<Value>(
    dataset: string,
    work: (transaction: StorageTransaction) => Promise<Value> | Value,
    options: (CallOptions & TransactionOptions) | undefined,
    end: CallEnd | undefined,
  ): Promise<Value> {
    checkWork(work, 'transaction');
    const { attempts, serializable } = parseTransactionOptions(options);
    const outer = this.joined(dataset);
    if (outer instanceof OpenSession && !serializable) return await outer.transaction(work);
    if (outer !== undefined) throw this.#nested('transaction', dataset);
    const { clock, engine, random } = this.#parts.setting;
    const whole = callLimit(options, 0, clock.monotonicMs());
    const given: CallerWork<Value> = { dataset, work, options, end };
    return await inAttempts(
      engine,
      attempts,
      () => this.#transactOnce(given, whole, serializable),
      async (failures) => {
        await within(pause(clock, backoffMs(failures, 5, 250, random)), whole, clock, {
          unapplied: true,
          fields: { engine, dataset, operation: 'transaction' },
          onGiveUp: () => undefined,
        });
      },
    );
  }

  /** Runs a caller's function once on a connection of its own. */
  async session<Value>(
    dataset: string,
    work: (session: StorageSession) => Promise<Value> | Value,
    options: CallOptions | undefined,
    end: CallEnd | undefined,
  ): Promise<Value> {
    checkWork(work, 'session');
    if (this.joined(dataset) !== undefined) throw this.#nested('session', dataset);
    const { pooled, setting } = this.#parts;
    const { clock, lockWaitMs, random } = setting;
    const whole = callLimit(options, 0, clock.monotonicMs());
    const limit = this.#limitOf(whole);
    const session = await pooled(dataset, async (pools) => {
      const lease = await pools.transactions.beginSession(beginning(limit, end));
      return new OpenSession({ dataset: pools, lease, limit, clock, random, lockWaitMs });
    });
    try {
      return await this.#within(session, { dataset, work, options, end }, 'session', whole);
    } finally {
      await session.finish();
    }
  }

  async #transactOnce<Value>(
    given: CallerWork<Value>,
    whole: CallLimit,
    serializable: boolean,
  ): Promise<Value> {
    const limit = this.#limitOf(whole);
    const transaction = await this.#parts.pooled(given.dataset, async (pools) => {
      const lease = await pools.transactions.begin(beginning(limit, given.end), serializable);
      return new OpenTransaction({ dataset: pools, lease, limit }, 'transaction');
    });
    let value: Value;
    try {
      value = await this.#within(transaction, given, 'transaction', whole);
    } catch (error) {
      await transaction.rollback();
      throw notApplied(error, transaction.dataset.fields('transaction'));
    }
    await transaction.commit();
    return value;
  }

  async #within<Value>(
    scope: OpenTransaction,
    { dataset, work, end }: CallerWork<Value>,
    operation: 'transaction' | 'session',
    whole: CallLimit,
  ): Promise<Value> {
    const { clock, engine } = this.#parts.setting;
    this.#open += 1;
    if (end !== undefined) endBy(end, scope, operation);
    try {
      const api = scope.api() as StorageSession;
      const working = this.#scope.run(scope, async () => await work(api));
      // A function that never returns must not keep its caller, who gave a deadline, or whose connection is gone.
      return await within(Promise.race([working, scope.lost]), whole, clock, {
        unapplied: operation === 'transaction',
        fields: { engine, dataset, operation },
        onGiveUp: () => undefined,
      });
    } finally {
      this.#open -= 1;
    }
  }

  /** Every statement has a limit, even where the whole has none. */
  #limitOf(whole: CallLimit): () => CallLimit {
    const { callTimeoutMs, setting } = this.#parts;
    return () => {
      const one = callLimit(undefined, callTimeoutMs, setting.clock.monotonicMs());
      return { signal: whole.signal, atMs: Math.min(whole.atMs, one.atMs) };
    };
  }

  #nested(operation: 'transaction' | 'session', dataset: string): InvalidArgumentError {
    return new InvalidArgumentError(
      `A ${operation} can not be begun inside a transaction or a session on the same dataset. ` +
        'Inside a session, call its own transaction().',
      { engine: this.#parts.setting.engine, dataset, operation },
    );
  }
}

function beginning(limit: () => CallLimit, end: CallEnd | undefined): CallLimit {
  return end === undefined ? limit() : { ...limit(), signal: end.signal };
}

/** Has a transaction or a session ended when its call is. */
function endBy(end: CallEnd, scope: OpenTransaction, operation: 'transaction' | 'session'): void {
  const { signal } = end;
  const cut = (): void => {
    const fields = scope.dataset.fields(operation);
    scope.cut(abortedError(signal.reason, operation === 'transaction', fields));
  };
  end.mayEnd = () => scope.mayCut;
  if (signal.aborted) cut();
  else signal.addEventListener('abort', cut, { once: true });
}
