import type { Clock, Target } from '@changeover/core';
import type { MoveJudgement, Move, WaitingStep } from '../ledger/ledger-options.ts';
import { rowDataset } from '../ledger/ledger-store.ts';
import { routes } from '../../call/route.ts';
import type { AskedKey } from '../../recorder/asked-key.ts';
import type { GuaranteeLevels } from '../flags/stage-source.ts';
import type { Recorder } from '../../recorder/recorder.ts';
import type { ResumedAt } from '../../recorder/report-data.ts';
import { stepForward } from '../step-forward.ts';
import { gatesIn } from './gate-file.ts';
import { inSlices, type Steps } from '../../steps.ts';
import { GateJudge } from './verdict.ts';

/** What was recorded is read and judged on the main thread: in slices, and with so many times as long a rest as it took. */
const restPerReading = 1;
const minAgeMs = 2_000;

/** What a {@link PromotionGate} goes by. */
export interface PromotionGateOptions {
  /** Asked for at the first step, since it may be made after the gate. */
  readonly recorder: () => Pick<Recorder, 'refreshKeys' | 'summaryInSteps'>;
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
  /** Ends the reading; undefined where nothing is being read. */
  #reading: (() => void) | undefined = undefined;
  /** Steps whose keys were fetched, and that nothing was judged of yet. */
  #unjudged: readonly WaitingStep[] = [];

  constructor(options: PromotionGateOptions) {
    this.#options = options;
  }

  /** To be asked before gates are: those of the steps whose keys are fresh. None where what other processes counted of them can't be fetched
   * yet, or was fetched and is not all read yet. What was fetched is judged by once. */
  async fresh(waiting: readonly WaitingStep[]): Promise<readonly WaitingStep[]> {
    if (this.#unjudged.length === 0) {
      const fetched = this.#options.recorder().refreshKeys(waiting.map(keyOfStep));
      if (fetched === 'current') return waiting;
      this.#unjudged = (await fetched).map(({ step }) => step);
      if (this.#unjudged.length === 0) return [];
      this.#readAgain();
    }
    if (this.#reading !== undefined) return [];
    const steps = this.#unjudged;
    this.#unjudged = [];
    return steps;
  }

  judge({ backend, target, from, to }: Move): MoveJudgement {
    const key = datasetOf(target);
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
    if (this.#reading === undefined && this.#options.clock.monotonicMs() >= this.#askAgainMs)
      this.#readAgain();
    if (typeof this.#judge === 'string') throw new Error(this.#judge);
    return this.#judge;
  }

  /** Until all of it is read, what was read before decides. What is being read already is no longer asked for. */
  #readAgain(): void {
    const { clock } = this.#options;
    const startedMs = clock.monotonicMs();
    this.#reading?.();
    const read = { isOver: false };
    const stop = inSlices(clock, this.#read(), (end) => {
      read.isOver = true;
      this.#reading = undefined;
      this.#judge =
        end.kind === 'done'
          ? end.result
          : String((end.error as { message?: unknown } | undefined)?.message);
      const tookMs = clock.monotonicMs() - startedMs;
      this.#askAgainMs = clock.monotonicMs() + Math.max(minAgeMs, tookMs * restPerReading);
    });
    this.#reading = read.isOver ? undefined : stop;
  }

  *#read(): Steps<GateJudge> {
    const { recorder, resumedAt, gatesFile, accepted, guarantees } = this.#options;
    const data = yield* recorder().summaryInSteps(resumedAt);
    return yield* GateJudge.inSteps({
      gates: gatesIn(gatesFile),
      data,
      position: (backend, key) => ({
        accepted: accepted?.(backend, key),
        guarantees: guarantees?.(backend, key),
      }),
    });
  }
}

/** Where the pooled leg answers, gates are asked of latencies, and of the last minutes as well. */
function keyOfStep(step: WaitingStep): AskedKey & { readonly step: WaitingStep } {
  const { backend, target, from } = step;
  const timed = routes[from].read.answers === 'pooled';
  return { backend, dataset: datasetOf(target), timed, step };
}

function datasetOf(target: Target): string {
  return target.kind === 'none' ? '' : rowDataset(target);
}
