import type { TransactionState } from '@changeover/engines';
import type { Job } from './job.ts';

/** What reads of a kind have cost. */
export interface ReadCost {
  /** In ms; undefined as long as they aren't known to be short. */
  readonly expectedMs: number | undefined;
  /** One of them took so long. */
  note(durationMs: number): void;
}

/** A read and what is learnt from it. */
export interface MeasuredRead {
  readonly cost: ReadCost;
  /** Whether others run on the connection at the same time. */
  readonly shared: boolean;
}

/** A write was not run, because one that was sent before it on the connection failed and may be tried again. It is to be sent
 * again behind that. No caller sees this. */
export class FencedError extends Error {
  constructor() {
    super('The write before this one is tried again; this one must not overtake it.');
  }
}

/** One connection of a pool, whatever the engine and the thread it is on. */
export interface PooledSession {
  /** False once it was closed or lost; it never becomes true again. */
  readonly connected: boolean;
  /** Whether it may be lent to anyone: it is connected, and nothing is left on it. It never becomes true again. */
  readonly usable: boolean;
  readonly transactionState: TransactionState;
  /** Runs a job to its end and gives what the API promises. One at a time, but for those that share the connection where the pool's
   * source has that.
   *
   * @param read set for a read whose cost is to be known.
   * @throws {FencedError} for a job in a line. */
  run(job: Job, read?: MeasuredRead): Promise<unknown>;
  /** How often a job failed behind which those in a line come back (`FencedError`), as far as that is known here: one that was sent
   * when it was less, and is not answered yet, will come back. Undefined where none does. */
  readonly fences?: number | undefined;
  /** Whether `cancel` does anything, so that a connection that doesn't hear it is to be cut. */
  readonly cancellable: boolean;
  /** A job for another connection that tells whether the last commit sent here was applied: `committed`, `aborted` or
   * anything else for unknown. Undefined where that can't be told. */
  commitOutcome?(): Job | undefined;
  /** Whether a write that is not in a caller's transaction can be ended so that what `run` returned says what became of it. */
  mayEnd(job: Job): boolean;
  /** Asks the engine to give up what runs now, where it can. Never rejects. */
  cancel(): Promise<void>;
  /** Ends one job whose caller has gone, whoever else is on the connection, where that can be done at once.
   *
   * @returns whether what `run` returned settles for it: with an `AbortedError` or a `CommitUnknownError`, unless it came to
   * its end just then. Where it doesn't, `cancel` is for it. */
  giveUp?(job: Job): boolean;
  /** From now on it is one physical connection for all that runs, so that what was left on it stays in view. */
  pin?(): void;
  /** Closes in good order. */
  close(): Promise<void>;
  /** Closes at once, and sees to it that the engine keeps nothing of what ran, transaction included. Resolves when that is so, in
   * bounded time; never rejects. */
  end(): Promise<void>;
  /** Closes at once: what runs is rejected. */
  cut(): void;
}
