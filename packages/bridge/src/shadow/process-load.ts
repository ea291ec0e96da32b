import { performance } from 'node:perf_hooks';
import type { Clock } from '@changeover/core';

/** Counts the calls that callers wait for at this moment, so that comparison work can wait for a quiet one. */
export class CallsInFlight {
  readonly #whenNone: (() => void)[] = [];
  #count = 0;

  get any(): boolean {
    return this.#count > 0;
  }

  /** How many there are. */
  get count(): number {
    return this.#count;
  }

  begin(): void {
    this.#count += 1;
  }

  end(): void {
    this.#count -= 1;
    if (this.#count === 0) for (const tell of this.#whenNone) tell();
  }

  /** Calls `tell` whenever the last one has its answer; the next may begin right after. */
  onNone(tell: () => void): void {
    this.#whenNone.push(tell);
  }
}

/** How often the load is measured anew at most, in ms. */
const windowMs = 50;

/** How busy this thread's event loop was lately. */
export class EventLoopLoad {
  readonly #clock: Clock;
  #measuredMs: number;
  #before = performance.eventLoopUtilization();
  #share = 0;
  #cpuShare = 1;
  #cpuBefore = process.cpuUsage();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#measuredMs = clock.monotonicMs();
  }

  /** Share of the time since an earlier look, 50 ms ago or more, in which something ran: 0 to 1. */
  get share(): number {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#measuredMs < windowMs) return this.#share;
    const now = performance.eventLoopUtilization();
    const { active, utilization } = performance.eventLoopUtilization(now, this.#before);
    const { user, system } = process.cpuUsage(this.#cpuBefore);
    this.#share = utilization;
    // A moment with hardly any work says nothing.
    if (active >= windowMs / 5) this.#cpuShare = Math.min(1, (user + system) / 1_000 / active);
    this.#before = now;
    this.#cpuBefore = process.cpuUsage();
    this.#measuredMs = nowMs;
    return this.#share;
  }

  /** Share of the time in which something ran here that the machine gave a core for it, as of the last look at {@link share}: 1, or
   * less where other programs use the machine as well. */
  get cpuShare(): number {
    return this.#cpuShare;
  }
}
