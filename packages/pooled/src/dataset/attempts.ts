import { type Clock, pause } from '@changeover/core';
import type { Engine, StorageErrorFields } from '@changeover/engines/api';
import { backoffMs, type Random } from '../pool/backoff.ts';
import { CommitUnknownError } from '../pool/pool-errors.ts';
import type { PooledSession } from '../pooled-session.ts';
import type { Admissions } from './admissions.ts';
import { type CallLimit, checkLimit, within } from './call-limit.ts';
import type { OpenCalls } from './open-calls.ts';
import {
  failureClass,
  notApplied,
  retryAction,
  type RetryAction,
  type RetryBudget,
  stateAtFailure,
  type WorkKind,
} from './retry-policy.ts';

/** What one dataset's attempts are made with. */
export interface AttemptsParts {
  readonly engine: Engine;
  readonly admissions: Admissions;
  readonly calls: OpenCalls;
  readonly clock: Clock;
  readonly random: Random;
  readonly retryBudget: RetryBudget;
  /** The longest wait for a lock that another holds, where the call brings no earlier limit. */
  readonly lockWaitMs: number;
  /** Where an error happened. */
  readonly fields: (operation?: string) => StorageErrorFields;
  /** Whether a connection has something that no other has, so that the same work can't be done on another. */
  readonly hasKept: (session: PooledSession) => boolean;
  /** The other connections are worth nothing either. */
  readonly retireAll: () => void;
  /** Resolves where a commit whose answer was lost was applied; rejects where it wasn't, or nobody knows. */
  readonly resolveCommit: (
    session: PooledSession,
    limit: CallLimit,
    cause: unknown,
  ) => Promise<void>;
  readonly onRetry: ((action: string) => void) | undefined;
}

/** One attempt at a call. */
export interface Attempt {
  /** The connection that it runs on, once it has one. */
  session: PooledSession | undefined;
  /** When it was sent, where it had to wait for others of its caller before: its own wait for a lock begins then. */
  sentAtMs?: number | undefined;
}

/** A call that is tried until it succeeds or the policy says that it has failed. */
export interface AttemptedCall<Value> {
  readonly kind: WorkKind;
  readonly limit: CallLimit;
  readonly operation: string;
  readonly run: (attempt: Attempt) => Promise<Value>;
}

interface Failure {
  readonly error: unknown;
  readonly action: RetryAction;
  readonly session: PooledSession | undefined;
  /** The connection's loss was reported by another call before. */
  readonly lostWithOthers: boolean;
  /** It may be done again without asking its caller. */
  readonly mayRepeat: boolean;
}

/** Attempts for all failures but locks, which are waited for until the limit. */
const maxAttempts = 4;

/** Runs a dataset's calls, again where `retryRules` says so. */
export class Attempts {
  readonly #parts: AttemptsParts;

  constructor(parts: AttemptsParts) {
    this.#parts = parts;
  }

  /** @throws what the last attempt threw, as its caller is to see it. */
  async run<Value>(call: AttemptedCall<Value>): Promise<Value> {
    const { admissions, calls, clock, retryBudget, fields } = this.#parts;
    calls.enter();
    try {
      retryBudget.earn();
      const startedMs = clock.monotonicMs();
      let triedSinceMs: number | undefined;
      checkLimit(call.limit, startedMs, fields(call.operation));
      for (let failures = 1; ; failures += 1) {
        const attempt: Attempt = { session: undefined };
        const admission = admissions.admit(fields(call.operation));
        try {
          const value = await call.run(attempt);
          admissions.succeeded(admission);
          return value;
        } catch (error) {
          const { session } = attempt;
          const lostWithOthers = admissions.failed(admission, error, session);
          const action = this.#action(error, call.kind, session);
          const mayRepeat = !this.#isLostWithWhatItKept(error, session);
          const failure: Failure = { error, action, session, lostWithOthers, mayRepeat };
          this.#retireAfter(failure);
          triedSinceMs ??= attempt.sentAtMs ?? startedMs;
          if (!this.#mayTryAgain(failure, failures, triedSinceMs, call.limit))
            return await this.#giveIn<Value>(failure, call.limit);
          await this.#pause(action, failures, call);
        }
      }
    } finally {
      calls.leave();
    }
  }

  #action(error: unknown, kind: WorkKind, session: PooledSession | undefined): RetryAction {
    // Without a connection nothing was tried; the wait for one had its own limit.
    if (session === undefined) return 'fail';
    const failure = failureClass(this.#parts.engine, error);
    return retryAction(failure, kind, stateAtFailure(error, session.transactionState));
  }

  /** Another connection has nothing of what was set on this one, and would answer as if it had never been: whether that matters is
   * the caller's to say. */
  #isLostWithWhatItKept(error: unknown, session: PooledSession | undefined): boolean {
    const { engine, hasKept } = this.#parts;
    return (
      session !== undefined && failureClass(engine, error) === 'connection' && hasKept(session)
    );
  }

  /** A connection lost in use says that the others to the same server are worth nothing either; so does an instance of
   * DuckDB that has given itself up, for the connections to it. SQLite's have nothing in common but a file. */
  #retireAfter({ error, session, lostWithOthers }: Failure): void {
    const { engine, retireAll } = this.#parts;
    const fatal = { sqlite: undefined, duckdb: 'corrupt', postgresql: 'connection' }[engine];
    if (session === undefined || fatal === undefined || lostWithOthers) return;
    if (failureClass(engine, error) === fatal) retireAll();
  }

  #mayTryAgain(failure: Failure, failures: number, sinceMs: number, limit: CallLimit): boolean {
    const { clock, lockWaitMs, retryBudget } = this.#parts;
    if (failure.action === 'wait')
      return clock.monotonicMs() < Math.min(limit.atMs, sinceMs + lockWaitMs);
    return (
      failure.action === 'retry' &&
      failure.mayRepeat &&
      failures < maxAttempts &&
      clock.monotonicMs() < limit.atMs &&
      (failure.lostWithOthers || retryBudget.spend())
    );
  }

  /** What a call rejects with that is not tried again, or resolves to where its commit turns out to have been applied. */
  async #giveIn<Value>({ error, action, session }: Failure, limit: CallLimit): Promise<Value> {
    const { fields, resolveCommit } = this.#parts;
    if (action === 'resolve' && session !== undefined) {
      await resolveCommit(session, limit, error);
      // Writes that are transactions of their own answer nothing but that they are done.
      return undefined as Value;
    }
    if (action === 'unknown' || action === 'resolve')
      throw new CommitUnknownError({ ...fields(), cause: error });
    // What may be tried again was not applied, and its caller may try it again too.
    throw action === 'retry' ? notApplied(error, fields()) : error;
  }

  async #pause(
    action: RetryAction,
    failures: number,
    { limit, operation }: AttemptedCall<unknown>,
  ): Promise<void> {
    const { clock, random, onRetry, fields } = this.#parts;
    onRetry?.(action);
    const pauseMs =
      action === 'wait' ? backoffMs(failures, 2, 25, random) : backoffMs(failures, 10, 200, random);
    await within(pause(clock, pauseMs), limit, clock, {
      unapplied: true,
      fields: fields(operation),
      onGiveUp: () => undefined,
    });
  }
}
