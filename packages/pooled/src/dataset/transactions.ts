import type { Clock } from '@changeover/core';
import type { Engine } from '@changeover/engines/api';
import { type Job, nameOf, type OperationJob } from '../job.ts';
import type { Lease } from '../pool/lease.ts';
import type { PooledSession } from '../pooled-session.ts';
import type { Attempts } from './attempts.ts';
import type { CallLimit } from './call-limit.ts';
import { endTransactionNow } from './end-transaction.ts';
import type { JobTerms, LeaseWork } from './lease-work.ts';
import type { OpenCalls } from './open-calls.ts';
import { failureClass, notApplied, retryAction, stateAtFailure } from './retry-policy.ts';
import type { SessionState } from './session-state.ts';

/** What one dataset's transactions run by. */
export interface TransactionsParts {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly calls: OpenCalls;
  readonly state: SessionState;
  readonly work: LeaseWork;
  readonly attempts: Attempts;
  /** Resolves where a commit whose answer was lost was applied; rejects where it wasn't, or nobody knows. */
  readonly resolveCommit: (
    session: PooledSession,
    limit: CallLimit,
    cause: unknown,
  ) => Promise<void>;
}

/** One dataset's transactions: each has a connection from its beginning to its end. */
export class Transactions {
  readonly #parts: TransactionsParts;

  constructor(parts: TransactionsParts) {
    this.#parts = parts;
  }

  /** Begins one that the caller must end by {@link end}. Nothing of the caller's has run yet, so a failure is met like a
   * read's. */
  async begin(limit: CallLimit, serializable: boolean = false): Promise<Lease<PooledSession>> {
    const { attempts, state } = this.#parts;
    return await attempts.run({
      kind: 'read',
      limit,
      operation: 'transaction',
      run: async (attempt) => {
        const lease = await state.lendWriter(limit, 'transaction');
        attempt.session = lease.resource;
        state.wroteOn(lease.resource);
        await this.run(lease, { kind: 'begin', serializable }, { limit, releaseOnFailure: true });
        return lease;
      },
    });
  }

  /** Lends a connection that nobody has kept, whatever is pinned, for a session, which ends with its lease. */
  async beginSession(limit: CallLimit): Promise<Lease<PooledSession>> {
    const { attempts, state } = this.#parts;
    return await attempts.run({
      kind: 'read',
      limit,
      operation: 'session',
      run: async (attempt) => {
        const lease = await state.lendUnkept(limit, 'session');
        attempt.session = lease.resource;
        return lease;
      },
    });
  }

  /**
   * Runs a caller's read in a transaction that sees one state and goes on after it; the caller must end it by {@link end}. Rejects with
   * what the read is not to fail by: it is to be made again as any other.
   */
  async readAndHold(
    job: OperationJob,
    limit: CallLimit,
  ): Promise<{ readonly value: unknown; readonly lease: Lease<PooledSession> }> {
    const { calls, state } = this.#parts;
    return await calls.during(async () => {
      const lease = await state.lendReader(limit, nameOf(job));
      try {
        await this.run(
          lease,
          { kind: 'begin', snapshot: true },
          { limit, releaseOnFailure: false },
        );
        const value = await this.run(lease, job, { limit, releaseOnFailure: false });
        return { value, lease };
      } catch (error) {
        // Nobody waits for that: not a caller who has given up either.
        void this.end(lease, 'rollback', { signal: undefined, atMs: Infinity });
        throw error;
      }
    });
  }

  /** Runs a caller's call in it.
   *
   * @throws {SessionStateError} where it leaves something on the connection beyond the transaction and that is refused. */
  async call(lease: Lease<PooledSession>, job: OperationJob, limit: CallLimit): Promise<unknown> {
    const { state } = this.#parts;
    const marked = state.marked({ ...job, inTransaction: true });
    state.keepFor(lease, marked);
    return await this.run(lease, marked, { limit, releaseOnFailure: false });
  }

  /** Runs a job on its connection. See {@link LeaseWork.run}. */
  async run(lease: Lease<PooledSession>, job: Job, terms: JobTerms): Promise<unknown> {
    const { calls, work } = this.#parts;
    return await calls.during(async () => await work.run(lease, job, terms));
  }

  /** Ends it: `commit` applies it, and rejects where it wasn't or nobody knows. The lease ends in any case. */
  async end(
    lease: Lease<PooledSession>,
    how: 'commit' | 'rollback',
    limit: CallLimit,
  ): Promise<void> {
    const { engine, state, resolveCommit } = this.#parts;
    const session = lease.held ? lease.resource : undefined;
    try {
      await this.run(lease, { kind: how }, { limit, releaseOnFailure: how === 'rollback' });
    } catch (error) {
      if (how === 'rollback') return;
      const reached = stateAtFailure(error, session?.transactionState ?? 'none');
      const action = retryAction(failureClass(engine, error), 'work', reached);
      if (session === undefined) throw error;
      // Lost before it was asked to commit, it is undone as a whole.
      if (reached === 'open') throw notApplied(error, { engine, operation: 'transaction' });
      if (action !== 'resolve') throw error;
      await resolveCommit(session, limit, error);
    } finally {
      state.transactionEnded(lease);
    }
  }

  /** Ends it in the middle: see {@link endTransactionNow}. */
  async cut(lease: Lease<PooledSession>): Promise<void> {
    await this.#parts.calls.during(() => endTransactionNow(lease, this.#parts.clock));
  }
}
