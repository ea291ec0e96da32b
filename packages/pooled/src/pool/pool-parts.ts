import type { Clock } from '@changeover/core';
import type { StorageErrorFields } from '@changeover/engines';
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
  /** What the pool's errors say of where they happened. */
  readonly fields: StorageErrorFields;
  /** How many of those who take a turn may have a connection at once. Default: as many as there are. */
  readonly turns?: number | undefined;
  /** Called when nothing is left in it: no connection, no caller. It may be forgotten then, or used again. */
  onEmpty?(): void;
}

/** What one caller wants. */
export interface AcquireOptions {
  /** Gives the wait up. */
  readonly signal?: AbortSignal | undefined;
  /** The wait ends no later than this, on the pool's monotonic clock. */
  readonly deadlineAtMs?: number | undefined;
  /** The operation, for errors and leak reports. */
  readonly takenFor?: string | undefined;
  /** Waits for a turn too, and keeps it as long as the connection. Default: false. */
  readonly inTurn?: boolean | undefined;
  /** Takes a connection together with others who ask for it like this, where the source has {@link ResourceSource.sharing}, for work
   * that is expected to take so long. Nothing may be left behind on it, not even for a moment. Default: alone. */
  readonly expectedMs?: number | undefined;
}
