import type { Digest } from '@changeover/core';

/** How many rows there are and the sum of their digests. */
export interface RowSum {
  readonly count: number;
  /** As in {@link Digest.orderFree}. */
  readonly orderFree: string;
}

/** One write that waits for the table to be read. */
export interface ChainedWrite<T> {
  readonly write: T;
  /** What the shadow leg wrote; undefined until that is known. */
  effect: RowSum | undefined;
}

const noRows: RowSum = { count: 0, orderFree: '0'.repeat(16) };

/** Writes that may wait for one table's reading; beyond it the chain starts anew. */
const maxChained = 1_000;

/**
 * The writes to one table since its rows were last known. The order-free digest is a sum, so the digest of the table must
 * be that of the rows known before plus that of each write's rows: one reading of the table, made when it is quiet,
 * settles all of them, and none of them had to wait for a reading of its own.
 */
export class WriteChain<T> {
  #base: RowSum | undefined;
  #writes: ChainedWrite<T>[] = [];

  /** The table's rows are not known any more. Returns the writes that can't be settled now. */
  break(): readonly T[] {
    this.#base = undefined;
    return this.#writes.splice(0).map(({ write }) => write);
  }

  /** The table is replaced: nothing that was there before counts. Returns the writes that can't be settled now. */
  restart(): readonly T[] {
    const dropped = this.break();
    this.#base = noRows;
    return dropped;
  }

  /** Adds a write; its effect is filled in later. Undefined where there are too many. */
  add(write: T): ChainedWrite<T> | undefined {
    if (this.#writes.length >= maxChained) return undefined;
    const chained: ChainedWrite<T> = { write, effect: undefined };
    this.#writes.push(chained);
    return chained;
  }

  /** All effects are known and there is something to settle. */
  get ready(): boolean {
    return this.#writes.length > 0 && this.#writes.every(({ effect }) => effect !== undefined);
  }

  /**
   * Settles the chain by the table's rows as they are now, which become what is known.
   *
   * @returns the writes, and the sum that was expected; undefined where it wasn't known what was there before.
   */
  settle(
    now: RowSum,
    add: (a: RowSum, b: RowSum) => RowSum,
  ): { writes: readonly T[]; expected: RowSum | undefined } {
    let expected = this.#base;
    for (const { effect } of this.#writes) {
      expected = expected === undefined || effect === undefined ? undefined : add(expected, effect);
    }
    const writes = this.#writes.splice(0).map(({ write }) => write);
    this.#base = { count: now.count, orderFree: now.orderFree };
    return { writes, expected };
  }
}

/** Tables whose rows are known at a time, a key. */
const maxTables = 100;

/** The chains of one key by table. */
export class WriteChains<T = unknown> {
  readonly #chains = new Map<string, WriteChain<T>>();

  /** The chain of a table; undefined for a new one beyond the limit. */
  get(table: string): WriteChain<T> | undefined {
    let chain = this.#chains.get(table);
    if (chain === undefined && this.#chains.size < maxTables) {
      chain = new WriteChain();
      this.#chains.set(table, chain);
    }
    return chain;
  }

  /** Anything may have been written. Returns the writes that can't be settled now. */
  breakAll(): readonly T[] {
    const dropped = [...this.#chains.values()].flatMap((chain) => chain.break());
    this.#chains.clear();
    return dropped;
  }
}

/** The part of a table's digest that adds up. */
export function rowSum(digest: Digest): RowSum {
  return { count: digest.count, orderFree: digest.orderFree };
}
