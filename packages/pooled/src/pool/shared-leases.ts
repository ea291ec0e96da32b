import type { Clock } from '@changeover/core';
import type { Lease } from './lease.ts';
import type { PoolObserver } from './pool-observer.ts';
import type { Sharing } from './resource-source.ts';
import type { Slot } from './resource-store.ts';
import { SharedLease, type SharedLeaseOwner } from './shared-lease.ts';
import type { WaitingLine } from './waiting-line.ts';

/** A pool's connections on which several pieces of work are under way. */
export class SharedLeases<Resource extends object> implements SharedLeaseOwner<Resource> {
  readonly #sharing: Sharing;
  readonly #line: WaitingLine<Lease<Resource>>;
  readonly #observer: PoolObserver;
  readonly #clock: Clock;
  readonly #isFit: (slot: Slot<Resource>) => boolean;
  readonly #all = new Set<SharedLease<Resource>>();

  /** @param isFit whether a connection is one that would be lent. */
  constructor(
    sharing: Sharing,
    line: WaitingLine<Lease<Resource>>,
    observer: PoolObserver,
    clock: Clock,
    isFit: (slot: Slot<Resource>) => boolean,
  ) {
    this.#sharing = sharing;
    this.#line = line;
    this.#observer = observer;
    this.#clock = clock;
    this.#isFit = isFit;
  }

  /** A place on the connection that has the least to do, or with `freely` on the first that has little enough, so that few
   * connections are busy with many reads: a write to a socket costs as much as ten short reads in one.
   *
   * @returns undefined where there is none. */
  place(
    takenFor: string,
    expectedMs: number,
    freely: boolean,
    stack: string | undefined,
  ): Lease<Resource> | undefined {
    const { freelyMs, mostMs } = this.#sharing;
    const mostLoadMs = (freely ? freelyMs : mostMs) - expectedMs;
    let best: SharedLease<Resource> | undefined;
    for (const shared of this.#all) {
      if (shared.loadMs > mostLoadMs || !shared.hasPlace) continue;
      if (best === undefined || shared.loadMs < best.loadMs) best = shared;
      if (freely) break;
    }
    if (best === undefined) return undefined;
    this.#observer.waited(0);
    return best.place(takenFor, expectedMs, stack);
  }

  /** Makes a lease one that others may join, and takes those in who wait for that. */
  begin(slot: Slot<Resource>, lease: Lease<Resource>, expectedMs: number): Lease<Resource> {
    const shared = new SharedLease<Resource>(this, lease, slot, this.#sharing);
    this.#all.add(shared);
    const place = shared.place(lease.takenFor, expectedMs, lease.stack);
    this.placeFree(shared);
    return place;
  }

  /** Sends those away who wait behind something that turns out long.
   *
   * @returns when to look again at the latest; undefined where there is nothing to look at. */
  watch(nowMs: number): number | undefined {
    if (this.#all.size === 0 || this.#sharing.stallMs === Infinity) return undefined;
    for (const shared of [...this.#all]) if (shared.stalls(nowMs)) shared.disperse();
    return nowMs + this.#sharing.stallMs / 2;
  }

  placeFree(shared: SharedLease<Resource>): void {
    while (this.#line.waiting > 0 && shared.loadMs < this.#sharing.mostMs && shared.hasPlace) {
      const next = this.#line.takeFirstSharing();
      if (next?.expectedMs === undefined) return;
      this.#observer.waited(this.nowMs() - next.sinceMs);
      next.resolve(shared.place(next.takenFor, next.expectedMs, next.stack));
    }
  }

  ended(shared: SharedLease<Resource>): void {
    this.#all.delete(shared);
  }

  mayTakeMore(slot: Slot<Resource>): boolean {
    return this.#isFit(slot);
  }

  /** No lease of the pool's own is taken back here. */
  takeBack(): void {
    throw new TypeError('A shared lease takes its places back itself.');
  }

  nowMs(): number {
    return this.#clock.monotonicMs();
  }
}
