/** Keeps the process alive while somebody waits for an answer. Every other timer here is unref'd, so that nothing that
 * was forgotten holds the process; but a caller may be waiting for nothing else than such a timer. */
export class KeepAlive {
  #holds = 0;
  #timer: NodeJS.Timeout | undefined;

  hold(): void {
    this.#holds += 1;
    if (this.#holds > 1) return;
    // The longest interval that there is; it does nothing when it comes.
    this.#timer ??= setInterval(() => undefined, 2 ** 31 - 1);
    this.#timer.ref();
  }

  letGo(): void {
    this.#holds -= 1;
    if (this.#holds === 0) this.#timer?.unref();
  }

  /** Whether somebody waits. */
  get held(): boolean {
    return this.#holds > 0;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
