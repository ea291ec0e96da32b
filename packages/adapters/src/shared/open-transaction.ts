import type { Held } from './held.ts';
import type { Lease, LeasedStatement, Lender } from './leases.ts';

/** A transaction on one connection of the leg that answered when it began. */
export class OpenTransaction<Connection, Driver extends Lender<Connection> = Lender<Connection>> {
  readonly key: string;
  /** Begun by a statement that the program wrote: it may go on after its connection was given back, as on a singleton. */
  readonly byStatement: boolean;
  /** What ran in it that changes the schema, or may. */
  readonly mayChangeSchema: LeasedStatement[] = [];
  /** Nobody holds its connection any more but itself. */
  isLeft = false;
  readonly #held: Held<Lease<Connection, Driver>>;

  constructor(key: string, byStatement: boolean, held: Held<Lease<Connection, Driver>>) {
    this.key = key;
    this.byStatement = byStatement;
    this.#held = held;
  }

  get lease(): Lease<Connection, Driver> {
    return this.#held.value;
  }

  /** Runs something as made inside of it: calls that go past its connection do not wait for its end. */
  inside<R>(work: () => R): R {
    return this.#held.inside(work);
  }

  /** To be called once it was committed or rolled back. Resolves when others may write. */
  async end(): Promise<void> {
    try {
      if (this.isLeft) await this.lease.giveBack();
    } finally {
      await this.#held.end();
    }
  }
}

/** Transactions that a statement began and that outlived the connection they were begun on, by key. */
export class LeftTransactions<Connection, Driver extends Lender<Connection> = Lender<Connection>> {
  readonly #left = new Map<string, OpenTransaction<Connection, Driver>>();

  of(key: string): OpenTransaction<Connection, Driver> | undefined {
    return this.#left.size === 0 ? undefined : this.#left.get(key);
  }

  add(open: OpenTransaction<Connection, Driver>): void {
    this.#left.set(open.key, open);
  }

  delete(open: OpenTransaction<Connection, Driver>): void {
    if (this.#left.get(open.key) === open) this.#left.delete(open.key);
  }

  /** Lets go of them without an end: their connections are about to be closed. */
  endAll(): void {
    for (const open of this.#left.values()) void open.end().catch(() => undefined);
    this.#left.clear();
  }
}
