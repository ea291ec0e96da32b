/** Why a connection was closed. */
export type EvictionReason =
  | 'idle'
  | 'lifetime'
  | 'broken'
  | 'invalid'
  | 'generation'
  | 'budget'
  | 'discarded'
  | 'retired'
  | 'reclaimed'
  | 'unwanted'
  | 'closing';

/** A lease on which nothing has run for too long. */
export interface LeakReport {
  /** What the lease was taken for, and the stack where, if stacks are on. */
  readonly takenFor: string;
  readonly takenAt: string | undefined;
  readonly heldMs: number;
  readonly unusedMs: number;
}

/** Receives a pool's events. Must not throw, and must be quick: it is called while callers wait. */
export interface PoolObserver {
  opened(durationMs: number): void;
  openFailed(error: unknown): void;
  /** A caller got a connection after `durationMs`. */
  waited(durationMs: number): void;
  /** A lease was given back. */
  used(durationMs: number): void;
  evicted(reason: EvictionReason): void;
  timedOut(): void;
  rejected(): void;
  leaked(report: LeakReport): void;
  reclaimed(report: LeakReport): void;
}

/** An observer that ignores every event. */
export const silentPoolObserver: PoolObserver = {
  opened() {},
  openFailed() {},
  waited() {},
  used() {},
  evicted() {},
  timedOut() {},
  rejected() {},
  leaked() {},
  reclaimed() {},
};
