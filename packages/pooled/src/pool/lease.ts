import { ClosedError } from '@changeover/engines/api';
import type { LeaseTerms, PooledConnection, WatchedLease } from './connection.ts';
import type { EvictionReason } from './pool-observer.ts';

/** Takes leases back. */
export interface Lender<Resource extends object> {
  /** @param evict why the connection must be closed; undefined if it may be lent again. */
  takeBack(
    lease: Lease<Resource>,
    connection: PooledConnection<Resource>,
    evict: EvictionReason | undefined,
  ): void;
  nowMs(): number;
}

/** The right to use one connection until it is released. */
export class Lease<Resource extends object> implements WatchedLease {
  readonly terms: LeaseTerms;
  readonly #lender: Lender<Resource>;
  #connection: PooledConnection<Resource> | undefined;
  #running = 0;
  #lastUsedMs: number;
  #retired: EvictionReason | undefined;
  #pinned = false;
  leakReported = false;
  /** Called when the pool took it back from its holder. */
  onTakenBack: (() => void) | undefined;
  /** Called on a shared lease if work before its own takes long: what was begun on it is to be given up and done on another
   * connection. */
  onDispersed: (() => void) | undefined;
  /** Called once it has ended, however it did. */
  onEnded: (() => void) | undefined;

  constructor(lender: Lender<Resource>, connection: PooledConnection<Resource>, terms: LeaseTerms) {
    this.terms = terms;
    this.#lender = lender;
    this.#connection = connection;
    this.#lastUsedMs = terms.takenAtMs;
  }

  /**
   * The connection.
   *
   * @throws {ClosedError} once the lease was released or taken back, so that a late caller can't use a connection that
   * is another's by then.
   */
  get resource(): Resource {
    if (this.#connection === undefined) {
      throw new ClosedError(
        `The connection taken for ${this.terms.takenFor} was given back and can't be used any more.`,
      );
    }
    return this.#connection.resource;
  }

  /** Whether it was neither released nor taken back. */
  get held(): boolean {
    return this.#connection !== undefined;
  }

  /** Whether others may use the connection at the same time. */
  get isShared(): boolean {
    return false;
  }

  /** Whether others have used the connection at the same time. */
  get wasShared(): boolean {
    return false;
  }

  /** For a caller that gave up while its work goes on: calls `then` as soon as cancelling the work affects nobody else. */
  whenAlone(then: () => void): void {
    then();
  }

  /** Whether work is running on it. */
  get busy(): boolean {
    return this.#running > 0;
  }

  /** Milliseconds since work last ran on it; 0 while work is running. */
  unusedMs(nowMs: number): number {
    return this.#running > 0 ? 0 : nowMs - this.#lastUsedMs;
  }

  /** Marks the beginning of a statement, so that long work is not taken for a leak. Call the result when it has ended. */
  running(): () => void {
    this.#running += 1;
    return () => {
      this.#running -= 1;
      this.#lastUsedMs = this.#lender.nowMs();
    };
  }

  /** Whether it is held over many calls; see {@link pin}. */
  get pinned(): boolean {
    return this.#pinned;
  }

  /**
   * Keeps the connection for its holder over many calls, however long nothing runs on it: it is not reported as a leak
   * and not reclaimed. It counts as in use, and as `pinned` in the pool's figures, until it is released. Closing the pool
   * takes it back like any other. Has no effect once the lease has ended.
   *
   * @throws {TypeError} on a shared lease, whose connection others use at the same time.
   */
  pin(): void {
    this.#pinned = this.held;
  }

  /**
   * Has the connection closed when the lease is released, instead of lent again: it carries state that nobody else may
   * see. It can be used until then. The first reason counts.
   */
  retire(reason: EvictionReason = 'retired'): void {
    this.#retired ??= reason;
  }

  /** Gives the connection back. Any further call has no effect. */
  release(): void {
    this.#end(this.#retired);
  }

  /** Gives the connection back to be closed, in whatever state it is. Any further call has no effect. */
  discard(reason: EvictionReason = 'discarded'): void {
    this.#end(reason);
  }

  #end(evict: EvictionReason | undefined): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    this.#connection = undefined;
    this.#pinned = false;
    this.#lender.takeBack(this, connection, evict);
    if (evict === 'reclaimed' || evict === 'closing') this.onTakenBack?.();
    this.onEnded?.();
  }
}
