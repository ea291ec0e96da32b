import type { ShapeCounts } from '../recorder/shape-counts.ts';

/** How slowly a cost rises towards what calls take now: a call that waited behind others says little of what it takes by itself. */
const riseShare = 1 / 16;

/**
 * What a call of each shape takes of the machine, in ms, as far as its callers' calls show. Where ten wait for one connection, or for
 * one core, nine tenths of the time that a call takes are the others', and the shortest of the latest calls are nearest to what it
 * takes by itself.
 */
export class ShapeCosts {
  /** Goes with the counts, which are let go when nobody uses them. */
  readonly #costs = new WeakMap<ShapeCounts, number>();

  /** @param inFlight calls that were under way when this one ended, itself included. */
  note(shape: ShapeCounts, tookMs: number, inFlight: number): void {
    const ownMs = tookMs / Math.max(1, inFlight);
    const cost = this.#costs.get(shape) ?? ownMs;
    this.#costs.set(shape, ownMs < cost ? ownMs : cost + (ownMs - cost) * riseShare);
  }

  /** Undefined before the first call. */
  of(shape: ShapeCounts): number | undefined {
    return this.#costs.get(shape);
  }
}
