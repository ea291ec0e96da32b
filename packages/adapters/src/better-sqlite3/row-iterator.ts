import type { Connection } from './connection.ts';
import type { NativeStatement } from './prepared-text.ts';

/** What statements run in. */
export interface IteratedSession {
  /** Takes a step of an iterator, on the connection that it reads from. */
  step<T>(connection: Connection, work: () => T): T;
}

/** The driver's iterator, on a connection that is known to be read from as long as it lasts. */
export class RowIterator implements IterableIterator<unknown> {
  readonly #rows: IterableIterator<unknown>;
  readonly #native: NativeStatement;
  readonly #connection: Connection;
  readonly #session: IteratedSession;
  #open = true;

  constructor(
    rows: IterableIterator<unknown>,
    native: NativeStatement,
    connection: Connection,
    session: IteratedSession,
  ) {
    this.#rows = rows;
    this.#native = native;
    this.#connection = connection;
    this.#session = session;
    connection.iterators += 1;
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(): IteratorResult<unknown> {
    return this.#step('next');
  }

  return(): IteratorResult<unknown> {
    return this.#step('return');
  }

  #step(name: 'next' | 'return'): IteratorResult<unknown> {
    try {
      return this.#session.step(
        this.#connection,
        () => this.#rows[name]?.() as IteratorResult<unknown>,
      );
    } finally {
      // The driver knows: a step that was refused for a running query has not ended it, an error of a row has.
      if (this.#open && !this.#native.busy) {
        this.#open = false;
        this.#connection.iterators -= 1;
      }
    }
  }
}
