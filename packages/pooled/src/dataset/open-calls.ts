import type { Clock } from '@changeover/core';
import type { KeepAlive } from '../keep-alive.ts';

/** What a dataset's open calls are counted with. */
export interface OpenCallsParts {
  readonly clock: Clock;
  /** Held as long as there is a call: what it waits for may be nothing but a timer. */
  readonly keepAlive: KeepAlive;
  /** Called when the last of them is answered. */
  readonly onNone: () => void;
}

/** Counts one dataset's calls that are not answered yet. */
export class OpenCalls {
  readonly #parts: OpenCallsParts;
  readonly #waiting = new Set<() => void>();
  #count = 0;

  constructor(parts: OpenCallsParts) {
    this.#parts = parts;
  }

  /** Whether all calls are answered. */
  get none(): boolean {
    return this.#count === 0;
  }

  /** A call begins; {@link leave} is to be called once it is answered. */
  enter(): void {
    this.#count += 1;
    this.#parts.keepAlive.hold();
  }

  leave(): void {
    this.#count -= 1;
    this.#parts.keepAlive.letGo();
    if (this.#count > 0) return;
    for (const answered of this.#waiting) answered();
    this.#parts.onNone();
  }

  /** Counts a call as long as it takes. */
  async during<Value>(call: () => Promise<Value>): Promise<Value> {
    this.enter();
    try {
      return await call();
    } finally {
      this.leave();
    }
  }

  /** Resolves when the calls that were made are answered, or after `deadlineMs`. Nobody may make new ones meanwhile. */
  async answered(deadlineMs: number): Promise<void> {
    if (this.none) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        timer.cancel();
        this.#waiting.delete(done);
        resolve();
      };
      const timer = this.#parts.clock.after(deadlineMs, done);
      this.#waiting.add(done);
    });
  }
}
