/** A caller that waits. */
export class Waiter<Value> {
  readonly takenFor: string;
  readonly sinceMs: number;
  readonly untilMs: number;
  /** Where it began to wait, if stacks are on. */
  readonly stack: string | undefined;
  readonly promise: Promise<Value>;
  /** Called once, when it was served or refused. */
  onSettled: (() => void) | undefined;
  #resolve: (value: Value) => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;

  constructor(takenFor: string, sinceMs: number, untilMs: number, stack?: string) {
    this.takenFor = takenFor;
    this.sinceMs = sinceMs;
    this.untilMs = untilMs;
    this.stack = stack;
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

/** Callers in the order of their coming. Leaving from the middle, as on abort, is cheap. */
export class WaitingLine<Value> {
  readonly #waiters = new Set<Waiter<Value>>();
  /** No waiter's deadline is earlier; may be earlier than any. */
  #earliestMs = Infinity;

  get size(): number {
    return this.#waiters.size;
  }

  add(waiter: Waiter<Value>): void {
    this.#waiters.add(waiter);
    if (waiter.untilMs < this.#earliestMs) this.#earliestMs = waiter.untilMs;
  }

  /** @returns whether it was in the line. */
  remove(waiter: Waiter<Value>): boolean {
    return this.#waiters.delete(waiter);
  }

  takeFirst(): Waiter<Value> | undefined {
    for (const waiter of this.#waiters) {
      this.#waiters.delete(waiter);
      return waiter;
    }
    return undefined;
  }

  takeAll(): Waiter<Value>[] {
    const all = [...this.#waiters];
    this.#waiters.clear();
    this.#earliestMs = Infinity;
    return all;
  }

  /** Those whose time is up. Looks at every waiter only when one is due. */
  takeOverdue(nowMs: number): Waiter<Value>[] {
    if (nowMs < this.#earliestMs) return [];
    const overdue = [...this.#waiters].filter((waiter) => waiter.untilMs <= nowMs);
    for (const waiter of overdue) this.#waiters.delete(waiter);
    this.#earliestMs = Infinity;
    for (const waiter of this.#waiters) this.#earliestMs = Math.min(this.#earliestMs, waiter.untilMs);
    return overdue;
  }

  /** The earliest deadline, or an earlier time; undefined where nobody waits. */
  nextDeadlineMs(): number | undefined {
    return this.#waiters.size === 0 ? undefined : this.#earliestMs;
  }
}
