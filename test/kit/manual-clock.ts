import type { Clock, Timer } from '@changeover/core';

/** Lets everything that is due at this moment run: promises, and what native code has answered. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1)
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
}

/** A clock that moves only when told. */
export class ManualClock implements Clock {
  #nowMs = 1_000;
  #wallMs = 1_700_000_000_000;
  readonly #timers = new Set<{ readonly atMs: number; readonly task: () => void }>();

  monotonicMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#wallMs;
  }

  after(delayMs: number, task: () => void): Timer {
    const timer = { atMs: this.#nowMs + delayMs, task };
    this.#timers.add(timer);
    return {
      cancel: () => {
        this.#timers.delete(timer);
      },
    };
  }

  /** Timers that have not come due. */
  get pending(): number {
    return this.#timers.size;
  }

  /** What people call setting the clock: wall time jumps, the monotonic one does not. */
  setWall(wallMs: number): void {
    this.#wallMs = wallMs;
  }

  /** Lets time pass, timer by timer in their order, everything that follows from each included. */
  async advance(durationMs: number): Promise<void> {
    const untilMs = this.#nowMs + durationMs;
    await settle();
    for (;;) {
      let next: { readonly atMs: number; readonly task: () => void } | undefined;
      for (const timer of this.#timers)
        if (next === undefined || timer.atMs < next.atMs) next = timer;
      if (next === undefined || next.atMs > untilMs) break;
      this.#timers.delete(next);
      this.#wallMs += Math.max(0, next.atMs - this.#nowMs);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.task();
      await settle();
    }
    this.#wallMs += untilMs - this.#nowMs;
    this.#nowMs = untilMs;
    await settle();
  }
}
