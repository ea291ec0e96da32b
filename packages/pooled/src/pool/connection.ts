import type { Lease } from './lease.ts';

/** One open connection of a pool, with what the pool remembers of it. */
export interface PooledConnection<Resource extends object> {
  readonly resource: Resource;
  /** Connections of an older generation than the pool's are closed instead of lent. */
  readonly generation: number;
  /** On the monotonic clock. */
  readonly openedAtMs: number;
  /** When it becomes too old to be lent, on the monotonic clock. */
  readonly expiresAtMs: number;
  /** Since when it is idle, on the monotonic clock; the last time if it is leased. */
  idleSinceMs: number;
  /** Idle, but for this turn of the event loop not offered to other pools. */
  lingers: boolean;
  /** Its lease holds one of the queue's turns. */
  holdsTurn: boolean;
  lease: Lease<Resource> | undefined;
}
