import { AbortedError, type Engine } from '@changeover/engines/api';
import { isWriting, type Job, nameOf } from '../job.ts';
import type { Lease } from '../pool/lease.ts';
import type { Pool } from '../pool/pool.ts';
import type { PooledSession, ReadCost } from '../pooled-session.ts';
import type { Attempt } from './attempts.ts';
import type { CallLimit } from './call-limit.ts';
import type { LeaseWork } from './lease-work.ts';
import { failureClass } from './retry-policy.ts';

/** What one dataset's jobs run by. */
export interface JobRunsParts {
  readonly engine: Engine;
  readonly work: LeaseWork;
  /** The pool of which short reads may share a connection. */
  readonly readers: Pool<PooledSession>;
  /** What a read has cost so far, where an engine lets short ones share a connection; undefined for what may not. */
  readonly costOf: ((job: Job) => ReadCost | undefined) | undefined;
  /** Whether writes that are transactions of their own share a connection. */
  readonly sharesWrites: boolean;
  /** A write is about to run on a connection. */
  readonly onWrite: (session: PooledSession) => void;
}

/** One attempt at a job: where it takes its connection, and for whom. */
export interface JobRun {
  readonly pool: Pool<PooledSession>;
  readonly job: Job;
  readonly limit: CallLimit;
  readonly attempt: Attempt;
}

/** Runs jobs on connections that they have to themselves, or share with others that are short. */
export class JobRuns {
  readonly #parts: JobRunsParts;

  constructor(parts: JobRunsParts) {
    this.#parts = parts;
  }

  /** Runs a job once. */
  run(run: JobRun): Promise<unknown> {
    const { job, pool } = run;
    const mayShare =
      pool === this.#parts.readers && (job.kind !== 'operation' || job.session === undefined);
    const cost = mayShare ? this.#parts.costOf?.(job) : undefined;
    return cost?.expectedMs === undefined
      ? this.#alone(run, cost)
      : this.#shared(run, cost, cost.expectedMs);
  }

  async #alone({ pool, job, limit, attempt }: JobRun, cost?: ReadCost): Promise<unknown> {
    const { work, sharesWrites, onWrite } = this.#parts;
    const writes = isWriting(job);
    const lease = await pool.acquire({
      signal: limit.signal,
      deadlineAtMs: limit.atMs,
      takenFor: nameOf(job),
      inTurn: writes,
      expectedMs: sharesWrites && isOwnWrite(job) ? 0 : undefined,
    });
    attempt.session = lease.resource;
    if (writes) onWrite(lease.resource);
    const read = cost === undefined ? undefined : { cost, shared: false };
    const value =
      job.kind === 'rehearse'
        ? await work.rehearse(lease, job, limit)
        : await work.run(lease, job, { limit, releaseOnFailure: true, read });
    lease.release();
    return value;
  }

  /** A short read on a connection that others read on. Where it fails among them, that may be their doing (a setting changed, a
   * statement of the same text that was not to be prepared, a cancel that was meant for another); what it says alone holds. */
  async #shared(run: JobRun, cost: ReadCost, expectedMs: number): Promise<unknown> {
    const { pool, job, limit, attempt } = run;
    const place = await pool.acquire({
      signal: limit.signal,
      deadlineAtMs: limit.atMs,
      takenFor: nameOf(job),
      inTurn: false,
      expectedMs,
    });
    attempt.session = place.resource;
    try {
      const read = { cost, shared: true };
      const value = await this.#parts.work.run(place, job, { limit, releaseOnFailure: true, read });
      place.release();
      return value;
    } catch (error) {
      if (!this.#mayBeOthersDoing(place, error)) throw error;
    }
    attempt.session = undefined;
    return await this.#alone(run, cost);
  }

  #mayBeOthersDoing(place: Lease<PooledSession>, error: unknown): boolean {
    return (
      place.wasShared &&
      !(error instanceof AbortedError) &&
      failureClass(this.#parts.engine, error) !== 'connection'
    );
  }
}

/** A write that is a transaction of its own. */
function isOwnWrite(job: Job): boolean {
  return job.kind === 'operation' && job.inTransaction !== true && isWriting(job);
}
