import type { ShedReason } from '../recorder/shed-reason.ts';

/** One piece of comparison work. Neither function may throw for long: what they throw is swallowed by `ShadowQueue`. */
export interface ShadowTask {
  /** How long it may take from now on, waiting included, in ms. */
  readonly deadlineMs: number;
  /** Rows that it holds until it has ended. Default: none. */
  readonly rows?: number | undefined;
  /** It is of its shape's quota: where there is no time for what all share, it waits instead of being shed, and goes first.
   * Default: false. */
  readonly quota?: boolean | undefined;
  /** How many of its shape were compared: what was compared least goes first. Default: 0. */
  readonly compared?: number | undefined;
  /** What it takes of the machine, in ms, as far as the same call of a caller shows. On a busy event loop the time from its beginning
   * to its end is mostly spent waiting for its turn, which costs nobody anything. Default: the time that it takes. */
  readonly costMs?: number | undefined;
  /** Does the work. The signal is aborted at the deadline and at shutdown. */
  run(signal: AbortSignal): Promise<void>;
  /** Told when the work was not begun, or not ended in time. */
  shed(reason: ShedReason): void;
}

/** A task that waits, since when by the monotonic clock. */
export interface Waiting {
  readonly task: ShadowTask;
  readonly submittedMs: number;
}
