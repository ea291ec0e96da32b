import type { Clock, Timer } from '@changeover/core';
import type { Engine, StorageErrorFields } from '@changeover/engines/api';
import { isWriting, type Job, nameOf } from '../job.ts';
import type { Lease } from '../pool/lease.ts';
import type { MeasuredRead, PooledSession } from '../pooled-session.ts';
import { type CallLimit, checkLimit, within } from './call-limit.ts';
import { failureClass } from './retry-policy.ts';

/** What work on a dataset's leases needs to know. */
export interface LeaseWorkParts {
  readonly engine: Engine;
  readonly clock: Clock;
  /** Where an error happened. */
  readonly fields: (operation?: string) => StorageErrorFields;
}

/** Work that runs on a leased connection already. */
export interface RunningWork<Value> {
  readonly lease: Lease<PooledSession>;
  readonly work: Promise<Value>;
  readonly limit: CallLimit;
  readonly operation: string;
  /** Whether nothing of it is applied where it is given up. */
  readonly unapplied: boolean;
  /** Whether the lease ends when the work fails. */
  readonly releaseOnFailure: boolean;
  /** What it is, where it is a job. */
  readonly job?: Job | undefined;
  /** Told that it failed, before the lease ends. */
  readonly onFailed?: (() => void) | undefined;
}

/** How a job runs on a lease. */
export interface JobTerms {
  readonly limit: CallLimit;
  /** Whether the lease ends when the job fails. */
  readonly releaseOnFailure: boolean;
  /** Set for a read whose cost is to be known. */
  readonly read?: MeasuredRead | undefined;
  /** See {@link RunningWork.onFailed}. */
  readonly onFailed?: (() => void) | undefined;
}

/** How long an engine may take to give a statement up before its connection is cut. */
const cancelGraceMs = 1_000;

/** Runs work on connections that are leased already, for callers that wait no longer than their limit. */
export class LeaseWork {
  readonly #parts: LeaseWorkParts;

  constructor(parts: LeaseWorkParts) {
    this.#parts = parts;
  }

  /** Runs a job. A caller that gives up is answered at once; the connection is given back when it is idle again, or cut
   * where that takes too long. */
  run(lease: Lease<PooledSession>, job: Job, terms: JobTerms): Promise<unknown> {
    const { limit, releaseOnFailure, read, onFailed } = terms;
    const operation = nameOf(job);
    let work: Promise<unknown>;
    try {
      checkLimit(limit, this.#parts.clock.monotonicMs(), this.#parts.fields(operation));
      // What an argument throws while it is read or sent must not keep the connection.
      work = lease.resource.run(job, read);
    } catch (error) {
      if (releaseOnFailure) lease.release();
      throw error;
    }
    const unapplied = !isWriting(job);
    return this.within({
      lease,
      work,
      limit,
      operation,
      unapplied,
      releaseOnFailure,
      job,
      onFailed,
    });
  }

  /** Waits for work no longer than the limit. */
  within<Value>(running: RunningWork<Value>): Promise<Value> {
    const { lease, work, limit, operation, unapplied, releaseOnFailure, job, onFailed } = running;
    const { engine, clock, fields } = this.#parts;
    const session = lease.resource;
    const ended = lease.running();
    const { end } = limit;
    if (end !== undefined && job !== undefined) end.mayEnd = () => session.mayEnd(job);
    return within(work, limit, clock, {
      unapplied,
      fields: fields(operation),
      onGiveUp: () => this.#abandon(running, session, ended),
      isInterrupted: (error) => failureClass(engine, error) === 'interrupted',
      onEnd: (failed) => {
        if (end !== undefined) end.mayEnd = undefined;
        if (failed) onFailed?.();
        if (failed && releaseOnFailure) lease.release();
        ended();
      },
      onOther:
        lease.isShared && unapplied
          ? (giveUp) => {
              lease.onDispersed = () => {
                giveUp(new DispersedError());
              };
            }
          : undefined,
    });
  }

  /** A rehearsal is answered when it has been rolled back and not before: the real write follows on the other leg, and
   * would meet its locks. */
  async rehearse(lease: Lease<PooledSession>, job: Job, { signal }: CallLimit): Promise<unknown> {
    const session = lease.resource;
    const ended = lease.running();
    let cut: Timer | undefined;
    const cancel = (): void => {
      void session.cancel();
      if (session.cancellable)
        cut = this.#parts.clock.after(cancelGraceMs, () => {
          session.cut();
        });
    };
    try {
      signal?.throwIfAborted();
      signal?.addEventListener('abort', cancel, { once: true });
      return await session.run(job);
    } catch (error) {
      lease.release();
      throw error;
    } finally {
      signal?.removeEventListener('abort', cancel);
      cut?.cancel();
      ended();
    }
  }

  #abandon(
    { lease, work, job }: RunningWork<unknown>,
    session: PooledSession,
    ended: () => void,
  ): boolean {
    let timer: Timer | undefined;
    const isEnded = job !== undefined && session.giveUp?.(job) === true;
    const cancel = (): void => {
      if (session.cancellable) {
        timer = this.#parts.clock.after(cancelGraceMs, () => {
          lease.discard('broken');
          session.cut();
        });
      }
      void session.cancel();
    };
    if (!isEnded) lease.whenAlone(cancel);
    const done = (): void => {
      timer?.cancel();
      ended();
      lease.release();
    };
    work.then(done, done);
    return isEnded;
  }
}

/** Sent away from a connection that others have to themselves now. Its reader runs it on another. */
class DispersedError extends Error {
  constructor() {
    super('The read waited behind one that turned out long.');
  }
}
