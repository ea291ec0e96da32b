import {
  AbortedError,
  ConnectionError,
  SessionStateError,
  StatementError,
} from '@changeover/engines/api';
import type { Clock, Timer, WriteEffect } from '@changeover/core';
import type { Engine, StorageErrorFields } from '@changeover/engines/api';
import { checkLimit, within } from './call-limit.ts';
import type { CallLimit } from './call-limit.ts';
import { isWriting } from './job.ts';
import type { Job, OperationJob, RehearseJob } from './job.ts';
import { endTransactionNow } from './end-transaction.ts';
import { backoffMs } from './pool/backoff.ts';
import type { Random } from './pool/backoff.ts';
import type { Lease } from './pool/lease.ts';
import type { Admission, BreakerState, PoolBreaker } from './pool/pool-breaker.ts';
import { CircuitOpenError, CommitUnknownError } from './pool/pool-errors.ts';
import type { PoolStats } from './pool/pool-stats.ts';
import type { Pool } from './pool/pool.ts';
import type { MeasuredRead, PooledSession, ReadCost } from './pooled-session.ts';
import { failureClass, isLackOfConnection, retryAction, stateAtFailure } from './retry-policy.ts';
import type { RetryAction, RetryBudget, WorkKind } from './retry-policy.ts';
import type { KeepAlive } from './keep-alive.ts';
import {
  keepsSession,
  type KnownReliance,
  type SessionFacts,
  type SessionMode,
  type SessionUse,
} from '@changeover/engines';
import type { SessionPin } from './session/session-pin.ts';

/** Reads on the spot, where an engine has that. */
export interface InlineReads {
  /** @returns undefined where the read has to take a connection of the pool. */
  tryRead(job: OperationJob): { readonly value: unknown } | undefined;
  /** When to try again, for a read that belongs here but found the event loop busy enough. */
  nextTurn(job: OperationJob): Promise<void> | undefined;
  /** Whether something is open for it. */
  open(): boolean;
  /** See `ShadowLeg.version`. */
  version(): string | undefined;
  /** The same; what it has to open for that, it opens. Throws what that throws. */
  look(): string | undefined;
  close(): void;
}

/** What a dataset's pools are made of. */
export interface PooledDatasetParts {
  readonly engine: Engine;
  readonly dataset: string;
  /** Lends connections for reads; the same pool as `writers` where the engine makes no difference. */
  readonly readers: Pool<PooledSession>;
  readonly writers: Pool<PooledSession>;
  readonly inline?: InlineReads | undefined;
  /** What a read has cost so far, where an engine lets short ones share a connection; undefined for what may not. */
  readonly costOf?: ((job: Job) => ReadCost | undefined) | undefined;
  /** Whether writes that are transactions of their own share a connection. */
  readonly sharesWrites?: boolean | undefined;
  /** What a job is expected to take, in ms, where an engine knows; Infinity for what may never end. */
  readonly estimatedCostMs?: ((job: Job) => number | undefined) | undefined;
  readonly session: SessionParts;
  readonly breaker: PoolBreaker;
  readonly retryBudget: RetryBudget;
  readonly clock: Clock;
  readonly random: Random;
  readonly keepAlive: KeepAlive;
  /** The longest wait for a lock that another holds, where the call brings no earlier limit. */
  readonly lockWaitMs: number;
  /** Called when nothing is open and nobody waits. */
  readonly onEmpty: () => void;
  readonly onRetry?: ((action: string) => void) | undefined;
}

/** What becomes of statements that leave something on their connection. */
export interface SessionParts {
  readonly facts: SessionFacts;
  /** `pin`: the dataset has one connection from then on. `refuse`: they are refused. `none`: they are run, and nobody is lent the
   * connection afterwards. Asked at each of them. */
  readonly mode: () => SessionMode;
  /** What the dataset's calls are known to rely on. */
  readonly known: () => KnownReliance;
  /** @param last the connection last written on. */
  readonly pin: (last: () => PooledSession | undefined) => SessionPin;
}

/** How long an engine may take to give a statement up before its connection is cut. */
const cancelGraceMs = 1_000;
/** Turns of the event loop that a read waits for its share of one, which is quicker than a worker's answer. */
const mostTurns = 10;
/** Attempts for all failures but locks, which are waited for until the limit. */
const maxAttempts = 4;

/** One dataset's connections and how calls run on them: lent, limited, retried by the written policy. */
export class PooledDataset {
  readonly engine: Engine;
  readonly dataset: string;
  readonly #parts: PooledDatasetParts;
  #closing: Promise<void> | undefined;
  #callers = 0;
  readonly #onAnswered = new Set<() => void>();
  readonly #lostSessions = new WeakSet<PooledSession>();
  readonly #pin: SessionPin;
  #lastWriter: WeakRef<PooledSession> | undefined;
  /** The last failure for want of a connection: why the breaker is open, if it is. */
  #lastLack: unknown;

  constructor(parts: PooledDatasetParts) {
    this.engine = parts.engine;
    this.dataset = parts.dataset;
    this.#parts = parts;
    this.#pin = parts.session.pin(() => this.#lastWriter?.deref());
    this.#keepWhatIsKnown();
  }

  /** Whether it takes no more calls. */
  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /** Whether nothing is open and nobody waits. */
  isEmpty(): boolean {
    return (
      this.#callers === 0 &&
      this.#parts.inline?.open() !== true &&
      this.#pin.isEmpty() &&
      this.#pools().every((pool) => pool.isEmpty())
    );
  }

  /** Whether calls are let through. */
  get breakerState(): BreakerState {
    return this.#parts.breaker.state;
  }

  stats(): PoolStats[] {
    return this.#pools().map((pool) => pool.stats());
  }

  /** What a job is expected to take, in ms; Infinity for what may never end, undefined where nothing is known. */
  estimatedCostMs(job: Job): number | undefined {
    return this.#parts.estimatedCostMs?.(job);
  }

  /** See `ShadowLeg.version`. */
  version(): string | undefined {
    return this.#parts.inline?.version();
  }

  /** The same; what it has to open for that, it opens. Throws what that throws. */
  look(): string | undefined {
    return this.closed || this.#pin.takesAll ? this.version() : this.#parts.inline?.look();
  }

  /** Runs a read on the spot if that is the cheapest; undefined where it isn't. Throws what the read throws. */
  tryInline(job: OperationJob): { readonly value: unknown } | undefined {
    const { inline } = this.#parts;
    if (inline === undefined || this.closed || this.#pin.takesAll) return undefined;
    return this.marked(job).session === undefined ? inline.tryRead(job) : undefined;
  }

  /** A job with what its statement does to its connection. */
  marked(job: OperationJob): OperationJob {
    if (job.operation !== 'query' && job.operation !== 'execute') return job;
    const [sql] = job.args;
    if (typeof sql !== 'string') return job;
    const { facts } = this.#parts.session;
    const keeps = keepingOf(facts.sessionUse(sql));
    if (keeps !== undefined) return { ...job, session: keeps };
    return facts.readsLastWrite(sql) ? { ...job, session: 'last write' } : job;
  }

  /** To be told of a statement in a transaction before it runs: what it leaves on the connection is there for the next call.
   *
   * @throws {SessionStateError} where that is refused. */
  keepFor(lease: Lease<PooledSession>, job: Job): void {
    if (job.kind !== 'operation' || job.session !== 'keeps' || this.#pin.owns(lease)) return;
    const mode = this.#parts.session.mode();
    this.#refuseState(job, mode);
    if (mode === 'pin') this.#pin.adopt(lease);
  }

  /** A dataset that was seen to rely on its session has one connection from the first call on. */
  #keepWhatIsKnown(): void {
    const { known, mode } = this.#parts.session;
    const scope = known();
    if (scope === 'none' || mode() !== 'pin') return;
    if (scope === 'all' || this.#parts.writers === this.#parts.readers) this.#pin.keep(scope);
  }

  #refuseState(job: Job, mode: SessionMode): void {
    if (mode === 'refuse') throw new SessionStateError(this.fields(nameOf(job)));
  }

  /** Runs a job on a connection of the pool, again where the policy says so. */
  run(given: Job, limit: CallLimit): Promise<unknown> {
    if (given.kind === 'rehearse') return this.#rehearse(given, limit);
    const { inline } = this.#parts;
    const job = this.#entered(given);
    return inline === undefined || job.kind !== 'operation' || job.digest === true
      ? this.#runPooled(job, limit)
      : this.#runInTurn(inline, job, limit);
  }

  /** Runs a caller's write for comparison, but for one that would do something for good. */
  async #rehearse(job: RehearseJob, limit: CallLimit): Promise<unknown> {
    const [sql] = job.args;
    const told =
      typeof sql === 'string' ? this.#parts.session.facts.lastingEffect?.(sql) : undefined;
    const lasting = await told;
    limit.signal?.throwIfAborted();
    const effect: WriteEffect = { tables: {}, unseen: [lasting ?? ''] };
    return lasting === undefined ? await this.#runPooled(this.#entered(job), limit) : effect;
  }

  async #runInTurn(inline: InlineReads, job: OperationJob, limit: CallLimit): Promise<unknown> {
    for (let turn = 0; turn < mostTurns; turn += 1) {
      const nextTurn = inline.nextTurn(job);
      if (nextTurn === undefined) break;
      await this.#called(() => nextTurn);
      const done = this.tryInline(job);
      if (done !== undefined) return done.value;
    }
    return await this.#runPooled(job, limit);
  }

  /** Marks a job, and has what it leaves kept. */
  #entered(given: Job): Job {
    if (given.kind === 'rehearse') {
      const [sql] = given.args;
      const { facts } = this.#parts.session;
      const keeps = typeof sql === 'string' ? keepingOf(facts.sessionUse(sql)) : undefined;
      return keeps === undefined ? given : { ...given, session: keeps };
    }
    if (given.kind !== 'operation') return given;
    const job = this.marked(given);
    if (job.session === undefined || job.session === 'may keep') return job;
    const mode = this.#parts.session.mode();
    if (mode === 'none') return job;
    if (job.session === 'keeps') {
      this.#refuseState(job, mode);
      this.#pin.keep('all');
    } else if (this.#parts.writers === this.#parts.readers) {
      this.#pin.keep('writes');
    }
    return job;
  }

  /** Where a job takes its connection: the one that is kept, the writer's, any. */
  #poolFor(bound: boolean): Pool<PooledSession> {
    return this.#pin.poolFor(bound) ?? (bound ? this.#parts.writers : this.#parts.readers);
  }

  #runPooled(job: Job, limit: CallLimit): Promise<unknown> {
    const writes = isWriting(job);
    const bound = writes || (job.kind === 'operation' && job.session !== undefined);
    const pool = this.#poolFor(bound);
    return this.#attempts(writes ? 'write' : 'read', limit, nameOf(job), (outcome) =>
      this.#runOnce(pool, job, limit, outcome),
    );
  }

  /** Lends a connection for work that is no job; see {@link run}. The work must leave it idle. */
  async withSession<Value>(
    kind: WorkKind,
    limit: CallLimit,
    operation: string,
    work: (session: PooledSession) => Promise<Value>,
  ): Promise<Value> {
    return await this.#attempts(kind, limit, operation, async (outcome) => {
      const lease = await this.#acquire(this.#poolFor(true), limit, operation, true);
      outcome.session = lease.resource;
      const value = await this.#limited(
        lease,
        work(lease.resource),
        limit,
        kind === 'read',
        operation,
        true,
      );
      lease.release();
      return value;
    });
  }

  /** Begins a transaction that the caller must end by {@link endTransaction}. Nothing of the caller's has run yet, so a
   * failure is met like a read's. */
  async beginTransaction(limit: CallLimit): Promise<Lease<PooledSession>> {
    return await this.#attempts('read', limit, 'transaction', async (outcome) => {
      const lease = await this.#acquire(this.#poolFor(true), limit, 'transaction', true);
      outcome.session = lease.resource;
      this.#lastWriter = new WeakRef(lease.resource);
      await this.runOn(lease, { kind: 'begin' }, limit, true);
      return lease;
    });
  }

  /** Ends a transaction: `commit` applies it, and rejects where it wasn't or nobody knows. The lease ends in any case. */
  async endTransaction(
    lease: Lease<PooledSession>,
    how: 'commit' | 'rollback',
    limit: CallLimit,
  ): Promise<void> {
    const session = lease.held ? lease.resource : undefined;
    try {
      await this.runOn(lease, { kind: how }, limit, how === 'rollback');
    } catch (error) {
      if (how === 'rollback') return;
      const state = stateAtFailure(error, session?.transactionState ?? 'none');
      const action = retryAction(failureClass(this.engine, error), 'work', state);
      if (action !== 'resolve' || session === undefined) throw error;
      await this.#resolve(session, limit, error);
    } finally {
      if (!this.#pin.offer(lease)) lease.release();
    }
  }

  /** Runs a job on a connection that is lent already. A caller that gives up is answered at once; the connection is
   * given back when it is idle again, or cut where that takes too long.
   *
   * @param releaseOnFailure whether the lease ends when the job fails. */
  async runOn(
    lease: Lease<PooledSession>,
    job: Job,
    limit: CallLimit,
    releaseOnFailure: boolean,
  ): Promise<unknown> {
    return await this.#called(async () => await this.#runLent(lease, job, limit, releaseOnFailure));
  }

  /** Ends a transaction in the middle of it: see {@link endTransactionNow}. */
  async cutTransaction(lease: Lease<PooledSession>): Promise<void> {
    await this.#called(() => endTransactionNow(lease, this.#parts.clock));
  }

  #runLent(
    lease: Lease<PooledSession>,
    job: Job,
    limit: CallLimit,
    releaseOnFailure: boolean,
    read?: MeasuredRead,
  ): Promise<unknown> {
    let work: Promise<unknown>;
    try {
      checkLimit(limit, this.#parts.clock.monotonicMs(), this.fields(nameOf(job)));
      // What an argument throws while it is read or sent must not keep the connection.
      work = lease.resource.run(job, read);
    } catch (error) {
      if (releaseOnFailure) lease.release();
      throw error;
    }
    return this.#limited(lease, work, limit, !isWriting(job), nameOf(job), releaseOnFailure, job);
  }

  /** Waits for work on a connection no longer than the limit. */
  #limited<Value>(
    lease: Lease<PooledSession>,
    work: Promise<Value>,
    limit: CallLimit,
    unapplied: boolean,
    operation: string,
    releaseOnFailure: boolean,
    job?: Job,
  ): Promise<Value> {
    const session = lease.resource;
    const ended = lease.running();
    const { end } = limit;
    if (end !== undefined && job !== undefined) end.mayEnd = () => session.mayEnd(job);
    return within(work, limit, this.#parts.clock, {
      unapplied,
      fields: this.fields(operation),
      onGiveUp: () => this.#abandon(lease, session, work, ended, job),
      isInterrupted: (error) => failureClass(this.engine, error) === 'interrupted',
      onEnd: (failed) => {
        if (end !== undefined) end.mayEnd = undefined;
        if (failed && releaseOnFailure) lease.release();
        ended();
      },
      onOther:
        lease.isPlace && unapplied
          ? (giveUp) => {
              lease.onDispersed = () => {
                giveUp(new DispersedError());
              };
            }
          : undefined,
    });
  }

  #allAnswered(): void {
    for (const listener of this.#onAnswered) listener();
    if (!this.closed && this.isEmpty()) this.#parts.onEmpty();
  }

  /** Counts a caller, for whom the process must stay alive: what it waits for may be nothing but a timer. */
  #enter(): void {
    this.#callers += 1;
    this.#parts.keepAlive.hold();
  }

  #leave(): void {
    this.#callers -= 1;
    this.#parts.keepAlive.letGo();
    if (this.#callers === 0) this.#allAnswered();
  }

  async #called<Value>(call: () => Promise<Value>): Promise<Value> {
    this.#enter();
    try {
      return await call();
    } finally {
      this.#leave();
    }
  }

  /** Resolves when the calls that were made are answered, or after `deadlineMs`. Nobody may make new ones meanwhile. */
  async answered(deadlineMs: number): Promise<void> {
    if (this.#callers === 0) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        timer.cancel();
        this.#onAnswered.delete(done);
        resolve();
      };
      const timer = this.#parts.clock.after(deadlineMs, done);
      this.#onAnswered.add(done);
    });
  }

  /** Closes everything within `deadlineMs`. Idempotent; never rejects. */
  close(deadlineMs: number): Promise<void> {
    this.#closing ??= this.#close(deadlineMs);
    return this.#closing;
  }

  /** Where an error happened. */
  fields(operation?: string): StorageErrorFields {
    return { engine: this.engine, dataset: this.dataset, operation };
  }

  async #close(deadlineMs: number): Promise<void> {
    this.#parts.inline?.close();
    this.#parts.keepAlive.hold();
    await Promise.all([
      this.#pin.close(deadlineMs),
      ...this.#pools().map((pool) => pool.close(deadlineMs)),
    ]);
    this.#parts.keepAlive.letGo();
  }

  #pools(): Pool<PooledSession>[] {
    const { readers, writers } = this.#parts;
    return readers === writers ? [writers] : [readers, writers];
  }

  #acquire(
    pool: Pool<PooledSession>,
    limit: CallLimit,
    takenFor: string,
    inTurn = false,
    expectedMs?: number,
  ): Promise<Lease<PooledSession>> {
    return pool.acquire({
      signal: limit.signal,
      deadlineAtMs: limit.atMs,
      takenFor,
      inTurn,
      expectedMs,
    });
  }

  #runOnce(
    pool: Pool<PooledSession>,
    job: Job,
    limit: CallLimit,
    outcome: Outcome,
  ): Promise<unknown> {
    const mayShare =
      pool === this.#parts.readers && (job.kind !== 'operation' || job.session === undefined);
    const cost = mayShare ? this.#parts.costOf?.(job) : undefined;
    return cost?.expectedMs === undefined
      ? this.#runAlone(pool, job, limit, outcome, cost)
      : this.#readBeside(pool, job, limit, outcome, cost);
  }

  async #runAlone(
    pool: Pool<PooledSession>,
    job: Job,
    limit: CallLimit,
    outcome: Outcome,
    cost?: ReadCost,
  ): Promise<unknown> {
    const shares = this.#parts.sharesWrites === true && isOwnWrite(job);
    const lease = await this.#acquire(
      pool,
      limit,
      nameOf(job),
      isWriting(job),
      shares ? 0 : undefined,
    );
    outcome.session = lease.resource;
    if (isWriting(job)) this.#lastWriter = new WeakRef(lease.resource);
    const read = cost === undefined ? undefined : { cost, beside: false };
    const value =
      job.kind === 'rehearse'
        ? await this.#toItsEnd(lease, job, limit)
        : await this.#runLent(lease, job, limit, true, read);
    lease.release();
    return value;
  }

  /** A short read on a connection that others read on. Where it fails among them, that may be their doing (a setting changed, a
   * statement of the same text that was not to be prepared, a cancel that was meant for another); what it says alone holds. */
  async #readBeside(
    pool: Pool<PooledSession>,
    job: Job,
    limit: CallLimit,
    outcome: Outcome,
    cost: ReadCost,
  ): Promise<unknown> {
    const place = await this.#acquire(pool, limit, nameOf(job), false, cost.expectedMs);
    outcome.session = place.resource;
    try {
      const value = await this.#runLent(place, job, limit, true, { cost, beside: true });
      place.release();
      return value;
    } catch (error) {
      if (
        !place.hadCompany ||
        error instanceof AbortedError ||
        failureClass(this.engine, error) === 'connection'
      )
        throw error;
    }
    outcome.session = undefined;
    return await this.#runAlone(pool, job, limit, outcome, cost);
  }

  /** A rehearsal is answered when it has been rolled back and not before: the real write follows on the other leg, and
   * would meet its locks. */
  async #toItsEnd(lease: Lease<PooledSession>, job: Job, { signal }: CallLimit): Promise<unknown> {
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

  async #attempts<Value>(
    kind: WorkKind,
    limit: CallLimit,
    operation: string,
    attempt: (outcome: Outcome) => Promise<Value>,
  ): Promise<Value> {
    const { breaker, clock, retryBudget, lockWaitMs } = this.#parts;
    this.#enter();
    try {
      retryBudget.earn();
      const startedMs = clock.monotonicMs();
      checkLimit(limit, startedMs, this.fields(operation));
      for (let failures = 1; ; failures += 1) {
        const outcome: Outcome = { session: undefined, lostWithOthers: false };
        const admission = this.#admit(operation);
        try {
          const value = await attempt(outcome);
          breaker.succeeded(admission);
          this.#lastLack = undefined;
          return value;
        } catch (error) {
          this.#noteFailure(error, admission, outcome);
          const action = this.#action(error, kind, outcome);
          this.#retireAfter(error, outcome);
          const again =
            action === 'wait'
              ? clock.monotonicMs() < Math.min(limit.atMs, startedMs + lockWaitMs)
              : action === 'retry' &&
                failures < maxAttempts &&
                clock.monotonicMs() < limit.atMs &&
                (outcome.lostWithOthers || retryBudget.spend());
          if (!again) return await this.#giveIn<Value>(error, action, outcome, limit);
          await this.#beforeAgain(action, failures, limit, operation);
        }
      }
    } finally {
      this.#leave();
    }
  }

  /** A connection lost in use says that the others to the same server are worth nothing either; so does an instance of
   * DuckDB that has given itself up, for the connections to it. SQLite's have nothing in common but a file. */
  #retireAfter(error: unknown, { session, lostWithOthers }: Outcome): void {
    const fatal = { sqlite: undefined, duckdb: 'corrupt', postgresql: 'connection' }[this.engine];
    if (
      session === undefined ||
      fatal === undefined ||
      lostWithOthers ||
      failureClass(this.engine, error) !== fatal
    )
      return;
    for (const pool of this.#pools()) pool.retireAll();
  }

  #action(error: unknown, kind: WorkKind, outcome: Outcome): ReturnType<typeof retryAction> {
    // Without a connection nothing was tried; the wait for one had its own limit.
    if (outcome.session === undefined) return 'fail';
    const state = stateAtFailure(error, outcome.session.transactionState);
    const failure = failureClass(this.engine, error);
    const action = retryAction(failure, kind, state);
    // Another connection has nothing of what was set, and would answer as if it had never been.
    return action === 'retry' && failure === 'connection' && this.#pin.hasKept(outcome.session)
      ? 'fail'
      : action;
  }

  /** What a call rejects with that is not tried again, or resolves to where its commit turns out to have been applied. */
  async #giveIn<Value>(
    error: unknown,
    action: string,
    { session }: Outcome,
    limit: CallLimit,
  ): Promise<Value> {
    if (action === 'resolve' && session !== undefined) {
      await this.#resolve(session, limit, error);
      // Writes that are transactions of their own answer nothing but that they are done.
      return undefined as Value;
    }
    if (action === 'unknown' || action === 'resolve')
      throw new CommitUnknownError({ ...this.fields(), cause: error });
    // What may be tried again was not applied, and its caller may try it again too.
    if (action === 'retry' && error instanceof ConnectionError && !error.retryable) {
      throw new ConnectionError(error.message, {
        ...this.fields(error.operation),
        cause: error.cause,
        retryable: true,
      });
    }
    throw error;
  }

  /** Finds out whether a commit whose answer was lost was applied. Resolves where it was. */
  async #resolve(session: PooledSession, limit: CallLimit, cause: unknown): Promise<void> {
    const ask = session.commitOutcome?.();
    if (ask === undefined) throw new CommitUnknownError({ ...this.fields(), cause });
    let outcome: unknown;
    try {
      outcome = await this.#attempts('read', limit, 'commit', (found) =>
        this.#runOnce(this.#parts.readers, ask, limit, found),
      );
    } catch {
      outcome = 'unknown';
    }
    if (outcome === 'committed') return;
    if (outcome !== 'aborted') throw new CommitUnknownError({ ...this.fields(), cause });
    throw new ConnectionError(
      'The connection was lost while the write was being committed; it was not applied.',
      {
        ...this.fields(),
        cause,
        retryable: true,
      },
    );
  }

  #admit(operation: string): Admission {
    const { breaker, writers } = this.#parts;
    const admission = breaker.admit();
    if (!admission.admitted)
      throw new CircuitOpenError(writers.stats(), {
        ...this.fields(operation),
        cause: this.#lastLack,
      });
    return admission;
  }

  /** Tells the breaker of a failure. */
  #noteFailure(error: unknown, admission: Admission, outcome: Outcome): void {
    const { breaker } = this.#parts;
    if (isLackOfConnection(this.engine, error)) {
      this.#lastLack = error;
      outcome.lostWithOthers =
        outcome.session !== undefined && this.#lostSessions.has(outcome.session);
      if (outcome.session !== undefined) this.#lostSessions.add(outcome.session);
      if (outcome.lostWithOthers) breaker.ended(admission);
      else breaker.failed(admission);
    } else if (error instanceof StatementError) {
      breaker.succeeded(admission);
    } else {
      breaker.ended(admission);
    }
  }

  #abandon(
    lease: Lease<PooledSession>,
    session: PooledSession,
    work: Promise<unknown>,
    ended: () => void,
    job: Job | undefined,
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

  async #beforeAgain(
    action: RetryAction,
    failures: number,
    limit: CallLimit,
    operation: string,
  ): Promise<void> {
    const { clock, random, onRetry } = this.#parts;
    onRetry?.(action);
    const pauseMs =
      action === 'wait' ? backoffMs(failures, 2, 25, random) : backoffMs(failures, 10, 200, random);
    const pause = new Promise<void>((resolve) => {
      clock.after(pauseMs, resolve);
    });
    await within(pause, limit, clock, {
      unapplied: true,
      fields: this.fields(operation),
      onGiveUp: () => undefined,
    });
  }
}

/** Sent away from a connection that others have to themselves now. Never leaves here. */
class DispersedError extends Error {
  constructor() {
    super('The read waited behind one that turned out long.');
  }
}

interface Outcome {
  /** The connection that the attempt ran on, if it came to that. */
  session: PooledSession | undefined;
  /** It was lost with a connection whose loss another call has reported already: one loss, one failure. */
  lostWithOthers: boolean;
}

function keepingOf(use: SessionUse): 'keeps' | 'may keep' | undefined {
  if (use === 'pending') return 'may keep';
  return keepsSession(use) ? 'keeps' : undefined;
}

/** A write that is a transaction of its own. */
function isOwnWrite(job: Job): boolean {
  return job.kind === 'operation' && job.inTransaction !== true && isWriting(job);
}

function nameOf(job: Job): string {
  return job.kind === 'operation' ? job.operation : job.kind;
}
