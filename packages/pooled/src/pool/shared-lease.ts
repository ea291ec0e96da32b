import { Lease } from './lease.ts';
import type { Lender } from './lease.ts';
import type { EvictionReason } from './pool-observer.ts';
import type { Slot } from './resource-store.ts';

/** Pieces of work that share one lease before whoever else waits gets his turn. */
const mostPlaces = 32;

/**
 * A lease for several pieces of work at once, on a connection that does them one after the other by itself: each is sent there
 * while those before it run, so that the connection never waits for a caller to hear of his answer. Ends with the last of them.
 */
export class SharedLease<Resource extends object> implements Lender<Resource> {
  readonly #lender: Lender<Resource>;
  readonly #lease: Lease<Resource>;
  readonly #slot: Slot<Resource>;
  /** Work is under way as long as anyone has a place. */
  readonly #ended: () => void;
  #taken = 0;
  #held = 0;
  #evict: EvictionReason | undefined;

  constructor(lender: Lender<Resource>, lease: Lease<Resource>, slot: Slot<Resource>) {
    this.#lender = lender;
    this.#lease = lease;
    this.#slot = slot;
    this.#ended = lease.running();
  }

  /** Whether one more may join. Once it may not, nobody ever will. */
  get hasPlace(): boolean {
    return this.#lease.held && this.#evict === undefined && this.#taken < mostPlaces && (this.#taken === 0 || this.#held > 0);
  }

  place(takenFor: string, stack?: string): Lease<Resource> {
    this.#taken += 1;
    this.#held += 1;
    return new Lease<Resource>(this, this.#slot, takenFor, this.nowMs(), stack);
  }

  /** Lender: a place was given back. */
  takeBack(_place: Lease<Resource>, _slot: Slot<Resource>, evict: EvictionReason | undefined): void {
    this.#held -= 1;
    this.#evict ??= evict;
    if (this.#held > 0) return;
    this.#ended();
    if (this.#evict === undefined) this.#lease.release();
    else this.#lease.discard(this.#evict);
  }

  /** Lender: the time. */
  nowMs(): number {
    return this.#lender.nowMs();
  }
}
