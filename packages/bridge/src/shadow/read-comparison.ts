import { findDifference } from '@changeover/compare';
import { SnapshotLostError } from '@changeover/core';
import type { Clock, HeldSnapshot, LegName, ReadDefinition, ShadowCall } from '@changeover/core';
import type { AnswerFacts, OpenParts, Undetermined } from '@changeover/core';
import type { ResolvedCall } from '../call/resolved-call.ts';
import { type Answer, rowCount } from './answer.ts';
import {
  decide,
  type Excuse,
  firstRounds,
  noAnswer,
  type Round,
  sameOutcome,
  type Surroundings,
  turnRounds,
} from './confirmation.ts';
import { digestInTurns } from './digest-in-turns.ts';
import { DeterminedRounds, type FullRound } from './determined-rounds.ts';
import { roundingExcuse } from './rounding.ts';
import { describeDifference, describeOutcomes } from './difference-summary.ts';
import { determinedPart } from './open-parts.ts';
import { errorCode, type Outcome, type ShadowCaller } from './shadow-caller.ts';
import { QuietWatch } from './quiet-watch.ts';
import { type Moment, QuietRounds } from './quiet-rounds.ts';
import type { PendingComparison } from './pending-comparison.ts';
import type { SeenDifferences } from './seen-differences.ts';

/** Rounds that a write fell into before the reruns are given up. */
const maxLostRounds = 12;
/** Looks at whether the writes in flight have ended, and between two of them, in ms. */
const maxPauses = 200;
const pauseMs = 5;

/** A larger answer is compared by its digest alone: it is not shown, and no rule is laid over it. */
const maxShownRows = 5_000;

type Evidence = Pick<Surroundings, 'oneState' | 'each' | 'snapshot' | 'quiet'>;

/** Runs reruns in a queue of their own. */
export type Later = (run: (signal: AbortSignal) => Promise<void>) => void;

/** The comparison of one sampled read: the shadow run, and where it differs the reruns that tell why. */
export class ReadComparison {
  /** Set before {@link run}. */
  answer: Answer | undefined;
  readonly #caller: ShadowCaller;
  readonly #clock: Clock;
  readonly #resolved: ResolvedCall;
  readonly #shadow: LegName;
  readonly #args: readonly unknown[];
  readonly #pending: PendingComparison;
  readonly #watch: QuietWatch;
  readonly #seen: SeenDifferences;
  readonly #later: Later;
  #facts: AnswerFacts | undefined;
  #determined: DeterminedRounds | undefined;
  readonly #startedMs: number;

  constructor(
    caller: ShadowCaller,
    seen: SeenDifferences,
    clock: Clock,
    resolved: ResolvedCall,
    shadow: LegName,
    args: readonly unknown[],
    pending: PendingComparison,
    later: Later,
  ) {
    this.#later = later;
    this.#caller = caller;
    this.#seen = seen;
    this.#clock = clock;
    this.#resolved = resolved;
    this.#shadow = shadow;
    this.#args = args;
    this.#pending = pending;
    this.#startedMs = clock.monotonicMs();
    this.#watch = new QuietWatch(caller, resolved, this.#startedMs);
  }

  /**
   * Asks what is known of the call's answer, before {@link run}; undefined where nobody is to be asked. Resolves to false where the
   * call must not be made again. Never rejects.
   */
  learn(): Promise<boolean> | undefined {
    const { facts } = this.#resolved.definition as {
      facts?: (...args: readonly unknown[]) => Promise<AnswerFacts>;
    };
    return facts?.(...this.#args).then(
      (known) => {
        this.#facts = known;
        return known.acts === undefined;
      },
      () => false,
    );
  }

  /** Runs the shadow leg and settles the pending comparison. Rejects only when the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { answer } = this;
    if (answer === undefined) throw new Error('a comparison was run before its answer was there');
    const shadow = await this.#runShadow(answer, signal);
    const given = answer.outcome ?? (await this.#digestCopy(answer.copy, signal));
    if (given === undefined) return;
    const first =
      this.#shadow === 'pooled'
        ? { legacy: given, pooled: shadow }
        : { legacy: shadow, pooled: given };
    if (sameOutcome(first.legacy, first.pooled, this.#ordered || this.#sorted)) {
      this.#pending.verdict({ verdict: 'match' });
      if (!this.#seen.none) this.#seen.forget(this.#seen.key(this.#resolved, this.#args));
      return;
    }
    const reason = noAnswer(first);
    if (reason !== undefined)
      this.#pending.verdict({ verdict: 'inconclusive', reason, ...describeOutcomes(first) });
    else if (await this.#copyPasses(first, signal))
      this.#pending.verdict({ verdict: 'match', reason: 'by rule' });
    else {
      const seen = await this.#seenBefore(first, signal);
      if (seen === undefined) this.#confirmLater(first);
      else await this.#settleByWitness(first, seen, signal);
    }
  }

  /** The first run of the leg that did not answer. What is known of writes is asked for before the pooled leg is. */
  async #runShadow(answer: Answer, signal: AbortSignal): Promise<Outcome> {
    const run = (): Promise<Outcome> =>
      this.#caller.digest(this.#shadow, this.#call(signal), this.#resultKind, (ms) => {
        this.#timed(ms, answer.tookMs);
      });
    if (this.#shadow === 'pooled') {
      await this.#watch.beforePooled(signal);
      return await run();
    }
    const [outcome] = await Promise.all([run(), this.#watch.look(signal)]);
    return outcome;
  }

  /** The digest of the answer, made after the caller has it; undefined where there is none, of which the pending is told. */
  async #digestCopy(copy: unknown, signal: AbortSignal): Promise<Outcome | undefined> {
    try {
      return { kind: 'result', digest: await digestInTurns(copy, this.#resultKind, signal) };
    } catch (error) {
      signal.throwIfAborted();
      this.#pending.verdict({
        verdict: 'inconclusive',
        reason: `the answer can't be digested: ${errorCode(error)}`,
      });
      return undefined;
    }
  }

  #timed(shadowMs: number, answerMs: number | undefined): void {
    const { cell } = this.#resolved;
    (this.#shadow === 'legacy' ? cell.legacyLatency : cell.pooledLatency).record(shadowMs);
    if (answerMs === undefined) return;
    if (this.#shadow === 'legacy') cell.paired.add(shadowMs, answerMs);
    else cell.paired.add(answerMs, shadowMs);
  }

  /** A rule explains how the answer that was given differs from the other leg's, so that nothing needs to be run again on
   * the legacy leg. */
  async #copyPasses(first: Round, signal: AbortSignal): Promise<boolean> {
    const copy = this.#shownCopy;
    if (this.#resolved.rules === undefined || copy === undefined || isError(first)) return false;
    const other = await this.#caller.read(this.#shadow, this.#call(signal), this.#resultKind);
    if (other.outcome.kind === 'error') return false;
    return this.#passesByRule(
      this.#shadow === 'pooled'
        ? { legacy: copy, pooled: other.result }
        : { legacy: other.result, pooled: copy },
    );
  }

  #passesByRule({ legacy, pooled }: FullRound['results']): boolean {
    const { key, operation, rules: book } = this.#resolved;
    const rules = book?.for(operation, key);
    if (rules === undefined) return false;
    const difference = findDifference(legacy, pooled, this.#ordered, rules);
    if (difference === undefined) return true;
    if (difference.class !== 'order' || !rules.orderFree) return false;
    rules.usedOrderFree();
    return true;
  }

  /** Reruns may have to wait for the legacy leg; the first looks at other calls must not wait with them. */
  #confirmLater(first: Round): void {
    const raced = {
      ...describeOutcomes(first),
      verdict: 'raced',
      reason: 'a write came between, and the legs could not be asked again',
    } as const;
    this.#pending.suspect(raced.class, () => (this.#watch.stillQuiet ? undefined : raced));
    // Reruns read anew; what waits for them holds no rows.
    this.answer = undefined;
    this.#later((signal) => this.#confirm(first, signal));
  }

  /** How often the same call has differed, where that is enough to tell: no write explains it, and legacy said the same each time. Nobody
   * wrote while the legs were asked, or they were asked so often that a write that comes and goes does not explain it either. */
  async #seenBefore(first: Round, signal: AbortSignal): Promise<number | undefined> {
    if (this.#resolved.key === '' || !this.#watch.stillQuiet) return undefined;
    if (this.#undetermined !== undefined || this.#open !== undefined) return undefined;
    const quiet = await this.#watch.sinceAnswer(signal);
    if (quiet === false) return undefined;
    const { times, steady } = this.#seen.note(this.#seen.key(this.#resolved, this.#args), first, {
      startedMs: this.#startedMs,
      nowMs: this.#clock.monotonicMs(),
      ordered: this.#ordered,
    });
    const enough = quiet === true ? times > 1 : steady && times >= turnRounds;
    return enough ? times : undefined;
  }

  async #settleByWitness(first: Round, times: number, signal: AbortSignal): Promise<void> {
    this.#pending.suspect(describeOutcomes(first).class);
    const copy = this.#shownCopy;
    // The answering leg's rows were copied; the other leg's are read once more, to show where they differ.
    const other =
      copy === undefined
        ? undefined
        : (await this.#caller.read(this.#shadow, this.#call(signal), this.#resultKind)).result;
    const results =
      this.#shadow === 'pooled' ? { legacy: copy, pooled: other } : { legacy: other, pooled: copy };
    const difference =
      other === undefined
        ? describeOutcomes(first)
        : describeDifference(this.#resolved, first, results, this.#ordered);
    this.#pending.verdict({
      ...difference,
      verdict: 'mismatch',
      reason: `the same call has differed ${String(times)} times, and legacy said the same each time`,
    });
  }

  async #confirm(first: Round, signal: AbortSignal): Promise<void> {
    if (await this.#rerunsInSnapshot(first, signal)) return;
    if (await this.#rerunsInQuiet(first, signal)) return;
    this.#pending.verdict({
      verdict: 'raced',
      reason: 'writes kept coming while the call was run again',
    });
  }

  /** Runs both legs again in moments without writes, one round in each: a round that a write fell into doesn't count. Rounds count
   * together, whatever was written between them, as long as legacy says the same. False where writes kept coming. */
  async #rerunsInQuiet(first: Round, signal: AbortSignal): Promise<boolean> {
    const { gate } = this.#resolved.state;
    let runs = new QuietRounds<FullRound>();
    for (let lost = 0; lost < maxLostRounds;) {
      if (!(await this.#writesEnded(signal))) return false;
      const before = await this.#moment(signal);
      const round = await this.#round(signal);
      const after = await this.#moment(signal);
      if (gate.epoch !== before.epoch) {
        lost += 1;
        continue;
      }
      const [earlier] = runs.all;
      // What legacy says now is of other data: the rounds before it tell nothing of this one.
      if (
        earlier !== undefined &&
        before.epoch !== runs.since?.epoch &&
        !this.#saysTheSame(earlier, round)
      ) {
        runs = new QuietRounds();
        lost += 1;
        continue;
      }
      runs.add(round, before, after);
      const quiet = await this.#watch.sincePooled(signal);
      for (const { rounds, oneState, each } of runs.toJudge(firstRounds))
        if (this.#decided(first, rounds, { snapshot: false, oneState, each, quiet })) return true;
    }
    return false;
  }

  async #moment(signal: AbortSignal): Promise<Moment> {
    const { epoch } = this.#resolved.state.gate;
    return { epoch, state: await this.#caller.state(this.#resolved.key, signal) };
  }

  #saysTheSame(before: Round, now: Round): boolean {
    return sameOutcome(before.legacy, now.legacy, this.#ordered || this.#sorted);
  }

  /** Runs both legs again in one snapshot, where the engine has snapshots to share: writes may go on meanwhile. False where it has
   * none. */
  async #rerunsInSnapshot(first: Round, signal: AbortSignal): Promise<boolean> {
    const { key } = this.#resolved;
    const snapshot = key === '' ? undefined : await this.#caller.holdSnapshot(key, signal);
    if (snapshot === undefined) return false;
    const rounds: FullRound[] = [];
    try {
      // The snapshot is what it was then: what is written from now on doesn't matter.
      const quiet = await this.#watch.sincePooled(signal);
      const around = { oneState: true, each: true, snapshot: true, quiet };
      for (;;) {
        rounds.push(await this.#round(signal, snapshot));
        if (rounds.length >= firstRounds && this.#decided(first, rounds, around)) return true;
      }
    } catch (error) {
      if (error instanceof SnapshotLostError) return false;
      throw error;
    } finally {
      await snapshot.release();
    }
  }

  /** Settles the pending if the rounds tell enough. */
  #decided(first: Round, rounds: readonly FullRound[], around: Evidence): boolean {
    const finding = decide(first, rounds, {
      ...around,
      ordered: this.#ordered,
      shared: this.#resolved.key === '',
      undetermined: this.#undetermined,
      timed: this.#open?.rows === 'timed',
    });
    if (finding.verdict === 'again') return false;
    this.#settle(finding.verdict, finding.reason, first, rounds);
    return true;
  }

  #settle(
    verdict: 'match' | 'mismatch' | 'raced' | 'nondeterministic' | 'inconclusive',
    reason: string | undefined,
    first: Round,
    rounds: readonly FullRound[],
  ): void {
    const shown = rounds.find(
      (round) =>
        round.excuse === undefined &&
        (round.differs === true || !sameOutcome(round.legacy, round.pooled, this.#ordered)),
    );
    const difference =
      shown === undefined || verdict !== 'mismatch'
        ? describeOutcomes(shown ?? first)
        : describeDifference(
            this.#resolved,
            shown,
            this.#shown(shown),
            this.#ordered || this.#sorted,
          );
    this.#pending.verdict({ ...difference, verdict, ...(reason === undefined ? {} : { reason }) });
  }

  async #round(signal: AbortSignal, snapshot?: HeldSnapshot): Promise<FullRound> {
    const call = this.#call(signal);
    const legacy = await this.#caller.read('legacy', call, this.#resultKind, snapshot);
    const pooled = await this.#caller.read('pooled', call, this.#resultKind, snapshot);
    const results = { legacy: legacy.result, pooled: pooled.result };
    const outcomes = { legacy: legacy.outcome, pooled: pooled.outcome };
    const ordered = this.#ordered || this.#sorted;
    const same = sameOutcome(outcomes.legacy, outcomes.pooled, ordered);
    if (this.#open !== undefined && !isError(outcomes)) {
      this.#determined ??= new DeterminedRounds(
        this.#caller,
        this.#open,
        this.#ordered,
        this.#resolved.decision.settings.maxRows,
      );
      const byRule = !same && this.#passesByRule(results);
      return await this.#determined.round({ results, same, byRule, call, snapshot });
    }
    return { ...outcomes, results, excuse: same ? undefined : this.#excuse(outcomes, results) };
  }

  /** The results as far as they are determined, so that a difference is shown where it counts. */
  #shown({ results, differs }: FullRound): FullRound['results'] {
    if (this.#open === undefined || differs === true) return results;
    return {
      legacy: determinedPart(results.legacy, this.#open),
      pooled: determinedPart(results.pooled, this.#open),
    };
  }

  #excuse({ legacy, pooled }: Round, results: FullRound['results']): Excuse | undefined {
    if (isError({ legacy, pooled })) return undefined;
    if (this.#passesByRule(results)) return 'rule';
    const undetermined = this.#undetermined;
    if (undetermined?.kind !== 'rounding') return undefined;
    return roundingExcuse(undetermined, results, this.#ordered);
  }

  /** Lets the writes in flight go on for a while; false where there are always some. */
  async #writesEnded(signal: AbortSignal): Promise<boolean> {
    const { gate } = this.#resolved.state;
    for (let pauses = 0; !gate.quiet; pauses += 1) {
      if (pauses >= maxPauses) return false;
      await new Promise<void>((resolve) => {
        this.#clock.after(pauseMs, resolve);
      });
      signal.throwIfAborted();
    }
    return true;
  }

  #call(signal: AbortSignal): ShadowCall {
    const { compareAs } = this.#resolved.definition as ReadDefinition;
    return { operation: this.#resolved.operation, args: this.#args, signal, compareAs };
  }

  get #shownCopy(): unknown {
    const copy = this.answer?.copy;
    return rowCount(copy) > maxShownRows ? undefined : copy;
  }

  get #resultKind(): 'rows' | 'value' {
    return (this.#resolved.definition as ReadDefinition).result ?? 'value';
  }

  get #open(): OpenParts | undefined {
    return this.#facts?.open;
  }

  /** Rows come in an order, but for those that are equal in it. */
  get #sorted(): boolean {
    return this.#open !== undefined && this.#open.sortedBy.length > 0;
  }

  get #undetermined(): Undetermined | undefined {
    if (this.#facts !== undefined) return this.#facts.undetermined;
    const { undetermined } = this.#resolved.definition as {
      undetermined?: (...args: readonly unknown[]) => Undetermined | undefined;
    };
    return undetermined?.(...this.#args);
  }

  get #ordered(): boolean {
    if (this.#facts !== undefined) return this.#facts.ordered;
    const { ordered } = this.#resolved.definition as {
      ordered?: (...args: readonly unknown[]) => boolean;
    };
    return ordered?.(...this.#args) ?? false;
  }
}

function isError({ legacy, pooled }: Round): boolean {
  return legacy.kind === 'error' || pooled.kind === 'error';
}
