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
