import { availableParallelism, loadavg } from 'node:os';
import { setImmediate, setTimeout } from 'node:timers/promises';

/** How much others are spared. */
export interface ThrottleOptions {
  /** Waits between two parts of a table, in ms. Default: 0. */
  readonly pauseMs?: number | undefined;
  /** Waits while the machine's load of the last minute, a processor, is above this. Default: no limit. */
  readonly maxLoad?: number | undefined;
  /** Waits longer where other work of this process has to wait longer than this for its turn, in ms. Default: 20. */
  readonly maxDelayMs?: number | undefined;
}

/** What a {@link Throttle} sees of the world. */
export interface ThrottleContext {
  /** The load of the last minute, a processor. */
  load(): number;
  nowMs(): number;
  /** Lets others have their turn. */
  yield(): Promise<void>;
  /** Rejects when the signal is aborted. */
  sleep(durationMs: number, signal: AbortSignal | undefined): Promise<void>;
}

const machine: ThrottleContext = {
  load: () => (loadavg()[0] ?? 0) / availableParallelism(),
  nowMs: () => performance.now(),
  yield: async () => {
    await setImmediate();
  },
  // Keeps the process alive: there may be nothing else that does.
  sleep: async (durationMs, signal) => {
    await setTimeout(durationMs, undefined, { signal });
  },
};

const loadEveryMs = 1_000;
const longestRestMs = 1_000;
/** Rests this many times as long as others had to wait. */
const restFactor = 4;

/** Holds a long scan back where others need the machine. */
export class Throttle {
  readonly #pauseMs: number;
  readonly #maxLoad: number;
  readonly #maxDelayMs: number;
  readonly #signal: AbortSignal | undefined;
  readonly #context: ThrottleContext;
  #lookedAtLoadMs = -Infinity;

  constructor(options: ThrottleOptions, signal?: AbortSignal, context: ThrottleContext = machine) {
    this.#pauseMs = options.pauseMs ?? 0;
    this.#maxLoad = options.maxLoad ?? Infinity;
    this.#maxDelayMs = options.maxDelayMs ?? 20;
    this.#signal = signal;
    this.#context = context;
  }

  /** Called between two parts. Rejects when the signal is aborted. @param waiting is told why, where it waits. */
  async between(waiting: (why: string) => void): Promise<void> {
    const { nowMs, sleep } = this.#context;
    const before = nowMs();
    await this.#context.yield();
    const delayMs = nowMs() - before;
    this.#signal?.throwIfAborted();
    if (delayMs > this.#maxDelayMs)
      await sleep(Math.min(longestRestMs, delayMs * restFactor), this.#signal);
    if (this.#pauseMs > 0) await sleep(this.#pauseMs, this.#signal);
    if (nowMs() - this.#lookedAtLoadMs < loadEveryMs) return;
    for (let load = this.#context.load(); load > this.#maxLoad; load = this.#context.load()) {
      waiting(`the load is ${load.toFixed(2)} a processor, above ${String(this.#maxLoad)}`);
      await sleep(loadEveryMs, this.#signal);
    }
    this.#lookedAtLoadMs = nowMs();
  }
}
