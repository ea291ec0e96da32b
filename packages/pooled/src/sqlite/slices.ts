/** What one turn of the event loop is held up by. */
const sliceMs = 4;

/** Small tasks in their order, of which each turn of the event loop does as many as fit into some ms: sockets and timers get
 * theirs in between, however many there are. */
export class Slices {
  #tasks: (() => void)[] = [];
  #isArmed = false;

  /** @param task must not throw. */
  add(task: () => void): void {
    this.#tasks.push(task);
    if (this.#isArmed) return;
    this.#isArmed = true;
    setImmediate(this.#turn);
  }

  readonly #turn = (): void => {
    const startedMs = performance.now();
    let done = 0;
    for (const task of this.#tasks) {
      task();
      done += 1;
      if (performance.now() - startedMs >= sliceMs) break;
    }
    this.#tasks = this.#tasks.slice(done);
    this.#isArmed = this.#tasks.length > 0;
    if (this.#isArmed) setImmediate(this.#turn);
  };
}
