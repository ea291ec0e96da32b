import type { TransactionState } from '@changeover/engines';
import type { Job } from './job.ts';

/** One connection of a pool, whatever the engine and the thread it is on. */
export interface PooledSession {
  /** False once it was closed or lost; it never becomes true again. */
  readonly usable: boolean;
  readonly transactionState: TransactionState;
  /** Runs a job to its end and gives what the API promises. One at a time, but for writes of their own where the pool's source
   * queues. */
  run(job: Job): Promise<unknown>;
  /** Whether `cancel` does anything, so that a connection that doesn't hear it is to be cut. */
  readonly cancellable: boolean;
  /** A job for another connection that tells whether the last commit sent here was applied: `committed`, `aborted` or
   * anything else for unknown. Undefined where that can't be told. */
  commitOutcome?(): Job | undefined;
  /** Asks the engine to give up what runs now, where it can. Never rejects. */
  cancel(): Promise<void>;
  /** Closes in good order. */
  close(): Promise<void>;
  /** Closes at once: what runs is rejected. */
  cut(): void;
}
