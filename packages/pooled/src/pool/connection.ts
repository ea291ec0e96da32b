import type { EvictionReason } from './pool-observer.ts';

/** What a lease was taken for. */
export interface LeaseTerms {
  /** The operation, for leak reports. */
  readonly takenFor: string;
  /** On the monotonic clock. */
  readonly takenAtMs: number;
  /** Where it was taken, if `leakStacks` is on. */
  readonly stack: string | undefined;
}

/** A lease as the pool watches it while it lasts. */
export interface WatchedLease {
  readonly terms: LeaseTerms;
  /** Whether it is held over many calls. */
  readonly pinned: boolean;
  leakReported: boolean;
  /** Since when nothing has run on it, in ms. */
  unusedMs(nowMs: number): number;
  /** Ends it, whoever has it; its connection is closed. */
  discard(reason: EvictionReason): void;
}

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
  /** Who has it; undefined while it is idle. */
  lease: WatchedLease | undefined;
}
