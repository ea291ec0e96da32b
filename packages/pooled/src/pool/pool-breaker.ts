import { type Clock, loadInstalled } from '@changeover/core';
import type * as Cockatiel from 'cockatiel';

/** `closed` lets every call through, `open` none, `half-open` one probe at a time. */
export type BreakerState = 'closed' | 'open' | 'half-open';

/** When a breaker opens, and for how long. */
export interface BreakerOptions {
  /** The share of the last calls that failed because there was no working connection, from which it opens. Default: 0.5. */
  readonly threshold?: number | undefined;
  /** How many of the last calls count. Default: 20. Counted and not timed, so that it works for quiet datasets too. */
  readonly calls?: number | undefined;
  /** The least number of calls before it may open. Default: 5. */
  readonly minimumCalls?: number | undefined;
  /** How long it stays open before one call is let through, in ms; doubles with each that fails. Default: 250. */
  readonly openMs?: number | undefined;
  /** The longest that it stays open before a probe, in ms. Default: 2,000. */
  readonly maxOpenMs?: number | undefined;
}

/** The breaker's answer to a call that asks to be let through. */
export type Admission =
  | { readonly admitted: false }
  /** `closing`: how often the breaker had closed when it was given. */
  | { readonly admitted: true; readonly probe: boolean; readonly closing: number };

/**
 * A circuit breaker over one pool. cockatiel's count breaker decides when to open. Its circuit breaker policy is not
 * used: it goes by the wall clock, so that one set back would hold it open, and lets surplus callers wait for the probe
 * without a limit. Here they are refused at once.
 */
export class PoolBreaker {
  readonly #clock: Clock;
  readonly #counter: Cockatiel.CountBreaker;
  readonly #states: typeof Cockatiel.CircuitState;
  readonly #openMs: number;
  readonly #maxOpenMs: number;
  readonly #onChange: (state: BreakerState) => void;
  #state: BreakerState = 'closed';
  #openUntilMs = 0;
  #probes = 0;
  #probing = false;
  #closings = 0;

  constructor(
    clock: Clock,
    options: BreakerOptions = {},
    onChange: (state: BreakerState) => void = () => undefined,
  ) {
    // Loading it takes a good part of an import's time, and there may never be a pool.
    const cockatiel = loadInstalled('cockatiel', import.meta.url) as typeof Cockatiel;
    const size = options.calls ?? 20;
    this.#clock = clock;
    this.#states = cockatiel.CircuitState;
    this.#counter = new cockatiel.CountBreaker({
      threshold: options.threshold ?? 0.5,
      size,
      minimumNumberOfCalls: Math.min(size, options.minimumCalls ?? 5),
    });
    this.#openMs = options.openMs ?? 250;
    this.#maxOpenMs = options.maxOpenMs ?? 2_000;
    this.#onChange = onChange;
  }

  get state(): BreakerState {
    return this.#state;
  }

  /** Asks whether a call may be tried. One that was admitted must be followed by exactly one `succeeded`, `failed` or
   * `ended` with the same admission. */
  admit(): Admission {
    if (this.#state === 'closed') return { admitted: true, probe: false, closing: this.#closings };
    if (this.#state === 'open' && this.#clock.monotonicMs() >= this.#openUntilMs)
      this.#change('half-open');
    if (this.#state !== 'half-open' || this.#probing) return { admitted: false };
    this.#probing = true;
    return { admitted: true, probe: true, closing: this.#closings };
  }

  /** The engine answered, if only with a refusal. */
  succeeded(admission: Admission): void {
    if (this.#isProbe(admission)) {
      this.#probing = false;
      this.#probes = 0;
      this.#closings += 1;
      this.#counter.success(this.#states.HalfOpen);
      this.#change('closed');
    } else if (this.#counts(admission)) {
      this.#counter.success(this.#states.Closed);
    }
  }

  /** The call failed because there was no working connection. */
  failed(admission: Admission): void {
    if (this.#isProbe(admission)) {
      this.#probing = false;
      this.#open();
    } else if (this.#counts(admission) && this.#counter.failure(this.#states.Closed)) {
      this.#open();
    }
  }

  /** The call ended without showing whether the connection works: its caller gave up. */
  ended(admission: Admission): void {
    if (this.#isProbe(admission)) this.#probing = false;
  }

  /** Calls admitted before the breaker last opened don't count: they may fail long after it has closed again, and would
   * open it although the server is back. */
  #counts(admission: Admission): boolean {
    return this.#state === 'closed' && admission.admitted && admission.closing === this.#closings;
  }

  #isProbe(admission: Admission): boolean {
    return admission.admitted && admission.probe && this.#state === 'half-open';
  }

  #open(): void {
    const openMs = Math.min(this.#maxOpenMs, this.#openMs * 2 ** Math.min(this.#probes, 20));
    this.#openUntilMs = this.#clock.monotonicMs() + openMs;
    this.#probes += 1;
    this.#change('open');
  }

  #change(state: BreakerState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#onChange(state);
  }
}
