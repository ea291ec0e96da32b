import type { Clock, LegName } from '@changeover/core';
import { TokenBucket } from './token-bucket.ts';

/** The share of the time that synchronous shadow calls may take from the event loop, all operations together */
const share = 0.02;
/** A longer run is noticed by the callers that wait meanwhile: the operation is left out for {@link pauseMs}. */
const longestRunMs = 5;
const pauseMs = 60_000;
/** What was not used is kept up to this, in ms of running. */
const mostCreditMs = 50;
const firstCreditMs = 20;
/** What is of a shape's quota may run into debt by so much, which all others then wait for: a hot operation that uses up the share
 * holds none of it up. */
const quotaDebtMs = 20;

/** How a leg answers an operation, as far as was seen. */
export type AnswerStyle = 'at-once' | 'later' | undefined;

/**
 * What synchronous shadow calls cost the event loop, and whether the next one may be made: a call that answers at once holds up
 * every caller while it runs, so it can't be given up at a deadline.
 */
export class LoopBudget {
  readonly #clock: Clock;
  /** By leg and operation: asked at calls, so no name is put together for it. */
  readonly #styles: Readonly<Record<LegName, Map<string, AnswerStyle>>> = {
    legacy: new Map(),
    pooled: new Map(),
  };
  readonly #resumeMs = new Map<string, number>();
  readonly #credit: TokenBucket;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#credit = new TokenBucket(clock, {
      capacity: mostCreditMs,
      perSecond: share * 1_000,
      initial: firstCreditMs,
    });
  }

  /** How the leg answered this operation when it was last run as the shadow. */
  style(leg: LegName, operation: string): AnswerStyle {
    return this.#styles[leg].get(operation);
  }

  /** Whether the shadow may be run now. What was never seen may: that is how it is learned.
   *
   * @param quota the comparison is of its shape's quota. */
  admits(leg: LegName, operation: string, quota = false): boolean {
    if (this.style(leg, operation) !== 'at-once') return true;
    return (
      this.#credit.level > (quota ? -quotaDebtMs : 0) &&
      this.#clock.monotonicMs() >= (this.#resumeMs.get(`${leg} ${operation}`) ?? -Infinity)
    );
  }

  /** Notes a run that held the event loop for so long. */
  took(leg: LegName, operation: string, ms: number): void {
    this.#styles[leg].set(operation, 'at-once');
    this.#credit.spend(ms);
    if (ms > longestRunMs)
      this.#resumeMs.set(`${leg} ${operation}`, this.#clock.monotonicMs() + pauseMs);
  }

  /** Notes that the leg answered with a promise. */
  answersLater(leg: LegName, operation: string): void {
    this.#styles[leg].set(operation, 'later');
  }
}
