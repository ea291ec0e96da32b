/** A caller that waits. */
export class Waiter<Value> {
  readonly takenFor: string;
  readonly sinceMs: number;
  readonly untilMs: number;
  /** Whether it waits for a turn as well. */
  readonly needsTurn: boolean;
  /** Set where it takes a place beside others. */
  readonly expectedMs: number | undefined;
  /** Where it began to wait, if stacks are on. */
  readonly stack: string | undefined;
  readonly promise: Promise<Value>;
  /** Called once, when it was served or refused. */
  onSettled: (() => void) | undefined;
  #resolve: (value: Value) => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;

  constructor(
    takenFor: string,
    sinceMs: number,
    untilMs: number,
    needsTurn = false,
    stack?: string,
    expectedMs?: number,
  ) {
    this.takenFor = takenFor;
    this.sinceMs = sinceMs;
    this.untilMs = untilMs;
    this.needsTurn = needsTurn;
    this.stack = stack;
    this.expectedMs = expectedMs;
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

/** Callers in the order of their coming. Leaving from the middle, as on abort, is cheap. Some need a turn, of which there are
 * few; they wait apart until they have one, and hold it until it is given back. */
export class WaitingLine<Value> {
  /** Have got their turn while they waited, and go first. */
  readonly #granted = new Set<Waiter<Value>>();
  readonly #servable = new Set<Waiter<Value>>();
  readonly #withoutTurn = new Set<Waiter<Value>>();
  #turns: number;
  /** No waiter's deadline is earlier; may be earlier than any. */
  #earliestMs = Infinity;

  /** @param turns how many of those that need a turn may have one at once. */
  constructor(turns: number) {
    this.#turns = turns;
  }

  /** Those who can be served now. */
  get size(): number {
    return this.#granted.size + this.#servable.size;
  }

  /** All who wait. */
  get waiting(): number {
    return this.size + this.#withoutTurn.size;
  }

  add(waiter: Waiter<Value>): void {
    (waiter.needsTurn && !this.takeTurn() ? this.#withoutTurn : this.#servable).add(waiter);
    if (waiter.untilMs < this.#earliestMs) this.#earliestMs = waiter.untilMs;
  }

  /** @returns whether there was one; it must be given back. */
  takeTurn(): boolean {
    if (this.#turns === 0) return false;
    this.#turns -= 1;
    return true;
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

  /** @returns whether it was in the line. */
  remove(waiter: Waiter<Value>): boolean {
    if (this.#withoutTurn.delete(waiter)) return true;
    if (!this.#granted.delete(waiter) && !this.#servable.delete(waiter)) return false;
    if (waiter.needsTurn) this.giveBackTurn();
    return true;
  }

  /** Lets a waiter leave with an error when the signal is aborted. */
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

  /** Its turn, if it needed one, is kept for it. */
  takeFirst(): Waiter<Value> | undefined {
    for (const line of [this.#granted, this.#servable]) {
      for (const waiter of line) {
        line.delete(waiter);
        return waiter;
      }
    }
    return undefined;
  }

  /** The first of all, if it takes a place beside others: it needs no turn of its own then. */
  takeFirstSharing(): Waiter<Value> | undefined {
    for (const waiter of this.#all()) {
      if (waiter.expectedMs === undefined) return undefined;
      this.remove(waiter);
      return waiter;
    }
    return undefined;
  }

  takeAll(): Waiter<Value>[] {
    return this.#take(() => true);
  }

  /** Those whose time is up. Looks at every waiter only when one is due. */
  takeOverdue(nowMs: number): Waiter<Value>[] {
    return nowMs < this.#earliestMs ? [] : this.#take((waiter) => waiter.untilMs <= nowMs);
  }

  /** The earliest deadline, or an earlier time; undefined where nobody waits. */
  nextDeadlineMs(): number | undefined {
    return this.waiting === 0 ? undefined : this.#earliestMs;
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
