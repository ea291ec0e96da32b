import type { Clock } from '@changeover/core';
import { AbortedError, type Engine, type StorageErrorFields } from '@changeover/engines/api';
import { isWriting, type Job, nameOf } from '../job.ts';
import type { Lease } from '../pool/lease.ts';
import type { Pool } from '../pool/pool.ts';
import { FencedError, type PooledSession, type ReadCost } from '../pooled-session.ts';
import type { Attempt } from './attempts.ts';
import { type CallLimit, within } from './call-limit.ts';
import type { LeaseWork } from './lease-work.ts';
import { failureClass } from './retry-policy.ts';
import type { PlaceInLine } from './write-line.ts';

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
  readonly clock: Clock;
  /** Where an error happened. */
  readonly fields: (operation?: string) => StorageErrorFields;
  /** A write is about to run on a connection. */
  readonly onWrite: (session: PooledSession) => void;
}

/** One attempt at a job: where it takes its connection, and for whom. */
export interface JobRun {
  readonly pool: Pool<PooledSession>;
  readonly job: Job;
  readonly limit: CallLimit;
  readonly attempt: Attempt;
  /** Set for a write that is sent behind others of its caller. */
  readonly place?: PlaceInLine | undefined;
}

/** Runs jobs on connections that they have to themselves, or share with others that are short. */
export class JobRuns {
  readonly #parts: JobRunsParts;

  constructor(parts: JobRunsParts) {
    this.#parts = parts;
  }

  /** Runs a job once. */
  run(run: JobRun): Promise<unknown> {
    const { job, place, pool } = run;
    if (place !== undefined) return this.#inLine(run, place);
    const mayShare =
      pool === this.#parts.readers && (job.kind !== 'operation' || job.session === undefined);
    const cost = mayShare ? this.#parts.costOf?.(job) : undefined;
    return cost?.expectedMs === undefined
      ? this.#alone(run, cost)
      : this.#shared(run, cost, cost.expectedMs);
  }

  #lease({ pool, job, limit }: JobRun): Promise<Lease<PooledSession>> {
    return pool.acquire({
      signal: limit.signal,
      deadlineAtMs: limit.atMs,
      takenFor: nameOf(job),
      inTurn: isWriting(job),
      expectedMs: this.#parts.sharesWrites && isOwnWrite(job) ? 0 : undefined,
    });
  }

  async #alone(run: JobRun, cost?: ReadCost): Promise<unknown> {
    const { job, limit, attempt } = run;
    const { work, onWrite } = this.#parts;
    const writes = isWriting(job);
    const lease = await this.#lease(run);
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

  /** A write that is sent behind those before it in its line, before they are answered. */
  async #inLine(run: JobRun, place: PlaceInLine): Promise<unknown> {
    const { work, onWrite, clock } = this.#parts;
    const { attempt, job, limit } = run;
    for (;;) {
      await this.#turn(run, place);
      const lease = await this.#lease(run);
      const session = lease.resource;
      if (!place.maySend(session)) {
        lease.release();
        await this.#waits(run, place.change());
        continue;
      }
      attempt.session = session;
      attempt.sentAtMs = clock.monotonicMs();
      onWrite(session);
      try {
        const answer = work.run(lease, job, {
          limit,
          releaseOnFailure: true,
          onFailed: () => {
            place.failed();
          },
        });
        place.sent(session);
        const value = await answer;
        lease.release();
        return value;
      } catch (error) {
        place.failed();
        if (!(error instanceof FencedError)) throw error;
        attempt.session = undefined;
      }
    }
  }

  async #turn(run: JobRun, place: PlaceInLine): Promise<void> {
    for (let turn; (turn = place.turn()) !== undefined;) await this.#waits(run, turn);
  }

  #waits({ job, limit }: JobRun, change: Promise<void>): Promise<void> {
    const { clock, fields } = this.#parts;
    return within(change, limit, clock, {
      unapplied: true,
      fields: fields(nameOf(job)),
      onGiveUp: () => undefined,
    });
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
