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

/** A lease that nothing has run on for too long. */
export interface LeakReport {
  /** What the lease was taken for, and the stack where, if stacks are on. */
  readonly takenFor: string;
  readonly takenAt: string | undefined;
  readonly heldMs: number;
  readonly unusedMs: number;
}

/** What a pool tells of itself as it happens. Must not throw; the pool calls it on its callers' path. */
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

/** For a pool that nobody watches. */
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
