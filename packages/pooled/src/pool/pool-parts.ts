import type { Clock } from '@changeover/core';
import type { StorageErrorFields } from '@changeover/engines/api';
import type { Budget } from '../budget.ts';
import type { Random } from './backoff.ts';
import type { PoolObserver } from './pool-observer.ts';
import type { ParsedPoolOptions } from './pool-options.ts';
import type { ResourceSource } from './resource-source.ts';

/** What a pool needs from outside. */
export interface PoolParts<Resource extends object> {
  /** For errors, figures and leak reports. */
  readonly name: string;
  readonly options: ParsedPoolOptions;
  readonly source: ResourceSource<Resource>;
  readonly budget: Budget;
  readonly clock: Clock;
  readonly random: Random;
  readonly observer: PoolObserver;
  /** Where the pool's errors happened: the fields that they carry. */
  readonly fields: StorageErrorFields;
  /** How many leases taken with `inTurn` there may be at once. Default: `max`. */
  readonly turns?: number | undefined;
  /** Called when the pool has no connections and no callers. It may be dropped then, or used again. */
  onEmpty?(): void;
}

/** What one caller of {@link Pool.acquire} wants. */
export interface AcquireOptions {
  /** Ends the wait with an `AbortedError`. */
  readonly signal?: AbortSignal | undefined;
  /** The wait ends no later than this, on the pool's monotonic clock. */
  readonly deadlineAtMs?: number | undefined;
  /** The operation, for errors and leak reports. */
  readonly takenFor?: string | undefined;
  /** Waits for one of the pool's turns as well, and holds it as long as the connection. Default: false. */
  readonly inTurn?: boolean | undefined;
  /** Lent if it is idle and fit. Default: the source's choice. */
  readonly prefer?: object | undefined;
  /** How long the work is expected to take, for work that may share its connection with other such work, if the source has
   * {@link ResourceSource.sharing}. It must leave no state on the connection, not even for a moment. Default: not shared. */
  readonly expectedMs?: number | undefined;
}
