import type { LeaseTerms, PooledConnection } from './connection.ts';
import { Lease, type Lender } from './lease.ts';
import type { EvictionReason } from './pool-observer.ts';
import type { Sharing } from './resource-source.ts';

/** Who has shared leases. */
export interface SharedLeaseOwner<Resource extends object> {
  readonly sharing: Sharing;
  /** Whether the connection is fit for more work. */
  mayTakeMore(connection: PooledConnection<Resource>): boolean;
  /** One of several places on a connection was released. */
  placeFree(shared: SharedLease<Resource>): void;
  /** The last place on a connection was released. */
  ended(shared: SharedLease<Resource>): void;
  nowMs(): number;
}

const nothing = (): void => undefined;

/** The right to use a connection at the same time as others. */
class Place<Resource extends object> extends Lease<Resource> {
  readonly #shared: SharedLease<Resource>;

  constructor(
    shared: SharedLease<Resource>,
    connection: PooledConnection<Resource>,
    terms: LeaseTerms,
  ) {
    super(shared, connection, terms);
    this.#shared = shared;
  }

  override get isShared(): boolean {
    return true;
  }

  /** The shared lease counts as running as long as anyone has a place. */
  override running(): () => void {
    return nothing;
  }

  override get wasShared(): boolean {
    return this.#shared.wasShared;
  }

  override whenAlone(then: () => void): void {
    if (this.held) this.#shared.leave(this, then);
  }

  override pin(): void {
    throw new TypeError("A shared connection can't be pinned: acquire one without expectedMs.");
  }

  override retire(reason?: EvictionReason): void {
    super.retire(reason);
    if (this.held) this.#shared.takeNoMore();
  }
}

/**
 * One connection's lease, shared by several pieces of work: the connection runs them one after the other by itself, so
 * each is sent while those before it run, and the connection is never idle between an answer and its caller's next call.
 * Ends with the last of them.
 */
export class SharedLease<Resource extends object> implements Lender<Resource> {
  readonly #owner: SharedLeaseOwner<Resource>;
  readonly #lease: Lease<Resource>;
  readonly #connection: PooledConnection<Resource>;
  /** Ends the lease's running state, which lasts as long as anyone has a place. */
  readonly #ended: () => void;
  /** With what the work is expected to take, in ms. */
  readonly #places = new Map<Lease<Resource>, number>();
  /** Those whose callers gave up, and what to do about each when nobody else is here; undefined once that was done. */
  readonly #left = new Map<Lease<Resource>, (() => void) | undefined>();
  #taken = 0;
  #loadMs = 0;
  #full = false;
  #evict: EvictionReason | undefined;
  #progressAtMs: number;
  #suspected = false;

  constructor(
    owner: SharedLeaseOwner<Resource>,
    lease: Lease<Resource>,
    connection: PooledConnection<Resource>,
  ) {
    this.#owner = owner;
    this.#lease = lease;
    this.#connection = connection;
    this.#ended = lease.running();
    this.#progressAtMs = lease.terms.takenAtMs;
  }

  /** How long the work on it is expected to take in all. */
  get loadMs(): number {
    return this.#loadMs;
  }

  get wasShared(): boolean {
    return this.#taken > 1;
  }

  /** Whether one more may join. */
  get hasPlace(): boolean {
    const { atOnce, inAll } = this.#owner.sharing;
    return (
      !this.#full &&
      this.#lease.held &&
      this.#evict === undefined &&
      this.#taken < inAll &&
      this.#places.size < atOnce &&
      (this.#taken === 0 || this.#places.size > 0) &&
      this.#owner.mayTakeMore(this.#connection)
    );
  }

  place(terms: LeaseTerms, expectedMs: number): Lease<Resource> {
    const place = new Place<Resource>(this, this.#connection, terms);
    this.#taken += 1;
    this.#loadMs += expectedMs;
    this.#places.set(place, expectedMs);
    return place;
  }

  /** Lets nobody else join. */
  takeNoMore(): void {
    this.#full = true;
  }

  /** A caller gave up while its work goes on. Nobody joins any more; `then` is called once all others here have ended or
   * given up too, so that cancelling affects nobody else. */
  leave(place: Lease<Resource>, then: () => void): void {
    this.#full = true;
    this.#left.set(place, then);
    this.#tellFirstLeft();
  }

  /** Whether nothing was answered for so long that those who wait here are better off on another connection. True only
   * when asked twice, a turn of the event loop apart: an answer may have come that nobody has read yet. */
  stalls(nowMs: number): boolean {
    if (nowMs - this.#progressAtMs < this.#owner.sharing.stallMs) return false;
    // Even if nobody waits behind the work, nobody may join it.
    this.#full = true;
    if (this.#places.size - this.#left.size < 1 || !this.wasShared) return false;
    if (this.#suspected) return true;
    this.#suspected = true;
    return false;
  }

  /** Sends all to other connections: which of them takes long is not known. */
  disperse(): void {
    for (const place of [...this.#places.keys()]) place.onDispersed?.();
  }

  /** Lender: a place was released. */
  takeBack(
    place: Lease<Resource>,
    _connection: PooledConnection<Resource>,
    evict: EvictionReason | undefined,
  ): void {
    this.#loadMs -= this.#places.get(place) ?? 0;
    this.#places.delete(place);
    this.#left.delete(place);
    this.#progressAtMs = this.nowMs();
    this.#suspected = false;
    this.#evict ??= evict;
    if (this.#places.size > 0) {
      this.#tellFirstLeft();
      this.#owner.placeFree(this);
      return;
    }
    this.#ended();
    this.#owner.ended(this);
    if (this.#evict === undefined) this.#lease.release();
    else this.#lease.discard(this.#evict);
  }

  nowMs(): number {
    return this.#owner.nowMs();
  }

  #tellFirstLeft(): void {
    if (this.#left.size < this.#places.size) return;
    for (const place of this.#places.keys()) {
      const then = this.#left.get(place);
      this.#left.set(place, undefined);
      then?.();
      return;
    }
  }
}
