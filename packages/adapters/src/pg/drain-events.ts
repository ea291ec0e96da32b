import type { EventEmitter } from 'node:events';

/**
 * Tells `drain` on the handle when the callers' statements have all ended, wherever they ran, and never for one of the adapter's
 * own: a program may end its client by it.
 */
export class DrainEvents {
  readonly #client: EventEmitter;
  /** Callers' statements on pooled connections. */
  #inFlight = 0;
  /** A caller's statement was sent since the last time it was told. */
  #isDue = false;

  constructor(client: EventEmitter) {
    this.#client = client;
    const emit = client.emit.bind(client) as (...args: readonly unknown[]) => boolean;
    client.emit = (event: string | symbol, ...args: readonly unknown[]): boolean => {
      if (event === 'drain') {
        if (!this.#isDue || this.#inFlight > 0) return false;
        this.#isDue = false;
      }
      return emit(event, ...args);
    };
  }

  /** A caller's statement is sent on the handle itself, which tells when it has nothing more to do. */
  sent(): void {
    this.#isDue = true;
  }

  /** A caller's statement goes to a pooled connection, until its promise is settled. */
  follow(result: Promise<unknown>): void {
    this.#isDue = true;
    this.#inFlight += 1;
    const ended = (): void => {
      this.#inFlight -= 1;
      // After what its caller goes on to do at once.
      if (this.#inFlight === 0) process.nextTick(() => this.#client.emit('drain'));
    };
    result.then(ended, ended);
  }
}
