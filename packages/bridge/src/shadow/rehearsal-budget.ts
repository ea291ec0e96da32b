import type { ShadowCall, ShadowLeg } from '@changeover/core';
import type { ResolvedCall } from '../call/resolved-call.ts';
import type { ShapeCounts } from '../recorder/cell.ts';

/** After a rehearsal over its budget this many are left out, twice as many after each further one. */
const firstPause = 8;
const longestPause = 1_024;
/** From this many rehearsals on, a shape of call that usually needs more than the budget isn't rehearsed any more. */
const enoughRehearsals = 8;

/** What is known of the rehearsals of one shape of call. */
interface Seen {
  /** Calls that go without one, and how many will the next time that one is over its budget. */
  left: number;
  next: number;
  count: number;
  meanMs: number;
}

/**
 * Says which writes may be rehearsed on their caller's path, by what their shape took before: a caller waits for a rehearsal to its
 * end, for it holds locks, so that one which doesn't fit the budget must not be begun.
 */
export class RehearsalBudget {
  /** Goes with the counts, which are let go when nobody uses them. */
  readonly #seen = new WeakMap<ShapeCounts, Seen>();

  /** Whether a rehearsal of this call may be expected to fit.
   *
   * @param leg what rehearses, if it can say what that takes. */
  admits(
    resolved: ResolvedCall,
    call: Pick<ShadowCall, 'operation' | 'args'>,
    leg: Pick<ShadowLeg, 'estimatedRehearsalMs'> | undefined,
  ): boolean {
    const { cost, decision, shape } = resolved;
    const seen = this.#seenOf(shape);
    if (seen.left > 0) {
      seen.left -= 1;
      return false;
    }
    const { rehearsalBudgetMs: budgetMs } = decision.settings;
    if (seen.count >= enoughRehearsals && seen.meanMs > budgetMs) return false;
    const estimatedMs = estimateOf(call, leg);
    // Either is enough: a leg's mean remembers a bad moment for long, and the legacy leg's time holds the wait for its turn.
    if (estimatedMs <= budgetMs || (cost.legacyMs ?? Infinity) <= budgetMs) return true;
    // The first call of a shape is measured, and the next one rehearsed.
    if (cost.legacyMs !== undefined) shape.noteShed('budget');
    return false;
  }

  /** Notes a rehearsal that took so long.
   *
   * @param over it was longer than its budget. */
  took(shape: ShapeCounts, ms: number, over: boolean): void {
    const seen = this.#seenOf(shape);
    seen.count += 1;
    seen.meanMs += (ms - seen.meanMs) / Math.min(seen.count, enoughRehearsals);
    seen.left = over ? seen.next : 0;
    seen.next = over ? Math.min(seen.next * 2, longestPause) : firstPause;
  }

  #seenOf(shape: ShapeCounts): Seen {
    const seen = this.#seen.get(shape) ?? { left: 0, next: firstPause, count: 0, meanMs: 0 };
    this.#seen.set(shape, seen);
    return seen;
  }
}

/** Infinity where it can't be told; 0 where the rehearsal ends when it is given up. */
function estimateOf(
  call: Pick<ShadowCall, 'operation' | 'args'>,
  leg: Pick<ShadowLeg, 'estimatedRehearsalMs'> | undefined,
): number {
  if (leg?.estimatedRehearsalMs === undefined) return 0;
  try {
    return leg.estimatedRehearsalMs(call) ?? Infinity;
  } catch {
    // A leg that fails to tell knows nothing.
    return Infinity;
  }
}
