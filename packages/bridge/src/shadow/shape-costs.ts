import type { ShapeCounts } from '../recorder/shape-counts.ts';

/** How slowly a cost rises towards what calls take now: a call that waited behind others says little of what it takes by itself. */
const riseShare = 1 / 16;

/**
 * What a call of each shape takes of the machine, in ms, as far as its callers' calls show. Where many wait for one connection,
 * most of the time that a call takes is others'; the shortest of the latest calls are nearest to what it takes by itself.
 */
export class ShapeCosts {
  /** Goes with the counts, which are let go when nobody uses them. */
  readonly #costs = new WeakMap<ShapeCounts, number>();

  note(shape: ShapeCounts, tookMs: number): void {
    const cost = this.#costs.get(shape) ?? tookMs;
    this.#costs.set(shape, tookMs < cost ? tookMs : cost + (tookMs - cost) * riseShare);
  }

  /** Undefined before the first call. */
  of(shape: ShapeCounts): number | undefined {
    return this.#costs.get(shape);
  }
}
