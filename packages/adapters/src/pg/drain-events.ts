import type { EventEmitter } from 'node:events';
import type { Callback } from './query-arguments.ts';

/**
 * Tells `drain` on the handle when the callers' statements have all ended, wherever they ran, and never for one of the adapter's
 * own: a program may end its client by it.
 */
export class DrainEvents {
  readonly #client: EventEmitter;
  /** Callers' statements on pooled connections. */
  #inFlight = 0;
  /** To be told when there are none of them. */
  readonly #waiting: (() => void)[] = [];
  /** Callbacks of callers that are to be called yet, and whether it is told after them. */
  #callbacks = 0;
  #isHeld = false;
  /** A caller's statement was sent since the last time it was told. */
  #isDue = false;

  constructor(client: EventEmitter) {
    this.#client = client;
    const emit = client.emit.bind(client) as (...args: readonly unknown[]) => boolean;
    client.emit = (event: string | symbol, ...args: readonly unknown[]): boolean => {
      if (event === 'drain') {
        if (!this.#isDue || this.#inFlight > 0) return false;
        if (this.#callbacks > 0) {
          this.#isHeld = true;
          return false;
        }
        this.#isDue = false;
      }
      return emit(event, ...args);
    };
  }

  /** A caller's statement is sent on the handle itself, which tells when it has nothing more to do. */
  sent(): void {
    this.#isDue = true;
  }

  /** The driver tells it after the callback of the last statement: what that listens for there, it hears. */
  after(callback: Callback): Callback {
    this.#callbacks += 1;
    return (...outcome) => {
      try {
        callback(...outcome);
      } finally {
        this.#callbacks -= 1;
        if (this.#callbacks === 0 && this.#isHeld) {
          this.#isHeld = false;
          this.#client.emit('drain');
        }
      }
    };
  }

  /** A caller's statement is on a pooled connection, or about to be. */
  get isBusy(): boolean {
    return this.#inFlight > 0;
  }

  /** Resolves when there is none on a pooled connection, and the callers of those that were know how they ended. */
  async settled(): Promise<void> {
    if (this.isBusy)
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
  }

  /** A caller's statement goes to a pooled connection, until its promise is settled. */
  follow(result: Promise<unknown>): void {
    this.#isDue = true;
    this.#inFlight += 1;
    const ended = (): void => {
      this.#inFlight -= 1;
      if (this.#inFlight > 0) return;
      // After what its caller goes on to do at once.
      process.nextTick(() => {
        this.#client.emit('drain');
        for (const tell of this.#waiting.splice(0)) tell();
      });
    };
    result.then(ended, ended);
  }
}
