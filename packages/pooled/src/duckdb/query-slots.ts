import type { Clock } from '@changeover/core';

/** Lets a bounded number of queries run at once; the others wait in line. DuckDB's queries occupy libuv's threads, which
 * the process also needs for files and names: with all of them taken, `fs.stat` took 8 s. */
export class QuerySlots {
  readonly max: number;
  readonly #clock: Clock;
  readonly #onWaited: (durationMs: number) => void;
  #used = 0;
  /** Bounded by the connections that there are, each of which runs one query at a time. */
  readonly #line = new Set<() => void>();

  constructor(max: number, clock: Clock, onWaited: (durationMs: number) => void) {
    this.max = max;
    this.#clock = clock;
    this.#onWaited = onWaited;
  }

  get used(): number {
    return this.#used;
  }

  get waiting(): number {
    return this.#line.size;
  }

  /** On the monotonic clock. */
  nowMs(): number {
    return this.#clock.monotonicMs();
  }

  /** Takes a slot, which must be given back.
   *
   * @returns false where `onLeave` gave the wait up; no slot was taken then. */
  take(onLeave: (leave: () => void) => void): Promise<boolean> {
    if (this.#used < this.max) {
      this.#used += 1;
      this.#onWaited(0);
      return Promise.resolve(true);
    }
    const sinceMs = this.#clock.monotonicMs();
    return new Promise((resolve) => {
      const enter = (): void => {
        this.#onWaited(this.#clock.monotonicMs() - sinceMs);
        resolve(true);
      };
      this.#line.add(enter);
      onLeave(() => {
        if (this.#line.delete(enter)) resolve(false);
      });
    });
  }

  giveBack(): void {
    const [next] = this.#line;
    if (next === undefined) {
      this.#used -= 1;
      return;
    }
    this.#line.delete(next);
    next();
  }
}
