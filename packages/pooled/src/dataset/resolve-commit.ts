import { ConnectionError, type StorageErrorFields } from '@changeover/engines/api';
import type { Job } from '../job.ts';
import { CommitUnknownError } from '../pool/pool-errors.ts';
import type { PooledSession } from '../pooled-session.ts';

/** A commit whose answer was lost. */
export interface LostCommit {
  /** The connection that it was sent on. */
  readonly session: PooledSession;
  readonly cause: unknown;
  readonly fields: StorageErrorFields;
}

/** Before it is asked again of a transaction that still runs, in ms: the server may not have heard yet that its connection is gone. */
const pausesMs = [10, 30, 90, 270] as const;

/**
 * Finds out whether a commit whose answer was lost was applied. Resolves where it was.
 *
 * @param ask runs a job on another connection.
 * @param pause resolves after so many milliseconds.
 * @throws {ConnectionError} retryable, where it was not applied.
 * @throws {CommitUnknownError} where nobody knows.
 */
export async function resolveCommit(
  { session, cause, fields }: LostCommit,
  ask: (job: Job) => Promise<unknown>,
  pause: (ms: number) => Promise<void>,
): Promise<void> {
  const question = session.commitOutcome?.();
  if (question === undefined) throw new CommitUnknownError({ ...fields, cause });
  let outcome: unknown;
  try {
    outcome = await ask(question);
    for (const ms of pausesMs) {
      if (outcome !== 'in progress') break;
      await pause(ms);
      outcome = await ask(question);
    }
  } catch {
    outcome = 'unknown';
  }
  if (outcome === 'committed') return;
  if (outcome !== 'aborted') throw new CommitUnknownError({ ...fields, cause });
  throw new ConnectionError(
    'The connection was lost while the write was being committed; it was not applied.',
    { ...fields, cause, retryable: true },
  );
}
