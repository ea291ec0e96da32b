import type { SqliteSessionOptions, TransactionState } from '@changeover/engines';
import type { Job, JobAnswer } from '../job.ts';
import type { ErrorData } from './error-transfer.ts';
import type { PackedRows } from './packed-rows.ts';
import type { StatementBound } from './statement-bound.ts';

/** What the main thread asks of a worker or a child process. Each is answered once, in order. */
export type WorkerRequest = { readonly call: number; readonly connection: number } & (
  | { readonly kind: 'open'; readonly dataset: string; readonly options: SqliteSessionOptions }
  | {
      readonly kind: 'run';
      readonly job: Job;
      /** Whether its statements are run only if their plans bound them. */
      readonly guarded: boolean;
      /** How many refusals on this connection the one who asks knows of. */
      readonly refusals: number;
      /** How many fences on this connection the one who asks knows of. */
      readonly fences: number;
    }
  | { readonly kind: 'close' }
);

/** What is answered. */
export type WorkerReply = {
  readonly call: number;
  readonly durationMs: number;
  readonly transactionState: TransactionState;
} & (
  | { readonly outcome: 'done'; readonly answer: JobAnswer }
  | {
      readonly outcome: 'failed';
      readonly usable: boolean;
      readonly error: ErrorData;
      /** Whether it raised a fence: what is in a line and was sent before this was known is not run. */
      readonly fences: boolean;
    }
  /** Nothing of it was run: one before it raised a fence. */
  | { readonly outcome: 'fenced' }
  /** Nothing of it was run: no plan bounds it, or without `bound`, it was sent behind one that was refused for that and must
   * not overtake it. */
  | { readonly outcome: 'refused'; readonly bound: StatementBound | undefined }
);

/** Some rows of an answer that comes behind them, where it has many. */
export interface WorkerPiece {
  readonly call: number;
  readonly columns: readonly string[];
  readonly piece: PackedRows;
}

/** What comes back from a worker or a child process. */
export type WorkerMessage = WorkerReply | WorkerPiece;

/** Answers that a worker holds back at most, to send them together: it takes as long to wake the other thread as to write a row. */
export const mostHeldAnswers = 8;

/**
 * What a worker leaves behind of a write if it dies before that is answered: which call it was and how far that had come.
 * Written before and after each commit, read by the main thread only when the worker is gone.
 */
export const writeMark = { call: 0, phase: 1, rowsAffected: 2, length: 3 } as const;

/** A mark for each call that may be done and not answered. */
const marks = 4 * mostHeldAnswers;

/** The length of all marks. */
export const marksLength: number = marks * writeMark.length;

/** Where the mark of a call begins. */
export function markOf(call: number): number {
  return (call % marks) * writeMark.length;
}

/** Phases of a write. Before `committing` nothing of it can be in the file. */
export const writePhase = { none: 0, committing: 1, committed: 2 } as const;

/** The file descriptor on which a child process writes the number of a call, four bytes, before its commit. */
export const commitMarksFd = 4;

/** What a child process says first. */
export const childReady = 'ready';
