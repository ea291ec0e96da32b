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

/** Tasks in the order in which they came. */
export class WaitingTasks {
  readonly #waiting: Waiting[] = [];

  get count(): number {
    return this.#waiting.length;
  }

  get oldest(): Waiting | undefined {
    return this.#waiting[0];
  }

  add(waiting: Waiting): void {
    this.#waiting.push(waiting);
  }

  /** Takes out the one that waits longest. */
  takeOldest(): Waiting | undefined {
    return this.#waiting.shift();
  }

  /** Takes out what was compared least; of several the one that waits longest. */
  takeLeastCompared(): Waiting | undefined {
    let least = 0;
    for (const [at, { task }] of this.#waiting.entries())
      if (comparedOf(task) < comparedOf((this.#waiting[least] as Waiting).task)) least = at;
    return this.#waiting.splice(least, 1)[0];
  }

  /** Takes out what was compared most, where that is more than the task was; nothing where none waits or none was. */
  takeComparedMoreThan(task: ShadowTask): Waiting | undefined {
    let most: Waiting | undefined;
    for (const one of this.#waiting)
      if (most === undefined || comparedOf(one.task) > comparedOf(most.task)) most = one;
    if (most === undefined || comparedOf(most.task) <= comparedOf(task)) return undefined;
    this.#waiting.splice(this.#waiting.indexOf(most), 1);
    return most;
  }

  /** Takes out all. */
  takeAll(): Waiting[] {
    return this.#waiting.splice(0);
  }
}

function comparedOf({ compared }: ShadowTask): number {
  return compared ?? 0;
}
