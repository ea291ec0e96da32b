import { ClosedError, ConnectionError, StorageError } from '@changeover/engines/api';
import type { StorageErrorFields } from '@changeover/engines/api';
import type { PoolStats } from './pool-stats.ts';
import { showPoolStats } from './pool-stats.ts';

/** `maxPending` callers wait already, so the call may be repeated later; or the only connection is kept for good, which no repeating
 * changes (`retryable` is false). Thrown at once; nothing was run. */
export class PoolExhaustedError extends ConnectionError {
  override readonly name = 'PoolExhaustedError';
  readonly pool: PoolStats;

  /** @param isKept the only connection is kept for what statements left on it, and the call needs another. */
  constructor(pool: PoolStats, fields: StorageErrorFields = {}, isKept = false) {
    super(
      isKept
        ? 'session() takes a connection of its own, and the only one that there may be is kept for what statements left on it ' +
            `(${showPoolStats(pool)}). Make budgets and the pool's max at least 2, or run those statements in a session() too.`
        : `No more callers may wait for a connection (${showPoolStats(pool)}). Call again later, or raise max or maxPending.`,
      { ...fields, retryable: !isKept },
      'POOL_EXHAUSTED',
    );
    this.pool = pool;
  }
}

/** No connection came free in time. Nothing was run. `cause` is why the last attempt to open one failed, if it did. */
export class AcquireTimeoutError extends ConnectionError {
  override readonly name = 'AcquireTimeoutError';
  readonly pool: PoolStats;

  /** @param usedUp the budget of all pools of the engine, where it is that which has no connection left. */
  constructor(
    waitedMs: number,
    pool: PoolStats,
    fields: StorageErrorFields = {},
    usedUp?: { readonly total: number },
  ) {
    const budget =
      usedUp === undefined
        ? ''
        : `; all ${usedUp.total} of the budget that all datasets of the engine share are in use`;
    const reason =
      fields.cause === undefined ? '' : ` Opening one failed: ${messageOf(fields.cause)}.`;
    super(
      `No connection within ${Math.round(waitedMs)} ms (${showPoolStats(pool)}${budget}).${reason}`,
      { ...fields, retryable: true },
      'ACQUIRE_TIMEOUT',
    );
    this.pool = pool;
  }
}

/** The circuit breaker is open: too many recent calls had no working connection, so this one was not tried. Nothing was run. */
export class CircuitOpenError extends ConnectionError {
  override readonly name = 'CircuitOpenError';
  readonly pool: PoolStats;

  constructor(pool: PoolStats, fields: StorageErrorFields = {}) {
    super(
      `Recent calls failed for want of a connection, so this one was not tried (${showPoolStats(pool)}). ` +
        'The next ones are let through one by one until one succeeds.',
      { ...fields, retryable: true },
      'CIRCUIT_OPEN',
    );
    this.pool = pool;
  }
}

/** The pool was closed before the caller got a connection. Nothing was run. */
export class PoolClosedError extends ClosedError {
  constructor(pool: string, fields: StorageErrorFields = {}) {
    super(`The ${pool} pool is closed and takes no more callers.`, fields);
  }
}

/** The connection was lost when COMMIT had been sent and no answer had come: the write may be there or not. It was not
 * run again. Look before you do. */
export class CommitUnknownError extends StorageError {
  override readonly name = 'CommitUnknownError';

  constructor(fields: StorageErrorFields = {}) {
    super(
      'COMMIT_UNKNOWN',
      'The connection was lost while the write was being committed: it may have been applied or not. ' +
        'It was not run again; read the data before you repeat it.',
      { ...fields, retryable: false },
    );
  }
}

function messageOf(error: unknown): string {
  const message = (error as { message?: unknown } | null)?.message;
  return typeof message === 'string' ? message.replace(/\.$/, '') : String(error);
}
