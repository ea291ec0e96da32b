import { Lease } from './lease.ts';
import type { Lender } from './lease.ts';
import type { EvictionReason } from './pool-observer.ts';
import type { Slot } from './resource-store.ts';
import type { Sharing } from './resource-source.ts';

/** Who has shared leases. */
export interface SharedLeaseOwner<Resource extends object> extends Lender<Resource> {
  /** Whether the connection may take more work. */
  mayTakeMore(slot: Slot<Resource>): boolean;
  /** A place was given back and others are still held. */
  placeFree(shared: SharedLease<Resource>): void;
  /** The last place was given back. */
  ended(shared: SharedLease<Resource>): void;
}

const nothing = (): void => undefined;

/** The right to use a connection beside others. */
class Place<Resource extends object> extends Lease<Resource> {
  readonly #shared: SharedLease<Resource>;

  constructor(
    shared: SharedLease<Resource>,
    slot: Slot<Resource>,
    takenFor: string,
    nowMs: number,
    stack?: string,
  ) {
    super(shared, slot, takenFor, nowMs, stack);
    this.#shared = shared;
  }

  override get isPlace(): boolean {
    return true;
  }

  /** Work is under way on the shared lease as long as anyone has a place. */
  override running(): () => void {
    return nothing;
  }

  override get hadCompany(): boolean {
    return this.#shared.hadCompany;
  }

  override whenAlone(then: () => void): void {
    if (this.held) this.#shared.leave(this, then);
  }
}

/**
 * A lease for several pieces of work at once, on a connection that does them one after the other by itself: each is sent there
 * while those before it run, so that the connection never waits for a caller to hear of his answer. Ends with the last of them.
 */
export class SharedLease<Resource extends object> implements Lender<Resource> {
  readonly #owner: SharedLeaseOwner<Resource>;
  readonly #lease: Lease<Resource>;
  readonly #slot: Slot<Resource>;
  readonly #sharing: Sharing;
  /** Work is under way as long as anyone has a place. */
  readonly #ended: () => void;
  /** With what the work is expected to take, in ms. */
  readonly #places = new Map<Lease<Resource>, number>();
  /** Those whose callers have gone, and what to do about each when nobody else is here; undefined once that was done. */
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
    slot: Slot<Resource>,
    sharing: Sharing,
  ) {
    this.#owner = owner;
    this.#lease = lease;
    this.#slot = slot;
    this.#sharing = sharing;
    this.#ended = lease.running();
    this.#progressAtMs = lease.takenAtMs;
  }

  /** How long what is under way takes, as far as is known. */
  get loadMs(): number {
    return this.#loadMs;
  }

  get hadCompany(): boolean {
    return this.#taken > 1;
  }

  /** Whether one more may join. */
  get hasPlace(): boolean {
    const { atOnce, inAll } = this.#sharing;
    return (
      !this.#full &&
      this.#lease.held &&
      this.#evict === undefined &&
      this.#taken < inAll &&
      this.#places.size < atOnce &&
      (this.#taken === 0 || this.#places.size > 0) &&
      this.#owner.mayTakeMore(this.#slot)
    );
  }

  place(takenFor: string, expectedMs: number, stack?: string): Lease<Resource> {
    const nowMs = this.nowMs();
    const place = new Place<Resource>(this, this.#slot, takenFor, nowMs, stack);
    this.#taken += 1;
    this.#loadMs += expectedMs;
    this.#places.set(place, expectedMs);
    return place;
  }

  /** The caller of a place has gone while its work is under way. Nobody joins any more; `then` is called when none is left here whose
   * caller hasn't gone too, so that whatever is done about it hits nobody else. */
  leave(place: Lease<Resource>, then: () => void): void {
    this.#full = true;
    this.#left.set(place, then);
    this.#tellFirstLeft();
  }

  /** Whether nothing was answered for so long that those who wait here are better off elsewhere. To be asked twice, a turn of the event
   * loop apart: an answer may be there that nobody has looked at. */
  stalls(nowMs: number): boolean {
    if (nowMs - this.#progressAtMs < this.#sharing.stallMs) return false;
    // Nobody waits behind it, and nobody may.
    this.#full = true;
    if (this.#places.size - this.#left.size < 1 || !this.hadCompany) return false;
    if (this.#suspected) return true;
    this.#suspected = true;
    return false;
  }

  /** Sends all away, to try elsewhere: what runs is no better known than who waits behind it. */
  disperse(): void {
    for (const place of [...this.#places.keys()]) place.onDispersed?.();
  }

  /** Lender: a place was given back. */
  takeBack(place: Lease<Resource>, _slot: Slot<Resource>, evict: EvictionReason | undefined): void {
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

  /** Lender: the time. */
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
