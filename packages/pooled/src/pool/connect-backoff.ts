import type { Clock } from '@changeover/core';
import { backoffMs, type Random } from './backoff.ts';

/** The pauses between attempts to open a connection after failures: exponential, with jitter. */
export class ConnectBackoff {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #limits: { readonly backoffInitialMs: number; readonly backoffMaxMs: number };
  #failures = 0;
  #lastError: unknown;
  #untilMs = 0;

  constructor(
    clock: Clock,
    random: Random,
    limits: { readonly backoffInitialMs: number; readonly backoffMaxMs: number },
  ) {
    this.#clock = clock;
    this.#random = random;
    this.#limits = limits;
  }

  /** Why the last attempt failed; undefined if it succeeded. */
  get lastError(): unknown {
    return this.#lastError;
  }

  /** When the next attempt may be made, on the monotonic clock. */
  get untilMs(): number {
    return this.#untilMs;
  }

  failed(error: unknown): void {
    const { backoffInitialMs, backoffMaxMs } = this.#limits;
    this.#failures += 1;
    this.#lastError = error;
    this.#untilMs =
      this.#clock.monotonicMs() +
      backoffMs(this.#failures, backoffInitialMs, backoffMaxMs, this.#random);
  }

  succeeded(): void {
    this.#failures = 0;
    this.#lastError = undefined;
    this.#untilMs = 0;
  }
}
