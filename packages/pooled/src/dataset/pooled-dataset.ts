import { type Clock, pause, type WriteEffect } from '@changeover/core';
import type { Engine, StorageErrorFields } from '@changeover/engines/api';
import {
  isForComparison,
  isWriting,
  type Job,
  nameOf,
  type OperationJob,
  type RehearseJob,
} from '../job.ts';
import type { KeepAlive } from '../keep-alive.ts';
import type { Random } from '../pool/backoff.ts';
import type { BreakerState, PoolBreaker } from '../pool/pool-breaker.ts';
import type { PoolStats } from '../pool/pool-stats.ts';
import type { Pool } from '../pool/pool.ts';
import type { PooledSession, ReadCost } from '../pooled-session.ts';
import { otherCode } from '../shadow/lasting-effects.ts';
import { Admissions } from './admissions.ts';
import { Attempts } from './attempts.ts';
import type { CallLimit } from './call-limit.ts';
import type { InlineReads } from './inline-reads.ts';
import { JobRuns } from './job-runs.ts';
import { LeaseWork } from './lease-work.ts';
import { OpenCalls } from './open-calls.ts';
import { resolveCommit } from './resolve-commit.ts';
import type { RetryBudget, WorkKind } from './retry-policy.ts';
import { type ReadersAndWriters, type SessionParts, SessionState } from './session-state.ts';
import { Transactions } from './transactions.ts';
import type { PlaceInLine } from './write-line.ts';

/** What a dataset's pools are made of. */
export interface PooledDatasetParts extends ReadersAndWriters {
  readonly engine: Engine;
  readonly dataset: string;
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

/** Turns of the event loop that a read waits for its share of one, which is quicker than a worker's answer. */
const mostTurns = 10;

/** One dataset's connections and how calls run on them: lent, limited, retried by the written policy. */
export class PooledDataset {
  readonly engine: Engine;
  readonly dataset: string;
  readonly transactions: Transactions;
  readonly #parts: PooledDatasetParts;
  readonly #calls: OpenCalls;
  readonly #state: SessionState;
  readonly #work: LeaseWork;
  readonly #jobs: JobRuns;
  readonly #attempts: Attempts;
  #closing: Promise<void> | undefined;

  constructor(parts: PooledDatasetParts) {
    const { engine, dataset, clock, keepAlive, readers, writers } = parts;
    const fields = (operation?: string): StorageErrorFields => this.fields(operation);
    this.engine = engine;
    this.dataset = dataset;
    this.#parts = parts;
    this.#calls = new OpenCalls({
      clock,
      keepAlive,
      onNone: () => {
        if (!this.closed && this.isEmpty()) parts.onEmpty();
      },
    });
    this.#state = new SessionState(parts.session, parts, fields);
    this.#work = new LeaseWork({ engine, clock, fields });
    this.#jobs = new JobRuns({
      engine,
      work: this.#work,
      readers,
      costOf: parts.costOf,
      sharesWrites: parts.sharesWrites === true,
      clock,
      fields,
      onWrite: (session) => {
        this.#state.wroteOn(session);
      },
    });
    this.#attempts = new Attempts({
      engine,
      clock,
      random: parts.random,
      retryBudget: parts.retryBudget,
      lockWaitMs: parts.lockWaitMs,
      onRetry: parts.onRetry,
      admissions: new Admissions({ engine, breaker: parts.breaker, stats: () => writers.stats() }),
      calls: this.#calls,
      fields,
      hasKept: (session) => this.#state.hasKept(session),
      retireAll: () => {
        for (const pool of this.#pools()) pool.retireAll();
      },
      resolveCommit: (session, limit, cause) => this.#resolveCommit(session, limit, cause),
    });
    this.transactions = new Transactions({
      engine,
      clock,
      calls: this.#calls,
      state: this.#state,
      work: this.#work,
      attempts: this.#attempts,
      resolveCommit: (session, limit, cause) => this.#resolveCommit(session, limit, cause),
    });
  }

  /** Whether it takes no more calls. */
  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /** Whether nothing is open and nobody waits. */
  isEmpty(): boolean {
    return (
      this.#calls.none &&
      this.#parts.inline?.open() !== true &&
      this.#state.isEmpty() &&
      this.#pools().every((pool) => pool.isEmpty())
    );
  }

  /** Whether calls are let through. */
  get breakerState(): BreakerState {
    return this.#parts.breaker.state;
  }

  /**
   * Whether a read may keep its connection for a while after it: it leaves nothing there, and half of the connections are for others.
   */
  mayHold(job: OperationJob): boolean {
    const { idle, inUse, max, opening, pending } = this.#parts.readers.stats();
    return (
      !this.closed &&
      this.breakerState === 'closed' &&
      !this.#state.takesAll &&
      this.#state.marked(job).session === undefined &&
      pending === 0 &&
      idle > 0 &&
      inUse + opening < Math.floor(max / 2)
    );
  }

  /** Calls `then` whenever a read has to wait for a connection, or the pool is closed. Returns how to end that. */
  whenNeeded(then: () => void): () => void {
    return this.#parts.readers.whenNeeded(then);
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
    return this.closed || this.#state.takesAll ? this.version() : this.#parts.inline?.look();
  }

  /** See `ShadowLeg.mark`. Opens and throws as {@link look}. */
  mark(): string | undefined {
    return this.closed || this.#state.takesAll ? undefined : this.#parts.inline?.mark();
  }

  /** Where an error happened. */
  fields(operation?: string): StorageErrorFields {
    return { engine: this.engine, dataset: this.dataset, operation };
  }

  /** Runs a read on the spot if that is the cheapest; undefined where it isn't. Throws what the read throws. */
  tryInline(job: OperationJob): { readonly value: unknown } | undefined {
    const { inline } = this.#parts;
    if (inline === undefined || this.closed || this.#state.takesAll) return undefined;
    return this.#state.marked(job).session === undefined ? inline.tryRead(job) : undefined;
  }

  /** Runs a job on a connection of the pool, again where the policy says so.
   *
   * @param place of a write that its caller's next ones may be sent behind. */
  run(given: Job, limit: CallLimit, place?: PlaceInLine): Promise<unknown> {
    if (given.kind === 'rehearse') return this.#rehearse(given, limit);
    const { inline } = this.#parts;
    const job = this.#state.entered(given);
    if (inline === undefined || job.kind !== 'operation') return this.#runPooled(job, limit, place);
    if (!isForComparison(job)) return this.#runInTurn(inline, job, limit, place);
    // What is compared waits for no turn.
    const done = this.tryInline(job);
    return done === undefined ? this.#runPooled(job, limit) : Promise.resolve(done.value);
  }

  /** Lends a connection for work that is no job; see {@link run}. The work must leave it idle. */
  async withSession<Value>(
    kind: WorkKind,
    limit: CallLimit,
    operation: string,
    work: (session: PooledSession) => Promise<Value>,
  ): Promise<Value> {
    return await this.#attempts.run({
      kind,
      limit,
      operation,
      run: async (attempt) => {
        const lease = await this.#state.lendWriter(limit, operation);
        attempt.session = lease.resource;
        const value = await this.#work.within({
          lease,
          work: work(lease.resource),
          limit,
          operation,
          unapplied: kind === 'read',
          releaseOnFailure: true,
        });
        lease.release();
        return value;
      },
    });
  }

  /** Resolves when the calls that were made are answered, or after `deadlineMs`. Nobody may make new ones meanwhile. */
  answered(deadlineMs: number): Promise<void> {
    return this.#calls.answered(deadlineMs);
  }

  /** Closes everything within `deadlineMs`. Idempotent; never rejects. */
  close(deadlineMs: number): Promise<void> {
    this.#closing ??= this.#close(deadlineMs);
    return this.#closing;
  }

  /** Runs a caller's write for comparison, but for one that would do something for good. */
  async #rehearse(job: RehearseJob, limit: CallLimit): Promise<unknown> {
    const [sql] = job.args;
    const { facts } = this.#parts.session;
    const lasting = typeof sql === 'string' ? await facts.lastingEffect?.(sql) : undefined;
    limit.signal?.throwIfAborted();
    if (lasting?.refusal !== undefined) return { tables: {}, unseen: [lasting.refusal] };
    const entered = this.#state.entered({ ...job, lasting });
    const effect = (await this.#runPooled(entered, limit)) as WriteEffect;
    if (effect.unseen.includes(otherCode)) facts.codeChanged?.();
    return effect;
  }

  async #runInTurn(
    inline: InlineReads,
    job: OperationJob,
    limit: CallLimit,
    place: PlaceInLine | undefined,
  ): Promise<unknown> {
    for (let turn = 0; turn < mostTurns; turn += 1) {
      const nextTurn = inline.nextTurn(job);
      if (nextTurn === undefined) break;
      await this.#calls.during(() => nextTurn);
      const done = this.tryInline(job);
      if (done !== undefined) return done.value;
    }
    return await this.#runPooled(job, limit, place);
  }

  #runPooled(job: Job, limit: CallLimit, place?: PlaceInLine): Promise<unknown> {
    const writes = isWriting(job);
    const bound = writes || (job.kind === 'operation' && job.session !== undefined);
    const pool = this.#state.poolFor(bound);
    return this.#attempts.run({
      kind: writes ? 'write' : 'read',
      limit,
      operation: nameOf(job),
      run: (attempt) => this.#jobs.run({ pool, job, limit, attempt, place }),
    });
  }

  #resolveCommit(session: PooledSession, limit: CallLimit, cause: unknown): Promise<void> {
    const { clock, readers: pool } = this.#parts;
    return resolveCommit(
      { session, cause, fields: this.fields() },
      (job) =>
        this.#attempts.run({
          kind: 'read',
          limit,
          operation: 'commit',
          run: (attempt) => this.#jobs.run({ pool, job, limit, attempt }),
        }),
      (ms) => pause(clock, ms),
    );
  }

  async #close(deadlineMs: number): Promise<void> {
    const { inline, keepAlive } = this.#parts;
    inline?.close();
    keepAlive.hold();
    await Promise.all([
      this.#state.close(deadlineMs),
      ...this.#pools().map((pool) => pool.close(deadlineMs)),
    ]);
    keepAlive.letGo();
  }

  #pools(): Pool<PooledSession>[] {
    const { readers, writers } = this.#parts;
    return readers === writers ? [writers] : [readers, writers];
  }
}
