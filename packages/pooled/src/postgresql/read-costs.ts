import { isWriting } from '../job.ts';
import type { Job } from '../job.ts';
import type { ReadCost } from '../pooled-session.ts';
import { costKey } from '../sqlite/statement-costs.ts';

/** Reads that take longer, on the average, have a connection to themselves. */
const shortMs = 2;
/** How often a read was made before its average counts. */
const leastCalls = 3;
/** Weights of the newest measurement: the event loop's lateness is in most of them, and must not make short reads look long. */
const [dearer, cheaper] = [0.2, 0.5];
/** Kinds of reads remembered for one dataset. */
const mostKinds = 500;

/** What one dataset's reads have cost, by what was asked. */
export class ReadCosts {
  readonly #costs = new Map<string, MeanCost>();

  /** Undefined for what has a connection to itself whatever it costs: what isn't a caller's read, or has a snapshot to read in. */
  of(job: Job): ReadCost | undefined {
    if (job.kind !== 'operation' || job.digest === true || job.inTransaction === true || job.inSnapshot === true) return undefined;
    if (isWriting(job)) return undefined;
    const key = costKey(job.operation, job.args);
    const known = this.#costs.get(key);
    if (known !== undefined) return known;
    if (this.#costs.size >= mostKinds) {
      const [oldest] = this.#costs.keys();
      if (oldest !== undefined) this.#costs.delete(oldest);
    }
    const made = new MeanCost();
    this.#costs.set(key, made);
    return made;
  }
}

class MeanCost implements ReadCost {
  #calls = 0;
  #meanMs = 0;

  get expectedMs(): number | undefined {
    return this.#calls >= leastCalls && this.#meanMs <= shortMs ? this.#meanMs : undefined;
  }

  note(durationMs: number): void {
    this.#calls += 1;
    // One that must never share a connection costs Infinity, and stays at that.
    if (this.#meanMs === Infinity) return;
    if (this.#calls === 1 || durationMs === Infinity) this.#meanMs = durationMs;
    else this.#meanMs += (durationMs > this.#meanMs ? dearer : cheaper) * (durationMs - this.#meanMs);
  }
}
