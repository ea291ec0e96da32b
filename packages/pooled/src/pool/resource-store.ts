import { Pool as TarnPool } from 'tarn';
import type { Lease } from './lease.ts';

/** One connection in a pool. */
export interface Slot<Resource extends object> {
  readonly resource: Resource;
  /** Connections of an older generation than the pool's are not lent again. */
  readonly generation: number;
  /** On the monotonic clock. */
  readonly openedAtMs: number;
  /** When it is too old to be lent, on the monotonic clock. */
  readonly expiresAtMs: number;
  idleSinceMs: number;
  /** Free, but not yet for other pools. */
  lingers: boolean;
  /** Lent to one who has a turn. */
  holdsTurn: boolean;
  lease: Lease<Resource> | undefined;
}

/** Longer than any wait: the times that count are the pool's, which can be tested and which leave no timer behind. */
const neverMs = 2 ** 31 - 1;

/** What tarn keeps: a connection, or nothing where opening one failed. */
interface Entry<Resource extends object> {
  readonly slot: Slot<Resource> | undefined;
}

/**
 * tarn as the keeper of a pool's connections: which are free, which are lent, which are being opened and destroyed.
 * What tarn has no means for is added here: taking a free one without timers, and removing a chosen one. Its own
 * admission, time-outs, retries, validation on every checkout and reaping are not used: they can't be bounded, aborted
 * or tested, keep the process alive, and of two openings that fail at once tarn tells only one caller.
 */
export class ResourceStore<Resource extends object> extends TarnPool<Entry<Resource>> {
  readonly #entries = new WeakMap<Slot<Resource>, Entry<Resource>>();

  /**
   * @param open opens one; resolves to undefined where that failed, and never rejects.
   * @param opened told of each that was opened, which is lent then; of undefined where that failed.
   * @param end closes one and never rejects.
   */
  constructor(
    max: number,
    open: () => Promise<Slot<Resource> | undefined>,
    opened: (slot: Slot<Resource> | undefined) => void,
    end: (slot: Slot<Resource>) => Promise<void>,
  ) {
    super({
      create: async () => ({ slot: await open() }),
      destroy: async ({ slot }) => {
        if (slot !== undefined) await end(slot);
      },
      min: 0,
      max,
      acquireTimeoutMillis: neverMs,
      createTimeoutMillis: neverMs,
      destroyTimeoutMillis: neverMs,
    });
    this.on('createSuccess', (_event, entry) => {
      const holder = remove(this.free, entry);
      if (holder === undefined) return;
      if (entry.slot === undefined) {
        holder.settle();
      } else {
        this.#entries.set(entry.slot, entry);
        this.used.push(holder);
      }
      opened(entry.slot);
    });
  }

  /** Begins to open one more. */
  openOne(): void {
    void this._create().promise;
  }

  /** Takes a free one: the one with the least rank, else the one used last. */
  takeFree(rank: ((resource: Resource) => number) | undefined): Slot<Resource> | undefined {
    const index = rank === undefined ? this.free.length - 1 : this.#leastRank(rank);
    const [entry] = index < 0 ? [] : this.free.splice(index, 1);
    if (entry === undefined) return undefined;
    this.used.push(entry);
    return entry.resource.slot;
  }

  /** Takes back one that was lent. */
  giveBack(slot: Slot<Resource>): void {
    const entry = this.#entries.get(slot);
    if (entry !== undefined) this.release(entry);
  }

  #leastRank(rank: (resource: Resource) => number): number {
    let best = this.free.length - 1;
    let least = Infinity;
    for (let index = best; index >= 0; index -= 1) {
      const slot = this.free[index]?.resource.slot;
      const found = slot === undefined ? Infinity : rank(slot.resource);
      if (found < least) {
        least = found;
        best = index;
      }
    }
    return best;
  }

  /** The free ones, the one idle longest first. */
  freeSlots(): Slot<Resource>[] {
    return this.free.flatMap(({ resource }) => resource.slot ?? []);
  }

  /** Whether it is here and not lent. */
  isFree(slot: Slot<Resource>): boolean {
    return this.free.some(({ resource }) => resource.slot === slot);
  }

  /** The lent ones. */
  usedSlots(): Slot<Resource>[] {
    return this.used.flatMap(({ resource }) => resource.slot ?? []);
  }

  /** Removes one, free or lent, and destroys it. Resolves when that is done, and never rejects. */
  async evict(slot: Slot<Resource>): Promise<void> {
    const entry = this.#entries.get(slot);
    if (entry === undefined) return;
    const removed = remove(this.used, entry) ?? remove(this.free, entry);
    if (removed === undefined) return;
    removed.settle();
    await this._destroy(entry);
  }
}

function remove<Value, Holder extends { readonly resource: Value }>(
  list: Holder[],
  value: Value,
): Holder | undefined {
  const index = list.findIndex((holder) => holder.resource === value);
  return index < 0 ? undefined : list.splice(index, 1)[0];
}
