import { performance } from 'node:perf_hooks';
import type { Clock } from '@changeover/core';

/** How often the load is measured anew at most, in ms. */
const windowMs = 50;

/** How busy this thread's event loop was lately. */
export class EventLoopLoad {
  readonly #clock: Clock;
  #measuredMs: number;
  #before = performance.eventLoopUtilization();
  #share = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#measuredMs = clock.monotonicMs();
  }

  /** Share of the time since an earlier look, 50 ms ago or more, in which something ran: 0 to 1. */
  get share(): number {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#measuredMs < windowMs) return this.#share;
    const now = performance.eventLoopUtilization();
    this.#share = performance.eventLoopUtilization(now, this.#before).utilization;
    this.#before = now;
    this.#measuredMs = nowMs;
    return this.#share;
  }
}
