/** Lets one through at a time, in the order in which they asked. Bounded by its callers: each waits for its own call. */
export class Turns {
  readonly #waiting: (() => void)[] = [];
  #taken = false;

  /** Nobody has the turn. */
  get isFree(): boolean {
    return !this.#taken;
  }

  /** Takes the turn of one that {@link isFree}. */
  takeNow(): void {
    this.#taken = true;
  }

  /** Resolves when it is the caller's turn, to be ended by one {@link give}. Rejects with the signal's reason if that is first. */
  take(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (!this.#taken) {
      this.#taken = true;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(admit), 1);
        reject(signal?.reason as Error);
      };
      const admit = (): void => {
        signal?.removeEventListener('abort', abort);
        resolve();
      };
      signal?.addEventListener('abort', abort, { once: true });
      this.#waiting.push(admit);
    });
  }

  give(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#taken = false;
    else next();
  }
}
