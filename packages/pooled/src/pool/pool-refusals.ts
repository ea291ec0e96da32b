import { AbortedError } from '@changeover/engines/api';
import type { StorageErrorFields } from '@changeover/engines/api';
import { AcquireTimeoutError, PoolClosedError, PoolExhaustedError } from './pool-errors.ts';
import type { Budget } from '../budget.ts';
import type { PoolParts } from './pool-parts.ts';
import type { PoolStats } from './pool-stats.ts';

/** The errors of one pool's callers, with where they happened and the pool's figures. */
export class PoolRefusals {
  readonly #pool: string;
  readonly #fields: StorageErrorFields;
  readonly #budget: Budget;
  readonly #stats: () => PoolStats;

  constructor(
    { name, fields, budget }: Pick<PoolParts<object>, 'name' | 'fields' | 'budget'>,
    stats: () => PoolStats,
  ) {
    this.#pool = name;
    this.#fields = fields;
    this.#budget = budget;
    this.#stats = stats;
  }

  exhausted(operation: string | undefined): PoolExhaustedError {
    return new PoolExhaustedError(this.#stats(), this.#fieldsOf(operation));
  }

  /** @param cause why the last attempt to open a connection failed, if it did. */
  timedOut(waitedMs: number, operation: string, cause: unknown): AcquireTimeoutError {
    const stats = this.#stats();
    const { open, opening, closing, max } = stats;
    const { used, total } = this.#budget;
    const fields = { ...this.#fieldsOf(operation), cause };
    const isUsedUp = used >= total && open + opening + closing < max;
    return new AcquireTimeoutError(waitedMs, stats, fields, isUsedUp ? { total } : undefined);
  }

  /** The one connection that there may be is kept. */
  kept(operation: string): PoolExhaustedError {
    return new PoolExhaustedError(this.#stats(), this.#fieldsOf(operation), true);
  }

  closed(operation?: string): PoolClosedError {
    return new PoolClosedError(this.#pool, this.#fieldsOf(operation));
  }

  aborted(signal: AbortSignal, operation: string | undefined): AbortedError {
    return new AbortedError(
      `The caller gave up waiting for a connection of the ${this.#pool} pool.`,
      { ...this.#fieldsOf(operation), cause: signal.reason },
    );
  }

  #fieldsOf(operation: string | undefined): StorageErrorFields {
    return operation === undefined ? this.#fields : { ...this.#fields, operation };
  }
}
