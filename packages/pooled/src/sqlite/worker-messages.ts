import type { SqliteSessionOptions, TransactionState } from '@changeover/engines';
import type { Job, JobAnswer } from '../job.ts';
import type { ErrorData } from './error-transfer.ts';

/** What the main thread asks of a worker. Each is answered once, in order. */
export type WorkerRequest = { readonly call: number; readonly connection: number } & (
  | { readonly kind: 'open'; readonly dataset: string; readonly options: SqliteSessionOptions }
  | { readonly kind: 'run'; readonly job: Job }
  | { readonly kind: 'close' }
);

/** What a worker answers. */
export type WorkerReply = {
  readonly call: number;
  readonly durationMs: number;
  readonly transactionState: TransactionState;
} & (
  | { readonly ok: true; readonly answer: JobAnswer }
  | { readonly ok: false; readonly usable: boolean; readonly error: ErrorData }
);

/**
 * What a worker leaves behind if it dies in the middle of a write: which call it was at and how far that had come.
 * Written before and after each commit, read by the main thread only when the worker is gone.
 */
export const writeMark = { call: 0, phase: 1, rowsAffected: 2, length: 3 } as const;

/** Phases of a write. Before `committing` nothing of it can be in the file. */
export const writePhase = { none: 0, committing: 1, committed: 2 } as const;
