import { AbortedError, ConnectionError } from '@changeover/engines/api';
import type { Clock } from '@changeover/core';
import type { SqliteSessionOptions, TransactionState } from '@changeover/engines';
import { isInLine, isWriting, type Job, keepsState } from '../job.ts';
import { FencedError, type PooledSession } from '../pooled-session.ts';
import type { ChildLease, ChildSet, ChildUse, ComingLease } from './child-set.ts';
import { mayBeTriedAgain } from './fences.ts';
import type { HostingChild } from './hosting-child.ts';
import { RefusedError } from './pending-calls.ts';
import type { Route, StatementRoutes } from './statement-routes.ts';
import { type OnDuration, WorkerSession } from './worker-session.ts';

/** What a routed session is made of. */
export interface RoutedSessionParts {
  readonly dataset: string;
  readonly options: SqliteSessionOptions;
  readonly thread: WorkerSession;
  readonly children: ChildSet;
  readonly routes: StatementRoutes;
  readonly clock: Clock;
  readonly onDuration: OnDuration;
}

interface Queued {
  /** In the order in which they were asked for. */
  readonly number: number;
  readonly job: Job;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/** What runs in a child process now. */
interface InChild {
  readonly job: Job;
  readonly sinceMs: number;
  coming: ComingLease | undefined;
  child: HostingChild | undefined;
  /** Set where it was ended for its caller's sake. */
  givenUp: boolean;
}

/**
 * A SQLite connection as the pool lends it: one in a worker thread for what its plan bounds or was measured to be short, and
 * beside it one in a child process, as soon as something comes that may never end. Jobs that share it are run in the order
 * in which they were asked for, wherever they run.
 */
export class RoutedSession implements PooledSession {
  readonly #parts: RoutedSessionParts;
  #queue: Queued[] = [];
  #draining = false;
  #numbers = 0;
  #inChild: InChild | undefined;
  #connection: { readonly session: WorkerSession; readonly child: HostingChild } | undefined;
  /** Held from the beginning of a transaction to its end. */
  #transaction: ChildLease | undefined;
  #closed = false;
  #pinned = false;
  /** Whether a statement has left something on it. */
  #marked = false;
  /** Where the last write ran, whose traces are there. */
  #lastWrite: 'thread' | 'child' | undefined;
  /** Of what waits here, beside those of the thread. */
  #fences = 0;
  readonly #inThread = new Set<Job>();
  /** Given up while they were in the thread, which may yet send them back. */
  readonly #givenUp = new WeakSet<Job>();

  constructor(parts: RoutedSessionParts) {
    this.#parts = parts;
  }

  get connected(): boolean {
    return !this.#closed && this.#parts.thread.usable;
  }

  get usable(): boolean {
    return !this.#marked && this.connected;
  }

  get transactionState(): TransactionState {
    return this.#transaction === undefined
      ? this.#parts.thread.transactionState
      : (this.#connection?.session.transactionState ?? 'none');
  }

  get fences(): number {
    return this.#parts.thread.fences + this.#fences;
  }

  /** How much its thread has to do already. */
  get load(): number {
    return this.#parts.thread.load;
  }

  /** Only what runs in a child process hears of it, and that surely. */
  get cancellable(): boolean {
    return this.#inChild !== undefined;
  }

  /** All that runs from now on does so in one child process: transactions are there, and what never ends can be ended there. */
  pin(): void {
    this.#pinned = true;
  }

  run(job: Job): Promise<unknown> {
    const number = (this.#numbers += 1);
    if (keepsState(job)) this.#marked = true;
    if (this.#runsPinned(job) || this.#inTransaction(job)) return this.#runInTransaction(job);
    const route = this.#routeOf(job);
    if (route === 'child' || this.#draining) return this.#enqueue(number, job);
    return this.#onThread(job, route).catch((error: unknown) => {
      if (error instanceof RefusedError) return this.#enqueue(number, job);
      throw error;
    });
  }

  giveUp(job: Job): boolean {
    const queued = this.#queue.find((each) => each.job === job);
    if (queued !== undefined) {
      this.#queue = this.#queue.filter((each) => each !== queued);
      queued.reject(this.#givenUpError());
      return true;
    }
    if (this.#inChild?.job !== job) {
      this.#givenUp.add(job);
      return false;
    }
    this.#end(this.#inChild);
    return true;
  }

  /** What is in the thread goes on: nothing ends it there, and its plan bounds it. */
  mayEnd(job: Job): boolean {
    return this.#inChild?.job === job || this.#queue.some((each) => each.job === job);
  }

  async end(): Promise<void> {
    const child = this.#inChild?.child ?? this.#transaction?.child;
    child?.kill();
    await child?.ended;
    await this.close();
  }

  async cancel(): Promise<void> {
    for (const job of this.#inThread) this.#givenUp.add(job);
    for (const { reject } of this.#queue.splice(0)) reject(this.#givenUpError());
    if (this.#inChild !== undefined) this.#end(this.#inChild);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([this.#parts.thread.close(), this.#connection?.session.close()]);
    this.#transaction?.end();
  }

  cut(): void {
    void this.cancel();
    void this.close();
  }

  #inTransaction(job: Job): boolean {
    return (
      job.kind === 'begin' ||
      job.kind === 'commit' ||
      job.kind === 'rollback' ||
      (job.kind === 'operation' && job.inTransaction === true)
    );
  }

  /** Once it is pinned all runs in the child, but for who asks what a write before that left in the thread. */
  #runsPinned(job: Job): boolean {
    return this.#pinned && !(asksLastWrite(job) && this.#lastWrite === 'thread');
  }

  #routeOf(job: Job): Route {
    // What a write left is on the connection that it ran on.
    return asksLastWrite(job) && this.#lastWrite === 'child'
      ? 'child'
      : this.#parts.routes.routeOf(job);
  }

  async #onThread(job: Job, route: 'thread' | 'guarded'): Promise<unknown> {
    const { thread, routes } = this.#parts;
    this.#inThread.add(job);
    if (job.kind === 'operation' && isWriting(job)) this.#lastWrite = 'thread';
    try {
      return await (route === 'thread' ? thread.run(job) : thread.runGuarded(job));
    } catch (error) {
      if (error instanceof RefusedError && error.bound !== undefined)
        routes.refused(job, error.bound);
      this.#fence(job, error);
      throw error;
    } finally {
      this.#inThread.delete(job);
    }
  }

  #enqueue(number: number, job: Job): Promise<unknown> {
    if (this.#givenUp.has(job)) return Promise.reject(this.#givenUpError());
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    // What was sent to the thread behind one that was refused there comes back after later ones were queued.
    const at = this.#queue.findIndex((each) => each.number > number);
    this.#queue.splice(at < 0 ? this.#queue.length : at, 0, { number, job, resolve, reject });
    if (!this.#draining) void this.#drain();
    return promise;
  }

  /** One after the other, because they no longer are on one connection that sees to that. */
  async #drain(): Promise<void> {
    this.#draining = true;
    for (;;) {
      for (let idle; (idle = this.#parts.thread.idle()) !== undefined;) await idle;
      const next = this.#queue.shift();
      if (next === undefined) break;
      try {
        next.resolve(await this.#runQueued(next.job));
      } catch (error) {
        this.#fence(next.job, error);
        next.reject(error);
      }
    }
    this.#draining = false;
  }

  /** What waits here behind a write that may be tried again must not overtake it. All that waits came after it. */
  #fence(job: Job, error: unknown): void {
    if (!isInLine(job) || !mayBeTriedAgain(error)) return;
    this.#fences += 1;
    const fenced = this.#queue.filter((each) => isInLine(each.job));
    this.#queue = this.#queue.filter((each) => !isInLine(each.job));
    for (const { reject } of fenced) reject(new FencedError());
  }

  async #runQueued(job: Job): Promise<unknown> {
    const route = this.#routeOf(job);
    if (route !== 'child') {
      try {
        return await this.#onThread(job, route);
      } catch (error) {
        if (!(error instanceof RefusedError)) throw error;
      }
      if (this.#givenUp.has(job)) throw this.#givenUpError();
    }
    return await this.#occupying(job, 'statement', async (lease) => {
      try {
        return await this.#ask(lease.child, job);
      } finally {
        lease.end();
      }
    });
  }

  async #runInTransaction(job: Job): Promise<unknown> {
    const isFirst = job.kind === 'begin' || !this.#inTransaction(job);
    if (isFirst && this.#transaction === undefined) {
      return await this.#occupying(job, 'transaction', async (lease) => {
        this.#transaction = lease;
        return await this.#ask(lease.child, job).finally(() => {
          this.#endTransaction();
        });
      });
    }
    const lease = this.#transaction;
    if (lease === undefined) {
      if (job.kind === 'rollback') return undefined;
      throw this.#lostError();
    }
    const running = this.#begin(job);
    running.child = lease.child;
    return await this.#watched(running, () => this.#ask(lease.child, job)).finally(() => {
      this.#endTransaction();
    });
  }

  #endTransaction(): void {
    const isNeeded = this.#pinned || this.transactionState !== 'none';
    if (this.#connection?.session.usable === true && isNeeded) return;
    this.#transaction?.end();
    this.#transaction = undefined;
  }

  /** Waits for a process and runs something in it. */
  async #occupying<Value>(
    job: Job,
    use: ChildUse,
    work: (lease: ChildLease) => Promise<Value>,
  ): Promise<Value> {
    const running = this.#begin(job);
    return await this.#watched(running, async () => {
      running.coming = this.#parts.children.take(this.#parts.dataset, use, this.#connection?.child);
      const lease = await running.coming.lease;
      running.coming = undefined;
      running.child = lease.child;
      return await work(lease);
    });
  }

  #begin(job: Job): InChild {
    const sinceMs = this.#parts.clock.monotonicMs();
    return (this.#inChild = { job, sinceMs, coming: undefined, child: undefined, givenUp: false });
  }

  async #watched<Value>(running: InChild, work: () => Promise<Value>): Promise<Value> {
    try {
      return await work();
    } catch (error) {
      if (!running.givenUp) throw error;
      const { routes, clock } = this.#parts;
      routes.ended(running.job, clock.monotonicMs() - running.sinceMs);
      // Lost by our own doing: not the connection's failure, and not to be tried again.
      throw error instanceof ConnectionError && error.retryable ? this.#givenUpError() : error;
    } finally {
      if (this.#inChild === running) this.#inChild = undefined;
    }
  }

  #end(running: InChild): void {
    running.givenUp = true;
    if (running.coming !== undefined) running.coming.cancel(this.#givenUpError());
    else running.child?.kill();
  }

  async #ask(child: HostingChild, job: Job): Promise<unknown> {
    const session = await this.#connectionIn(child);
    if (job.kind === 'operation' && isWriting(job)) this.#lastWrite = 'child';
    return await session.run(job);
  }

  async #connectionIn(child: HostingChild): Promise<WorkerSession> {
    const open = this.#connection;
    if (open?.child === child && open.session.usable) return open.session;
    this.#connection = undefined;
    void open?.session.close();
    const { dataset, options, onDuration } = this.#parts;
    const session = await WorkerSession.openIn(child, dataset, options, onDuration);
    this.#connection = { session, child };
    if (this.#closed) await session.close();
    return session;
  }

  /** Without a cause: it would be taken for what the connection failed of. */
  #givenUpError(): AbortedError {
    return new AbortedError(
      'The statement was ended with the process that it ran in, because its caller gave it up or its deadline passed; ' +
        'nothing was applied.',
      { engine: 'sqlite', dataset: this.#parts.dataset, retryable: true },
    );
  }

  #lostError(): ConnectionError {
    return new ConnectionError(
      'The process that held the transaction ended; nothing of it was applied.',
      { engine: 'sqlite', dataset: this.#parts.dataset, retryable: true },
    );
  }
}

function asksLastWrite(job: Job): boolean {
  return job.kind === 'operation' && job.session === 'last write';
}
