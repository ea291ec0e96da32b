import type { QueryResult } from 'kysely';

type Chunk = QueryResult<unknown>;

/** A query's rows as they come, with the connection that they come on: given back when the stream ends or is left. */
export class LegStream {
  readonly #open: () => AsyncIterableIterator<Chunk>;
  readonly #giveBack: () => Promise<void>;
  #closed: Promise<void> | undefined;

  constructor(open: () => AsyncIterableIterator<Chunk>, giveBack: () => Promise<void>) {
    this.#open = open;
    this.#giveBack = giveBack;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Chunk, void> {
    try {
      yield* this.#open();
    } finally {
      await this.close();
    }
  }

  /** Gives the connection back. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#giveBack();
    return this.#closed;
  }
}
