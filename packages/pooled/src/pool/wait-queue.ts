/** What a caller in a {@link WaitQueue} waits for. */
export interface WaiterTerms {
  /** The operation, for errors and leak reports. */
  readonly takenFor: string;
  readonly sinceMs: number;
  /** When the wait ends, on the monotonic clock. */
  readonly untilMs: number;
  /** Whether it needs one of the queue's turns as well. */
  readonly needsTurn: boolean;
  /** How long its work is expected to take, if it may share a connection. */
  readonly expectedMs: number | undefined;
  /** Where it began to wait, if `leakStacks` is on. */
  readonly stack: string | undefined;
}

/** A caller that waits. */
export class Waiter<Value> implements WaiterTerms {
  readonly takenFor: string;
  readonly sinceMs: number;
  readonly untilMs: number;
  readonly needsTurn: boolean;
  readonly expectedMs: number | undefined;
  readonly stack: string | undefined;
  readonly promise: Promise<Value>;
  /** Called once, when it was served or refused. */
  onSettled: (() => void) | undefined;
  #resolve: (value: Value) => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;

  constructor(terms: WaiterTerms) {
    this.takenFor = terms.takenFor;
    this.sinceMs = terms.sinceMs;
    this.untilMs = terms.untilMs;
    this.needsTurn = terms.needsTurn;
    this.expectedMs = terms.expectedMs;
    this.stack = terms.stack;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  resolve(value: Value): void {
    this.onSettled?.();
    this.#resolve(value);
  }

  reject(error: unknown): void {
    this.onSettled?.();
    this.#reject(error);
  }
}

/**
 * FIFO queue of callers waiting for a connection. Removing one from the middle, as on abort, takes constant time.
 *
 * Some callers need a turn as well, of which there are few: they don't hold up the others while they wait for one, go
 * first once they have it, and hold it until it is given back.
 */
export class WaitQueue<Value> {
  /** Got their turn while they waited, and go first. */
  readonly #granted = new Set<Waiter<Value>>();
  readonly #servable = new Set<Waiter<Value>>();
  readonly #withoutTurn = new Set<Waiter<Value>>();
  #turns: number;
  /** No waiter's deadline is earlier; may be earlier than any. */
  #earliestMs = Infinity;

  /** @param turns how many callers may have a turn at once. */
  constructor(turns: number) {
    this.#turns = turns;
  }

  /** Callers that need nothing but a connection. */
  get size(): number {
    return this.#granted.size + this.#servable.size;
  }

  /** All callers. */
  get waiting(): number {
    return this.size + this.#withoutTurn.size;
  }

  add(waiter: Waiter<Value>): void {
    (waiter.needsTurn && !this.#takeTurn() ? this.#withoutTurn : this.#servable).add(waiter);
    if (waiter.untilMs < this.#earliestMs) this.#earliestMs = waiter.untilMs;
  }

  giveBackTurn(): void {
    const [next] = this.#withoutTurn;
    if (next === undefined) {
      this.#turns += 1;
      return;
    }
    this.#withoutTurn.delete(next);
    this.#granted.add(next);
  }

  /** @returns whether it was in the queue. Its turn, if it had one, goes to the next. */
  remove(waiter: Waiter<Value>): boolean {
    if (this.#withoutTurn.delete(waiter)) return true;
    if (!this.#granted.delete(waiter) && !this.#servable.delete(waiter)) return false;
    if (waiter.needsTurn) this.giveBackTurn();
    return true;
  }

  /** Removes a waiter and rejects it when the signal is aborted. */
  leaveOnAbort(
    waiter: Waiter<Value>,
    signal: AbortSignal,
    error: () => unknown,
    onLeft: () => void,
  ): void {
    const onAbort = (): void => {
      if (!this.remove(waiter)) return;
      waiter.reject(error());
      onLeft();
    };
    signal.addEventListener('abort', onAbort, { once: true });
    waiter.onSettled = () => {
      signal.removeEventListener('abort', onAbort);
    };
  }

  /** Takes the first caller that can be served out of the queue. It keeps its turn, if it needed one. */
  takeFirst(): Waiter<Value> | undefined {
    const callers = this.#granted.size > 0 ? this.#granted : this.#servable;
    for (const waiter of callers) {
      callers.delete(waiter);
      return waiter;
    }
    return undefined;
  }

  /** The first of all callers, which stays in the queue. */
  first(): Waiter<Value> | undefined {
    for (const waiter of this.#all()) return waiter;
    return undefined;
  }

  takeAll(): Waiter<Value>[] {
    return this.#take(() => true);
  }

  /** Takes those out whose time is up. Looks at every waiter only when one is due. */
  takeOverdue(nowMs: number): Waiter<Value>[] {
    return nowMs < this.#earliestMs ? [] : this.#take((waiter) => waiter.untilMs <= nowMs);
  }

  /** The earliest deadline, or an earlier time; undefined if nobody waits. */
  nextDeadlineMs(): number | undefined {
    return this.waiting === 0 ? undefined : this.#earliestMs;
  }

  #takeTurn(): boolean {
    if (this.#turns === 0) return false;
    this.#turns -= 1;
    return true;
  }

  #take(which: (waiter: Waiter<Value>) => boolean): Waiter<Value>[] {
    const taken = [...this.#all()].filter(which);
    for (const waiter of taken) this.remove(waiter);
    this.#earliestMs = Infinity;
    for (const waiter of this.#all()) this.#earliestMs = Math.min(this.#earliestMs, waiter.untilMs);
    return taken;
  }

  *#all(): Iterable<Waiter<Value>> {
    yield* this.#granted;
    yield* this.#servable;
    yield* this.#withoutTurn;
  }
}
