import { AbortedError } from '@changeover/engines/api';
import type { StorageErrorFields } from '@changeover/engines/api';
import { AcquireTimeoutError, PoolClosedError, PoolExhaustedError } from './pool-errors.ts';
import type { PoolStats } from './pool-stats.ts';

/** The errors of one pool's callers, with where they happened and the pool's figures. */
export class PoolRefusals {
  readonly #pool: string;
  readonly #fields: StorageErrorFields;
  readonly #stats: () => PoolStats;

  constructor(pool: string, fields: StorageErrorFields, stats: () => PoolStats) {
    this.#pool = pool;
    this.#fields = fields;
    this.#stats = stats;
  }

  exhausted(operation: string | undefined): PoolExhaustedError {
    return new PoolExhaustedError(this.#stats(), this.#fieldsOf(operation));
  }

  /** @param cause why the last attempt to open a connection failed, if it did. */
  timedOut(waitedMs: number, operation: string, cause: unknown): AcquireTimeoutError {
    return new AcquireTimeoutError(waitedMs, this.#stats(), {
      ...this.#fieldsOf(operation),
      cause,
    });
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
