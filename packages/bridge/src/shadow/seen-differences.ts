import { digestValue } from '@changeover/compare';
import type { ResolvedCall } from '../call/resolved-call.ts';
import { type Round } from './confirmation.ts';
import { sameOutcome } from './shadow-caller.ts';

/** Calls under suspicion that are remembered; beyond it the oldest are forgotten. */
const maxRemembered = 1_000;

/** How often a call has differed, this time included, since legacy said something else. */
export interface Sightings {
  readonly times: number;
  /** The pooled leg said the same each time, too. */
  readonly steady: boolean;
}

interface Sighting extends Sightings {
  readonly round: Round;
  readonly judgedMs: number;
}

/**
 * What the legs said to calls on which they differed. Where the legacy leg is too busy to be asked again, the same call made again by
 * a caller is as good a witness: if legacy says the same twice and the pooled leg differs twice, the difference is real, and a query
 * that isn't determined has been ruled out.
 */
export class SeenDifferences {
  readonly #seen = new Map<string, Sighting>();

  /** Nothing is under suspicion: nothing needs to be looked up. */
  get none(): boolean {
    return this.#seen.size === 0;
  }

  /** The same for calls of the same operation with the same arguments. */
  key({ key, operation }: ResolvedCall, args: readonly unknown[]): string {
    return `${key}\0${operation}\0${digestValue(args.filter((argument) => typeof argument !== 'function')).ordered}`;
  }

  /**
   * Takes note of a call on which the legs differ. Those count that were judged before this one began: two that ran at once saw the same
   * moment, and one write between them and their shadows explains both.
   *
   * @param startedMs when this call began, by the monotonic clock.
   * @param nowMs by the same.
   */
  note(
    key: string,
    round: Round,
    { startedMs, nowMs, ordered }: { startedMs: number; nowMs: number; ordered: boolean },
  ): Sightings {
    const before = this.#seen.get(key);
    const counts =
      before !== undefined &&
      before.judgedMs < startedMs &&
      sameOutcome(before.round.legacy, round.legacy, ordered);
    const sighting: Sighting = {
      round,
      judgedMs: nowMs,
      times: counts ? before.times + 1 : 1,
      steady: !counts || (before.steady && sameOutcome(before.round.pooled, round.pooled, ordered)),
    };
    this.#seen.delete(key);
    this.#seen.set(key, sighting);
    const [oldest] = this.#seen.keys();
    if (this.#seen.size > maxRemembered && oldest !== undefined) this.#seen.delete(oldest);
    return sighting;
  }

  forget(key: string): void {
    this.#seen.delete(key);
  }
}
