import type { Clock } from '@changeover/core';
import type { MoveJudgement, Move } from '../ledger/ledger-options.ts';
import type { Recorder } from '../../recorder/recorder.ts';
import type { ResumedAt } from '../../recorder/report-builder.ts';
import { gatesIn } from './gate-file.ts';
import { decideVerdict, type BackendVerdict } from './verdict.ts';

/** What was recorded is read on the main thread: at most this share of the time goes into that. */
const shareOfTime = 0.02;
const minAgeMs = 2_000;

/**
 * Says whether a dataset may step forward, by its backend's gates over what the recorder has: the same gates as
 * `changeover gate` and the report. The way to `shadow` has none, for callers are still answered by the legacy leg.
 */
export class PromotionGate {
  readonly #recorder: () => Recorder;
  readonly #clock: Clock;
  readonly #gatesFile: string | undefined;
  readonly #resumedAt: ResumedAt | undefined;
  #unreadable: string | undefined;
  #verdicts: readonly BackendVerdict[] = [];
  #askAgainMs = -Infinity;

  /** @param gatesFile read again each time. Default: the default gates.
   * @param resumedAt what was counted of a dataset before is not asked of. Default: nothing is left out.
   * @param recorder asked for at the first step, since it may be made after the gate. */
  constructor(recorder: () => Recorder, clock: Clock, gatesFile?: string, resumedAt?: ResumedAt) {
    this.#recorder = recorder;
    this.#resumedAt = resumedAt;
    this.#gatesFile = gatesFile;
    this.#clock = clock;
  }

  judge({ backend, from }: Move): MoveJudgement {
    if (from === 'legacy') return { verdict: 'pass', reason: 'at shadow the legacy leg answers' };
    const verdicts = this.#ask();
    if (this.#unreadable !== undefined)
      return { verdict: 'inconclusive', reason: this.#unreadable };
    const found = verdicts.find((verdict) => verdict.backend === backend);
    if (found === undefined)
      return { verdict: 'inconclusive', reason: `no call on ${backend} has been recorded` };
    const { decision, reason } = found;
    return {
      verdict:
        decision === 'PROMOTE' ? 'pass' : decision === 'INCONCLUSIVE' ? 'inconclusive' : 'fail',
      reason,
    };
  }

  /** A gates file that can't be used lets nothing pass, and breaks nothing. */
  #decide(): readonly BackendVerdict[] {
    this.#unreadable = undefined;
    try {
      return decideVerdict({
        data: this.#recorder().summary(this.#resumedAt),
        gates: gatesIn(this.#gatesFile),
      }).backends;
    } catch (error) {
      this.#unreadable = String((error as { message?: unknown }).message);
      return [];
    }
  }

  #ask(): readonly BackendVerdict[] {
    const startedMs = this.#clock.monotonicMs();
    if (startedMs < this.#askAgainMs) return this.#verdicts;
    this.#verdicts = this.#decide();
    const endedMs = this.#clock.monotonicMs();
    this.#askAgainMs = endedMs + Math.max(minAgeMs, (endedMs - startedMs) / shareOfTime);
    return this.#verdicts;
  }
}
