import type { Clock, Timer } from '@changeover/core';

/** When the queue is looked at next: in a later turn of the event loop, or at a moment that is known. */
export class NextLook {
  readonly #clock: Clock;
  readonly #look: (lateMs: number) => void;
  #isScheduled = false;
  #timer: Timer | undefined;
  #timerMs = 0;

  /** @param look is told how long the event loop took to come to it, in ms. */
  constructor(clock: Clock, look: (lateMs: number) => void) {
    this.#clock = clock;
    this.#look = look;
  }

  /** Looks in the next turn of the event loop. */
  soon(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    const scheduledMs = this.#clock.monotonicMs();
    setImmediate(() => {
      this.#isScheduled = false;
      this.#look(this.#clock.monotonicMs() - scheduledMs);
    });
  }

  /** Looks at a moment of the monotonic clock, or earlier where an earlier look is waited for. */
  at(againMs: number, nowMs: number): void {
    if (this.#timer !== undefined && this.#timerMs <= againMs) return;
    this.#timer?.cancel();
    this.#timerMs = againMs;
    this.#timer = this.#clock.after(againMs - nowMs, () => {
      this.#timer = undefined;
      this.soon();
    });
  }

  /** Waits for no moment any more. */
  cancel(): void {
    this.#timer?.cancel();
  }
}
