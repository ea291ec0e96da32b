import type { Clock, Timer } from '@changeover/core';

/** A pool's only timer: set for the earliest of the times that were asked for. */
export class PoolAlarm {
  readonly #clock: Clock;
  readonly #onDue: () => void;
  #timer: Timer | undefined;
  #atMs = Infinity;

  /** @param onDue called once for each time that it goes off; asks anew for what is due later. */
  constructor(clock: Clock, onDue: () => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  /** Goes off at this time on the monotonic clock, or earlier. */
  set(atMs: number): void {
    if (this.#atMs <= atMs) return;
    this.#timer?.cancel();
    this.#atMs = atMs;
    const delayMs = Math.max(1, Math.ceil(atMs - this.#clock.monotonicMs()));
    this.#timer = this.#clock.after(delayMs, () => {
      this.#timer = undefined;
      this.#atMs = Infinity;
      this.#onDue();
    });
  }

  cancel(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#atMs = Infinity;
  }
}
