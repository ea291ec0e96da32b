import type { Clock } from '@changeover/core';

/** Waits, with a time limit, until a pool has nothing left in it. */
export class DrainWatch {
  readonly #clock: Clock;
  readonly #listeners = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves when the pool is empty, or after `waitMs`. To be called while it is not empty. */
  async drained(waitMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const done = (): void => {
        timer.cancel();
        this.#listeners.delete(done);
        resolve();
      };
      const timer = this.#clock.after(Math.max(0, waitMs), done);
      this.#listeners.add(done);
    });
  }

  /** The pool is empty. */
  empty(): void {
    for (const listener of this.#listeners) listener();
  }
}
