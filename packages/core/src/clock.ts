/** A timer that was started. */
export interface Timer {
  cancel(): void;
}

/** Time as the code sees it; tests bring their own. */
export interface Clock {
  /** Milliseconds since some fixed point, never going back. For durations and deadlines. */
  monotonicMs(): number;
  /** Milliseconds since 1970 in UTC. For what people read; may jump. */
  wallMs(): number;
  /** Calls `task` once after `delayMs`. Never keeps the process alive by itself. */
  after(delayMs: number, task: () => void): Timer;
}

// As they are when this is loaded: a test of a program's that puts time forward by a month under fake timers means its own, and
// would run every timer of a bridge a million times.
const { setTimeout: startTimeout, clearTimeout: endTimeout, performance } = globalThis;

/** The machine's clock. */
export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(delayMs, task) {
    const timeout = startTimeout(task, delayMs);
    timeout.unref();
    return {
      cancel: () => {
        endTimeout(timeout);
      },
    };
  },
};

/** Resolves after so many milliseconds of a clock. Never keeps the process alive by itself. */
export function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(ms, resolve);
  });
}
