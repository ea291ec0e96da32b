/** A query that takes longer has work for more than one thread. */
const longMs = 50;

/**
 * How many threads the instance of one dataset gets. With more instances open than there are cores, the queries of
 * several datasets keep all cores busy with one thread each, and handing a small query to another thread costs a third of
 * its time: 100 datasets at once answered 1,650 calls a second that way and 1,200 with all threads each. An instance that
 * was opened with one gets all from the first long query on that had the machine to itself. Never fewer while it is open:
 * that waits until every thread has ended what it does.
 */
export class InstanceThreads {
  readonly #cores: number;
  #few = false;
  #tooFew = false;

  constructor(cores: number) {
    this.#cores = cores;
  }

  /** For an instance that is about to be opened: 1, or undefined for the engine's own number.
   *
   * @param others instances that are open already. */
  forOpening(others: number): 1 | undefined {
    this.#few = others >= this.#cores;
    this.#tooFew = false;
    return this.#few ? 1 : undefined;
  }

  /** A query ended.
   *
   * @param running how many ran at once, itself included. */
  ran(durationMs: number, running: number): void {
    if (this.#few && durationMs > longMs && running <= this.#cores) this.#tooFew = true;
  }

  /** Whether the instance should get all threads now; true once. */
  takeRaise(): boolean {
    if (!this.#tooFew) return false;
    this.#few = false;
    this.#tooFew = false;
    return true;
  }
}
