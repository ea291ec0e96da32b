import type { Held } from './held.ts';
import type { Lease } from './leases.ts';
import type { QueryCall } from './query-call.ts';

/** A transaction on one connection of the leg that answered when it began. */
export class OpenTransaction {
  readonly key: string;
  /** Begun by a statement that the program wrote: it may go on after Kysely is done with the connection, as on a singleton. */
  readonly byStatement: boolean;
  /** What ran in it that changes the schema, or may. */
  readonly mayChangeSchema: QueryCall[] = [];
  /** Nobody holds its connection any more but itself. */
  isLeft = false;
  readonly #held: Held<Lease>;

  constructor(key: string, byStatement: boolean, held: Held<Lease>) {
    this.key = key;
    this.byStatement = byStatement;
    this.#held = held;
  }

  get lease(): Lease {
    return this.#held.value;
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
