/** Counts and totals of the last few ticks: a window that moves on by a tick at a time. */
export class TickRing {
  readonly #counts: Float64Array;
  readonly #totals: Float64Array;
  #next = 0;

  constructor(ticks: number) {
    this.#counts = new Float64Array(ticks);
    this.#totals = new Float64Array(ticks);
  }

  /** Takes the place of the oldest tick. */
  push(count: number, total: number): void {
    this.#counts[this.#next] = count;
    this.#totals[this.#next] = total;
    this.#next = (this.#next + 1) % this.#counts.length;
  }

  get count(): number {
    return this.#counts.reduce((sum, count) => sum + count, 0);
  }

  get total(): number {
    return this.#totals.reduce((sum, total) => sum + total, 0);
  }

  /** The median over the ticks of their means, so that one slow call, or one slow tick, says nothing; undefined where
   * fewer than `minTicks` had any. */
  medianOfMeans(minTicks: number): number | undefined {
    const means = [...this.#counts].flatMap((count, at) =>
      count > 0 ? [(this.#totals[at] ?? 0) / count] : [],
    );
    if (means.length < Math.max(1, minTicks)) return undefined;
    return means.sort((a, b) => a - b)[Math.floor((means.length - 1) / 2)];
  }

  clear(): void {
    this.#counts.fill(0);
    this.#totals.fill(0);
  }
}
