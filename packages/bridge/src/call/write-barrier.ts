import type { LegName } from '@changeover/core';

interface Waiter {
  readonly leg: LegName;
  readonly exclusive: boolean;
  readonly admit: () => void;
}

/**
 * Keeps the writes to one dataset from overlapping across legs: a write for one leg waits until those in flight on the
 * other have ended, and later writes wait behind it, so that a change of stage is never starved. Reads don't come here.
 *
 * There is no time-out, because both legs end their calls by themselves and a write that gives up here would be a failure
 * that the legacy API never had.
 */
export class WriteBarrier {
  #leg: LegName | undefined;
  #active = 0;
  #exclusive = false;
  #passing = 0;
  #epoch = 0;
  readonly #waiting: Waiter[] = [];

  /** Moves whenever a write begins or ends. Two reads between which it stood still, with no write active, saw the same
   * rows, as far as this process wrote them. */
  get epoch(): number {
    return this.#epoch;
  }

  /** No write is in flight. */
  get quiet(): boolean {
    return this.#active === 0 && this.#passing === 0;
  }

  /** Nothing is in flight and nothing waits: the barrier holds no state but its epoch. */
  get idle(): boolean {
    return this.quiet && this.#waiting.length === 0;
  }

  /**
   * Admits a write at once (`undefined`) or later. Each admission must be ended by one {@link leave}.
   *
   * @param exclusive no other write of this dataset runs meanwhile: a rehearsal on one leg must not meet a write on the
   * other.
   * @param nested the write comes from inside a transaction, which would wait for itself if its writes queued behind a
   * write that waits for the transaction: it passes those that wait.
   */
  enter(leg: LegName, exclusive: boolean, nested = false): Promise<void> | undefined {
    if ((nested || this.#waiting.length === 0) && this.#admits(leg, exclusive)) {
      this.#begin(leg, exclusive);
      return undefined;
    }
    return new Promise((resolve) => {
      this.#waiting.push({ leg, exclusive, admit: resolve });
    });
  }

  /**
   * Admits a write that can't wait, without an other one's leg to overlap: on the leg that it wants, or on that of the writes in
   * flight. To be ended by one {@link leave}.
   *
   * @returns the leg to use.
   */
  enterNow(wanted: LegName): LegName {
    const leg = this.#active > 0 && this.#leg !== undefined ? this.#leg : wanted;
    this.#begin(leg, this.#exclusive);
    return leg;
  }

  /** Notes that a write begins which changes what is seen here, and is ordered elsewhere. To be ended by {@link passed}. */
  pass(): void {
    this.#passing += 1;
    this.#epoch += 1;
  }

  passed(): void {
    this.#passing -= 1;
    this.#epoch += 1;
  }

  leave(): void {
    this.#active -= 1;
    this.#epoch += 1;
    if (this.#active === 0) {
      this.#leg = undefined;
      this.#exclusive = false;
    }
    for (;;) {
      const next = this.#waiting[0];
      if (next === undefined || !this.#admits(next.leg, next.exclusive)) return;
      this.#waiting.shift();
      this.#begin(next.leg, next.exclusive);
      next.admit();
    }
  }

  #admits(leg: LegName, exclusive: boolean): boolean {
    return this.#active === 0 || (this.#leg === leg && !this.#exclusive && !exclusive);
  }

  #begin(leg: LegName, exclusive: boolean): void {
    this.#leg = leg;
    this.#exclusive = exclusive;
    this.#active += 1;
    this.#epoch += 1;
  }
}
