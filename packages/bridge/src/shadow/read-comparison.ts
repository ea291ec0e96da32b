import { digestInSteps } from '@changeover/compare';
import type { Clock, Digest, LegName } from '@changeover/core';
import type { ResolvedCall } from '../call/resolved-call.ts';
import { ComparedRead, type SeenDifferences } from './compared-read.ts';
import { noAnswer, type Round, turnRounds } from './confirmation.ts';
import { errorCode, type Outcome, sameOutcome, type ShadowCaller } from './shadow-caller.ts';
import { rowCount } from './copy-answer.ts';
import type { HeldAnswer } from './held-answer.ts';
import { describeDifference, describeOutcomes } from './difference-summary.ts';
import type { PendingComparison } from './pending-comparison.ts';
import { ReadReruns } from './read-reruns.ts';
import { hasError } from './read-rounds.ts';

/** A larger answer is compared by its digest alone: it is not shown, and no rule is laid over it. */
const maxShownRows = 5_000;

/** Rows digested in one turn of the event loop: half a millisecond's. */
const rowsPerTurn = 2_000;

/** What the answering leg gave its caller. */
export interface Answer {
  /** Undefined where it is to be had from the copy. */
  readonly outcome?: Outcome | undefined;
  readonly copy?: unknown;
  /** How long it took, in ms. */
  readonly tookMs?: number | undefined;
}

/** What the comparison of a read is made of. */
export interface ReadComparisonParts {
  readonly caller: ShadowCaller;
  readonly seen: SeenDifferences;
  readonly clock: Clock;
  readonly resolved: ResolvedCall;
  /** The leg that the answer is compared with. */
  readonly shadow: LegName;
  readonly args: readonly unknown[];
  readonly pending: PendingComparison;
  /** Runs reruns in a queue of their own. */
  readonly later: (run: (signal: AbortSignal) => Promise<void>) => void;
}

/** The comparison of one sampled read: the shadow run, and where it differs the reruns that tell why. To be made before the read is. */
export class ReadComparison {
  /** Set before {@link run}. */
  answer: Answer | undefined;
  /** The state that the answer is of, where it is held. */
  held: HeldAnswer | undefined;
  readonly #parts: ReadComparisonParts;
  readonly #read: ComparedRead;
  readonly #startedMs: number;
  /** The pooled leg was asked, and has not answered yet. */
  #waitsForPooled = false;

  constructor(parts: ReadComparisonParts) {
    this.#parts = parts;
    this.#startedMs = parts.clock.monotonicMs();
    this.#read = new ComparedRead({ ...parts, startedMs: this.#startedMs });
  }

  /** See {@link ComparedRead.learn}: to be asked before {@link run}. */
  learn(): Promise<boolean> | undefined {
    return this.#read.learn();
  }

  /** It waits for the pooled leg alone: if its time is over now, that leg did not answer, which is no excuse as want of a moment is. */
  get waitsForPooled(): boolean {
    return this.#waitsForPooled;
  }

  /** Runs the shadow leg and settles the pending comparison. Rejects only when the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { answer } = this;
    if (answer === undefined) throw new Error('a comparison was run before its answer was there');
    const { pending, seen } = this.#parts;
    const read = this.#read;
    this.#waitsForPooled = this.#parts.shadow === 'pooled';
    const shadow = await this.#runShadow(answer, signal);
    this.#waitsForPooled = false;
    const given = answer.outcome ?? (await this.#digestCopy(answer.copy, signal));
    if (given === undefined) return;
    const first = this.#byLeg(given, shadow);
    if (sameOutcome(first.legacy, first.pooled, read.comesInOrder)) {
      pending.verdict({ verdict: 'match' });
      if (!seen.none) seen.forget(seen.key(read.resolved, read.args));
      return;
    }
    const reason = noAnswer(first);
    if (reason !== undefined)
      pending.verdict({ verdict: 'inconclusive', reason, ...describeOutcomes(first) });
    else if (await this.#copyPasses(first, signal))
      pending.verdict({ verdict: 'match', reason: 'by rule' });
    else {
      const times = await this.#seenBefore(first, signal);
      if (times === undefined) this.#confirmLater(first);
      else await this.#settleByWitness(first, times, signal);
    }
  }

  /** The first run of the leg that did not answer. What is known of writes is asked for before the pooled leg is, or with it. */
  async #runShadow(answer: Answer, signal: AbortSignal): Promise<Outcome> {
    const { caller, shadow: leg } = this.#parts;
    const { watch, resultKind } = this.#read;
    const run = (onState?: (state: string) => void): Promise<Outcome> =>
      caller.digest(leg, { ...this.#read.call(signal), onState }, resultKind, (ms) => {
        this.#timed(ms, answer.tookMs);
      });
    if (leg === 'legacy') {
      const [outcome] = await Promise.all([run(), watch.look(signal)]);
      return outcome;
    }
    if (caller.digestTellsState) {
      const before = { isTold: false };
      const outcome = await run((state) => {
        before.isTold = true;
        watch.stateBeforePooled(state);
      });
      if (before.isTold) return outcome;
      // It failed, so that nothing is known of what was before it.
    }
    await watch.beforePooled(signal);
    return await run();
  }

  /** What the answering leg gave and what the shadow did, by their names. */
  #byLeg<T>(given: T, shadow: T): { readonly legacy: T; readonly pooled: T } {
    return this.#parts.shadow === 'pooled'
      ? { legacy: given, pooled: shadow }
      : { legacy: shadow, pooled: given };
  }

  /** The digest of the answer, made after the caller has it; undefined where there is none, of which the pending is told. */
  async #digestCopy(copy: unknown, signal: AbortSignal): Promise<Outcome | undefined> {
    try {
      return { kind: 'result', digest: await digestInTurns(copy, this.#read.resultKind, signal) };
    } catch (error) {
      signal.throwIfAborted();
      this.#parts.pending.verdict({
        verdict: 'inconclusive',
        reason: `the answer can't be digested: ${errorCode(error)}`,
      });
      return undefined;
    }
  }

  #timed(shadowMs: number, answerMs: number | undefined): void {
    const { resolved, shadow } = this.#parts;
    const { cell } = resolved;
    (shadow === 'legacy' ? cell.legacyLatency : cell.pooledLatency).record(shadowMs);
    if (answerMs === undefined) return;
    const { legacy, pooled } = this.#byLeg(answerMs, shadowMs);
    cell.paired.add(legacy, pooled);
  }

  /** A rule explains how the answer that was given differs from the other leg's, so that nothing needs to be run again on
   * the legacy leg. */
  async #copyPasses(first: Round, signal: AbortSignal): Promise<boolean> {
    const { caller, resolved, shadow } = this.#parts;
    const read = this.#read;
    const copy = this.#shownCopy;
    if (resolved.rules === undefined || copy === undefined || hasError(first)) return false;
    const other = await caller.read(shadow, read.call(signal), read.resultKind);
    if (other.outcome.kind === 'error') return false;
    return read.passesByRule(this.#byLeg(copy, other.result));
  }

  /** Reruns may have to wait for the legacy leg; the first looks at other calls must not wait with them. */
  #confirmLater(first: Round): void {
    const { caller, clock, later, pending } = this.#parts;
    const read = this.#read;
    const raced = {
      ...describeOutcomes(first),
      verdict: 'raced',
      reason: 'a write came between, and the legs could not be asked again',
    } as const;
    pending.suspect(raced.class, () => (read.watch.stillQuiet ? undefined : raced));
    // Reruns read anew; what waits for them holds no rows, but for those of an answer of the pooled leg's that is open in part.
    const isKept = this.#parts.shadow === 'legacy' && this.answer?.outcome === undefined;
    const rows = isKept && read.open !== undefined ? this.#shownCopy : undefined;
    this.answer = undefined;
    const reruns = new ReadReruns({ caller, clock, read, pending, held: this.held, rows });
    later((signal) => reruns.confirm(first, signal));
  }

  /** How often the same call has differed, where that is enough to tell: no write explains it, and legacy said the same each time. Nobody
   * wrote while the legs were asked, or they were asked so often that a write that comes and goes does not explain it either. */
  async #seenBefore(first: Round, signal: AbortSignal): Promise<number | undefined> {
    const { clock, resolved, seen } = this.#parts;
    const read = this.#read;
    if (resolved.key === '' || !read.watch.stillQuiet) return undefined;
    if (read.undetermined !== undefined) return undefined;
    // Of what is left open, only rows' order is not looked at here.
    const sameRows = read.opensOrderAlone && sameOutcome(first.legacy, first.pooled, false);
    if (read.open !== undefined && (sameRows || !read.opensOrderAlone)) return undefined;
    const quiet = await read.watch.sinceAnswer(signal);
    if (quiet === false) return undefined;
    const { times, steady } = seen.note(seen.key(resolved, read.args), first, {
      startedMs: this.#startedMs,
      nowMs: clock.monotonicMs(),
      ordered: read.ordered,
    });
    const enough = quiet === true ? times > 1 : steady && times >= turnRounds;
    return enough ? times : undefined;
  }

  async #settleByWitness(first: Round, times: number, signal: AbortSignal): Promise<void> {
    const { caller, pending, resolved, shadow } = this.#parts;
    const read = this.#read;
    pending.suspect(describeOutcomes(first).class);
    const copy = this.#shownCopy;
    // The answering leg's rows were copied; the other leg's are read once more, to show where they differ.
    const other =
      copy === undefined
        ? undefined
        : (await caller.read(shadow, read.call(signal), read.resultKind)).result;
    const difference =
      other === undefined
        ? describeOutcomes(first)
        : describeDifference(resolved, first, this.#byLeg(copy, other), read.ordered);
    pending.verdict({
      ...difference,
      verdict: 'mismatch',
      reason: `the same call has differed ${String(times)} times, and legacy said the same each time`,
    });
  }

  get #shownCopy(): unknown {
    const copy = this.answer?.copy;
    return rowCount(copy) > maxShownRows ? undefined : copy;
  }
}

/** The digest of a result, made in turns of the event loop so that a large one holds nobody up.
 *
 * @throws the signal's reason, or what makes the result undigestible. */
async function digestInTurns(
  result: unknown,
  kind: 'rows' | 'value',
  signal: AbortSignal,
): Promise<Digest> {
  const steps = digestInSteps(result, kind, rowsPerTurn);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
    signal.throwIfAborted();
  }
}
