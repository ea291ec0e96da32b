import type { Clock } from '@changeover/core';
import type { LeaseTerms, PooledConnection } from './connection.ts';
import type { Lease } from './lease.ts';
import type { PoolObserver } from './pool-observer.ts';
import type { Sharing } from './resource-source.ts';
import { SharedLease, type SharedLeaseOwner } from './shared-lease.ts';
import type { Waiter, WaitQueue } from './wait-queue.ts';

/** What {@link SharedLeases} are made of. */
export interface SharedLeasesParts<Resource extends object> {
  readonly sharing: Sharing;
  readonly queue: WaitQueue<Lease<Resource>>;
  readonly observer: PoolObserver;
  readonly clock: Clock;
  /** Whether a connection may be lent. */
  isFit(connection: PooledConnection<Resource>): boolean;
}

/** A pool's connections that several callers use at once. */
export class SharedLeases<Resource extends object> implements SharedLeaseOwner<Resource> {
  readonly #parts: SharedLeasesParts<Resource>;
  readonly #all = new Set<SharedLease<Resource>>();

  constructor(parts: SharedLeasesParts<Resource>) {
    this.#parts = parts;
  }

  get sharing(): Sharing {
    return this.#parts.sharing;
  }

  /**
   * Joins a shared connection.
   *
   * @param anyFree whether the caller could have a connection of its own now. It joins the first that is done within
   * `freelyMs` then, so that few connections are busy with many short reads: a write to a socket costs as much as ten
   * short reads in one. Else it joins the one with the least work, if that is done within `mostMs`.
   * @returns undefined if there is none to join.
   */
  join(terms: LeaseTerms, expectedMs: number, anyFree: boolean): Lease<Resource> | undefined {
    const { freelyMs, mostMs } = this.sharing;
    const mostLoadMs = (anyFree ? freelyMs : mostMs) - expectedMs;
    let best: SharedLease<Resource> | undefined;
    for (const shared of this.#all) {
      if (shared.loadMs > mostLoadMs || !shared.hasPlace) continue;
      if (best === undefined || shared.loadMs < best.loadMs) best = shared;
      if (anyFree) break;
    }
    return best?.place(terms, expectedMs);
  }

  /** Lets callers at the head of the queue join, as many as allow sharing and find a connection to join.
   * None of them can have one of its own now. */
  joinWaiting(): void {
    for (;;) {
      const next = this.#parts.queue.first();
      if (next?.expectedMs === undefined) return;
      const place = this.join(this.#termsOf(next), next.expectedMs, false);
      if (place === undefined) return;
      this.#serve(next, place);
    }
  }

  /** Makes a lease one that others may join. */
  begin(
    connection: PooledConnection<Resource>,
    lease: Lease<Resource>,
    expectedMs: number,
  ): Lease<Resource> {
    const shared = new SharedLease<Resource>(this, lease, connection);
    this.#all.add(shared);
    return shared.place(lease.terms, expectedMs);
  }

  /** Sends callers to other connections that wait behind work which takes long.
   *
   * @returns when to call it again at the latest; undefined if no connection is shared. */
  watch(nowMs: number): number | undefined {
    const { stallMs } = this.sharing;
    if (this.#all.size === 0 || stallMs === Infinity) return undefined;
    for (const shared of [...this.#all]) if (shared.stalls(nowMs)) shared.disperse();
    return nowMs + stallMs / 2;
  }

  placeFree(shared: SharedLease<Resource>): void {
    while (shared.loadMs < this.sharing.mostMs && shared.hasPlace) {
      const next = this.#parts.queue.first();
      if (next?.expectedMs === undefined) return;
      this.#serve(next, shared.place(this.#termsOf(next), next.expectedMs));
    }
  }

  ended(shared: SharedLease<Resource>): void {
    this.#all.delete(shared);
  }

  mayTakeMore(connection: PooledConnection<Resource>): boolean {
    return this.#parts.isFit(connection);
  }

  nowMs(): number {
    return this.#parts.clock.monotonicMs();
  }

  #serve(waiter: Waiter<Lease<Resource>>, place: Lease<Resource>): void {
    this.#parts.queue.remove(waiter);
    this.#parts.observer.waited(place.terms.takenAtMs - waiter.sinceMs);
    waiter.resolve(place);
  }

  #termsOf({ takenFor, stack }: Waiter<Lease<Resource>>): LeaseTerms {
    return { takenFor, takenAtMs: this.nowMs(), stack };
  }
}
