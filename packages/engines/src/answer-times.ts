/** What the way there and back may rise by with each answer, should it have become longer for good. */
const drift = 1.001;

/** How long a server took for each statement, from when they were sent and answered: less what the way there and back takes, and
 * less what those before it took. */
export class AnswerTimes {
  /** The least that an answer took, from when it was sent on an idle connection. */
  #wayMs = Infinity;
  #lastAnswerMs = 0;

  /**
   * A statement is answered now.
   *
   * @param sentAtMs by `performance.now()`.
   * @param isFirst whether nothing else was on its way when it was sent.
   */
  took(sentAtMs: number, isFirst: boolean): number {
    const nowMs = performance.now();
    const allMs = nowMs - sentAtMs;
    const sinceLastMs = nowMs - this.#lastAnswerMs;
    this.#lastAnswerMs = nowMs;
    if (isFirst) this.#wayMs = Math.min(this.#wayMs * drift, allMs);
    return Math.max(0, Math.min(sinceLastMs, allMs - this.#wayMs));
  }
}
