import type { Engine } from './api/engine.ts';
import type { Program, StepResult } from './program.ts';

/**
 * Where a session's transaction stands: `none`; `open`; `failed` (PostgreSQL and DuckDB refuse everything but a rollback
 * after an error); `committing` from when COMMIT was sent until it was answered. A connection that was lost while
 * `committing` keeps that state: then nobody knows whether the transaction was applied.
 */
export type TransactionState = 'none' | 'open' | 'failed' | 'committing';

/** What every session tells of itself. */
export interface SessionState {
  readonly engine: Engine;
  /** False once it was closed or its connection was lost. It never becomes true again. */
  readonly usable: boolean;
  readonly transactionState: TransactionState;
}

/** One physical connection whose statements block: SQLite. For worker threads as for the main one. */
export interface SyncSession extends SessionState {
  /**
   * Runs a program to its end.
   *
   * @throws {StorageError} of the family; {@link ClosedError} after `close`.
   */
  run<T>(program: Program<T>): T;
  /** Rolls back what is open and closes. Idempotent. */
  close(): void;
}

/** One physical connection that answers later: DuckDB, PostgreSQL. */
export interface AsyncSession extends SessionState {
  /**
   * Runs a program to its end. Programs given while another runs wait for it in order, because an engine's connection
   * takes one statement at a time.
   *
   * Rejects with an error of the family; with a `ClosedError` after `close`.
   */
  run<T>(program: Program<T>): Promise<T>;
  /** Asks the engine to give up the statement that runs now, if one does; its program then rejects with a
   * `StatementError` of class `interrupted`. Never rejects, and never waits longer than the connect time-out. */
  cancel(): Promise<void>;
  /** Closes the connection, in the middle of a statement too: what runs or waits is rejected. Idempotent, never rejects.
   * Returns in bounded time whatever the server does. */
  close(): Promise<void>;
}

/** Rows of a statement that come as they are asked for. */
export interface ResultStream {
  /** Whether there may be more rows. Another statement on the connection ends the stream. */
  isOpen(): boolean;
  /** The next rows, as many as the engine makes at once; undefined at the end. Rejects where the stream is not open. */
  next(): Promise<StepResult | undefined>;
}
