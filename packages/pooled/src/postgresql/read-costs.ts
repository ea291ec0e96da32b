import { isForComparison, isWriting } from '../job.ts';
import type { Job } from '../job.ts';
import type { ReadCost } from '../pooled-session.ts';
import { costKey } from '../sqlite/statement-costs.ts';

/** How often a read was made before its average counts. */
const leastCalls = 3;
/** Weights of the newest measurement: the event loop's lateness is in most of them, and must not make short reads look long. */
const [dearer, cheaper] = [0.2, 0.5];
/** Kinds of reads remembered for one dataset. */
const mostKinds = 500;

/** What one dataset's reads have cost, by what was asked. */
export class ReadCosts {
  readonly #shortMs: number;
  readonly #costs = new Map<string, MeanCost>();

  /** @param shortMs reads that take longer, on the average, have a connection to themselves. */
  constructor(shortMs: number) {
    this.#shortMs = shortMs;
  }

  /** Undefined for what has a connection to itself whatever it costs: what isn't a caller's read, or has a snapshot to read in. */
  of(job: Job): ReadCost | undefined {
    if (
      job.kind !== 'operation' ||
      isForComparison(job) ||
      job.inTransaction === true ||
      job.inSnapshot === true
    )
      return undefined;
    if (isWriting(job)) return undefined;
    const key = costKey(job.operation, job.args);
    const known = this.#costs.get(key);
    if (known !== undefined) return known;
    if (this.#costs.size >= mostKinds) {
      const [oldest] = this.#costs.keys();
      if (oldest !== undefined) this.#costs.delete(oldest);
    }
    const made = new MeanCost(this.#shortMs);
    this.#costs.set(key, made);
    return made;
  }
}

class MeanCost implements ReadCost {
  readonly #shortMs: number;
  #calls = 0;
  #meanMs = 0;

  constructor(shortMs: number) {
    this.#shortMs = shortMs;
  }

  get expectedMs(): number | undefined {
    return this.#calls >= leastCalls && this.#meanMs <= this.#shortMs ? this.#meanMs : undefined;
  }

  note(durationMs: number): void {
    this.#calls += 1;
    // One that must never share a connection costs Infinity, and stays at that.
    if (this.#meanMs === Infinity) return;
    if (this.#calls === 1 || durationMs === Infinity) this.#meanMs = durationMs;
    else
      this.#meanMs += (durationMs > this.#meanMs ? dearer : cheaper) * (durationMs - this.#meanMs);
  }
}
