import type { Clock } from '@changeover/core';
import type { MoveJudgement, Move } from '../ledger/ledger-options.ts';
import { rowDataset } from '../ledger/ledger-store.ts';
import type { GuaranteeLevels } from '../flags/stage-source.ts';
import type { Recorder } from '../../recorder/recorder.ts';
import type { ResumedAt } from '../../recorder/report-builder.ts';
import { stepForward } from '../step-forward.ts';
import { gatesIn } from './gate-file.ts';
import { inSlices, type Steps } from '../../steps.ts';
import { GateJudge } from './verdict.ts';

/** What was recorded is read on the main thread: at most this share of the time goes into that. */
const shareOfTime = 0.02;
const minAgeMs = 2_000;
/** Cells that are read in the time of one part of a step. */
const cellsReadAPart = 4;

/** What a {@link PromotionGate} goes by. */
export interface PromotionGateOptions {
  /** Asked for at the first step, since it may be made after the gate. */
  readonly recorder: () => Recorder;
  readonly clock: Clock;
  /** Read again each time. Default: the default gates. */
  readonly gatesFile?: string | undefined;
  /** What was counted of a key before is not asked of. Default: nothing is left out. */
  readonly resumedAt?: ResumedAt | undefined;
  /** The operations of a key that need no comparisons. Default: none. */
  readonly accepted?: ((backend: string, key: string) => readonly string[]) | undefined;
  /** What is kept for a key. Default: all that the recordings say is kept. */
  readonly guarantees?: ((backend: string, key: string) => GuaranteeLevels) | undefined;
}

/**
 * Says whether a key may step forward, by its gates over what the recorder has: the same gates as `changeover gate` and the
 * report. What was recorded is read again every two seconds, or more rarely where that takes long, and judged in slices of a few
 * milliseconds.
 */
export class PromotionGate {
  readonly #options: PromotionGateOptions;
  #judge: GateJudge | string = 'what was recorded is being read';
  #askAgainMs = -Infinity;
  #reading = false;
  /** How long it took to read what was recorded, which is done in one go. */
  #tookMs = 0;

  constructor(options: PromotionGateOptions) {
    this.#options = options;
  }

  judge({ backend, target, from, to }: Move): MoveJudgement {
    const key = target.kind === 'none' ? '' : rowDataset(target);
    try {
      const answer = stepForward({ from, to }, (stage) => this.#current().key(backend, key, stage));
      if (answer.kind === 'step') return { verdict: 'pass', reason: answer.gates };
      const { decision, reason } = answer;
      return { verdict: decision === 'INCONCLUSIVE' ? 'inconclusive' : 'fail', reason };
    } catch (error) {
      // A gates file that can't be used lets nothing pass, and breaks nothing.
      return {
        verdict: 'inconclusive',
        reason: String((error as { message?: unknown }).message),
      };
    }
  }

  /** @throws what the gates file is wrong in. */
  #current(): GateJudge {
    if (!this.#reading && this.#options.clock.monotonicMs() >= this.#askAgainMs) this.#readAgain();
    if (typeof this.#judge === 'string') throw new Error(this.#judge);
    return this.#judge;
  }

  /** Until all of it is read, what was read before decides. */
  #readAgain(): void {
    const { clock } = this.#options;
    this.#reading = true;
    inSlices(clock, this.#read(), (end) => {
      this.#reading = false;
      this.#judge =
        end.kind === 'done'
          ? end.result
          : String((end.error as { message?: unknown } | undefined)?.message);
      this.#askAgainMs = clock.monotonicMs() + Math.max(minAgeMs, this.#tookMs / shareOfTime);
    });
  }

  *#read(): Steps<GateJudge> {
    const { recorder, resumedAt, gatesFile, accepted, guarantees, clock } = this.#options;
    const startedMs = clock.monotonicMs();
    const data = recorder().summary(resumedAt);
    this.#tookMs = clock.monotonicMs() - startedMs;
    // The first slice of a small migration ends in the tick in which it is asked for.
    yield data.cells.length / cellsReadAPart;
    return yield* GateJudge.inSteps({
      gates: gatesIn(gatesFile),
      data,
      standing: (backend, key) => ({
        accepted: accepted?.(backend, key),
        guarantees: guarantees?.(backend, key),
      }),
    });
  }
}
