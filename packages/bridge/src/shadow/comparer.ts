import {
  type Clock,
  type HeldSnapshot,
  type Leg,
  type LegName,
  NotComparableError,
  type ReadDefinition,
  type WriteDefinition,
} from '@changeover/core';
import { copyAnswer, copyForOtherLeg, isStream, rowCount, tryToCopy } from './copy-answer.ts';
import type { ResolvedCall } from '../call/resolved-call.ts';
import type { CallsInFlight } from './process-load.ts';
import { callerTrace } from '../guarantees/index.ts';
import { type ComparisonSinks, reportComparison } from './comparison-log.ts';
import {
  type ShadowStyles,
  LoopBudget,
  ShapeCosts,
  type ShapeQuotaOptions,
  ShapeQuotas,
} from './budgets.ts';
import { HeldAnswer } from './held-answer.ts';
import { ReadComparison } from './read-comparison.ts';
import type { ShedReason } from '../recorder/shed-reason.ts';
import { errorCode, ShadowCaller } from './shadow-caller.ts';
import type { ShadowQueueOptions } from './queue-limits.ts';
import { ShadowQueue } from './shadow-queue.ts';
import type { ShadowTask } from './shadow-task.ts';
import { PendingComparison } from './pending-comparison.ts';
import { RecentCalls } from './recent-calls.ts';
import type { Reproduction } from '../recorder/reproduced-call.ts';
import { type ReproduceOptions, reproduceRead } from './reproduction.ts';
import { SeenDifferences } from './compared-read.ts';
import { WriteComparer } from './write-comparer.ts';
import { ConsecutiveDifferences, type TableRead } from './write-context.ts';

export interface ComparerOptions extends ComparisonSinks {
  readonly legacy: Leg<object>;
  readonly pooled: Leg<object>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly isUnavailable?: ((error: unknown) => boolean) | undefined;
  /** The read of at most `maxRows` rows of a table. */
  readonly tableRead?: ((key: string, table: string, maxRows: number) => TableRead) | undefined;
  readonly queue?: ShadowQueueOptions | undefined;
  readonly quotas?: ShapeQuotaOptions | undefined;
  /** The calls that are under way on either leg for callers. */
  readonly calls: CallsInFlight;
}

/** Confirmations wait for the legacy leg most of the time, and are few. */
const confirmationQueue: ShadowQueueOptions = {
  maxConcurrent: 2,
  maxQueued: 64,
  maxQuotaConcurrent: 2,
  maxQuotaWaitMs: 60_000,
};
/** A confirmation may take so many times as long as the first look: it waits for moments without writes. */
const confirmationDeadlines = 12;
/** Reads that a confirmation makes, most often. */
const confirmationReads = 4;

/** Answers that are held at once until it is known what their calls are. */
const maxLearning = 64;

/** What the router tells of a sampled read. */
export interface PendingRead {
  /** Takes the state that the read was answered in. Undefined where it is not to be held: nobody writes, or it can't be. */
  readonly hold: ((snapshot: Promise<HeldSnapshot | undefined>) => void) | undefined;
  /** @param tookMs how long the answering leg took. */
  answered(value: unknown, tookMs: number): void;
  failed(error: unknown): void;
  /** The answering leg had no connection and another leg answered instead: there is nothing to compare. */
  unavailable(): void;
}

/** Decides which calls are compared and starts each comparison; never throws and never delays beyond a copy of the answer. */
export class Comparer {
  readonly #options: ComparerOptions;
  readonly #queue: ShadowQueue;
  readonly #confirmations: ShadowQueue;
  readonly #caller: ShadowCaller;
  readonly #writes: WriteComparer;
  readonly #seen = new SeenDifferences();
  readonly #loopBudget: LoopBudget;
  readonly #quotas: ShapeQuotas;
  readonly #costs = new ShapeCosts();
  /** The calls of the last mismatches of reads. */
  readonly recent: RecentCalls = new RecentCalls();
  /** Comparisons that wait for what is known of their calls. */
  readonly #learning = new Set<Promise<void>>();
  #closed = false;

  constructor(options: ComparerOptions) {
    this.#options = options;
    const legs = { legacy: options.legacy, pooled: options.pooled };
    this.#queue = new ShadowQueue(options.clock, options.queue, options.calls);
    this.#confirmations = new ShadowQueue(options.clock, confirmationQueue, options.calls);
    this.#loopBudget = new LoopBudget(options.clock);
    this.#quotas = new ShapeQuotas(options.clock, options.quotas);
    this.#caller = new ShadowCaller(
      legs,
      options.clock,
      options.isUnavailable ?? (() => false),
      this.#loopBudget,
    );
    this.#writes = new WriteComparer({
      clock: options.clock,
      pooled: options.pooled,
      caller: this.#caller,
      seen: this.#seen,
      confirmations: this.#confirmations,
      queue: this.#queue,
      tableRead: options.tableRead,
      repeats: new ConsecutiveDifferences(),
      pending: (resolved) => this.#pending(resolved),
      sampled: (rate) => this.#sampled(rate),
    });
  }

  async idle(): Promise<void> {
    while (this.#learning.size > 0) await Promise.all(this.#learning);
    await this.#queue.idle();
    await this.#confirmations.idle();
  }

  close(): void {
    this.#closed = true;
    this.#queue.close();
    this.#confirmations.close();
  }

  /** Called before a read is made. Undefined where it isn't compared. */
  beginRead(
    resolved: ResolvedCall,
    shadow: LegName,
    args: readonly unknown[],
  ): PendingRead | undefined {
    const { cell, decision, shape } = resolved;
    cell.eligible += 1;
    shape.eligible += 1;
    if (!this.#sampled(decision.settings.sampleRate)) return undefined;
    const pending = this.#pending(resolved);
    const refusal =
      this.#queue.refusalOf(0, pending.quota) ??
      (this.#loopBudget.admits(shadow, resolved.operation, pending.quota)
        ? undefined
        : 'loop-budget');
    if (refusal !== undefined) {
      pending.refuse(refusal);
      return undefined;
    }
    const { functions } = resolved.definition as ReadDefinition;
    const copy = copyForOtherLeg(args, functions);
    if (copy === undefined) {
      pending.shed('not-comparable');
      return undefined;
    }
    pending.args = copy;
    return this.#pendingRead(resolved, shadow, copy, pending);
  }

  /** Compares what a write that has succeeded left, as an operation of both legs reads it. */
  observedWrite(resolved: ResolvedCall, read: string, args: readonly unknown[]): void {
    const copy = tryToCopy(args);
    if (copy !== undefined) this.#writes.observed(resolved, read, copy);
  }

  /** Makes a read again on both legs; see {@link reproduceRead}. */
  reproduce(
    resolved: ResolvedCall,
    args: readonly unknown[],
    options: ReproduceOptions,
  ): Promise<Reproduction> {
    const { clock } = this.#options;
    return reproduceRead({ caller: this.#caller, clock }, resolved, args, options);
  }

  /** How the legs answered an operation as the shadow, as far as was seen. */
  stylesOf(operation: string): ShadowStyles {
    return this.#loopBudget.styles(operation);
  }

  /** Makes a write at `shadow`, with what is compared of it before and after. */
  shadowWrite(
    resolved: ResolvedCall,
    definition: WriteDefinition,
    args: readonly unknown[],
    run: (args: readonly unknown[]) => Promise<unknown>,
  ): Promise<unknown> {
    return this.#writes.run(resolved, definition, args, run);
  }

  #pendingRead(
    resolved: ResolvedCall,
    shadow: LegName,
    args: readonly unknown[],
    pending: PendingComparison,
  ): PendingRead {
    const definition = resolved.definition as ReadDefinition;
    const comparison = new ReadComparison({
      caller: this.#caller,
      seen: this.#seen,
      clock: this.#options.clock,
      resolved,
      shadow,
      args,
      pending,
      later: (run) => {
        this.#confirm(resolved, pending, run);
      },
    });
    const { maxRows } = resolved.decision.settings;
    const hold = (snapshot: Promise<HeldSnapshot | undefined>): void => {
      const held = new HeldAnswer(snapshot);
      comparison.held = held;
      pending.onSettled = () => {
        held.end();
      };
    };
    return {
      hold: shadow === 'legacy' && this.#caller.mayHoldAnswer(resolved.key) ? hold : undefined,
      answered: (answer, tookMs) => {
        const { countRows } = definition;
        if (countRows === undefined && isStream(answer)) {
          pending.shed('not-comparable');
          return;
        }
        this.#costs.note(resolved.shape, tookMs, this.#options.calls.count);
        const rows = (countRows ?? rowCount)(answer);
        const refusal = rows > maxRows ? 'too-large' : this.#queue.refusalOf(rows, pending.quota);
        if (refusal !== undefined) {
          pending.shed(refusal);
          return;
        }
        try {
          const value = definition.compareAs === undefined ? answer : definition.compareAs(answer);
          const copy = copyAnswer(value);
          // What the caller can still change has to be digested now.
          const outcome = copy.whole
            ? undefined
            : this.#caller.outcomeOf(value, definition.result ?? 'value');
          comparison.answer = { outcome, tookMs, copy: copy.value };
        } catch (error) {
          pending.verdict({
            verdict: 'inconclusive',
            reason: `the answer can't be compared: ${messageOf(error)}`,
          });
          return;
        }
        this.#learnAndSubmit(comparison, resolved, pending, rows);
      },
      failed: (error) => {
        comparison.answer = { outcome: this.#caller.outcomeOfError(error) };
        this.#learnAndSubmit(comparison, resolved, pending);
      },
      unavailable: () => {
        pending.verdict({ verdict: 'inconclusive', reason: 'the answering leg had no connection' });
      },
    };
  }

  /** What is known of the call is asked for outside of the queue, for it takes none of the time that comparisons may run. */
  #learnAndSubmit(
    comparison: ReadComparison,
    resolved: ResolvedCall,
    pending: PendingComparison,
    rows = 0,
  ): void {
    const submit = (): void => {
      this.#queue.submit({
        ...this.#task(resolved, pending, (signal) => comparison.run(signal)),
        shed: (reason) => {
          if (reason === 'deadline' && comparison.waitsForPooled)
            pending.verdict({
              verdict: 'inconclusive',
              reason: 'the pooled leg did not answer in time',
            });
          else pending.shed(reason);
        },
        rows,
      });
    };
    if (this.#learning.size >= maxLearning) {
      pending.shed('queue-full');
      return;
    }
    const known = comparison.learn();
    if (known === undefined) {
      submit();
      return;
    }
    const learned = known.then((reads) => {
      this.#learning.delete(learned);
      if (this.#closed) pending.shed('closing');
      else if (reads) submit();
      else pending.shed('side-effects');
    });
    this.#learning.add(learned);
  }

  /** A difference that was seen goes ahead of first looks, as what is of a quota does, and waits longer than they do: it is
   * what everything is compared for. */
  #confirm(
    resolved: ResolvedCall,
    pending: PendingComparison,
    run: (signal: AbortSignal) => Promise<void>,
  ): void {
    const task = this.#task(resolved, pending, run);
    this.#confirmations.submit({
      ...task,
      quota: true,
      costMs: task.costMs === undefined ? undefined : task.costMs * confirmationReads,
      deadlineMs: task.deadlineMs * confirmationDeadlines,
    });
  }

  #task(
    resolved: ResolvedCall,
    pending: PendingComparison,
    run: (signal: AbortSignal) => Promise<void>,
  ): ShadowTask {
    return {
      quota: pending.quota,
      compared: pending.compared,
      costMs: this.#costs.of(resolved.shape),
      deadlineMs: resolved.decision.settings.deadlineMs,
      run: async (signal) => {
        try {
          await run(signal);
        } catch (error) {
          // At the deadline the queue has shed it already; anything else is a fault of the comparison itself.
          if (!signal.aborted) {
            if (error instanceof NotComparableError) {
              pending.verdict({ verdict: 'inconclusive', reason: error.message });
              return;
            }
            pending.verdict({ verdict: 'inconclusive', reason: 'the comparison itself failed' });
            this.#options.logger.error({ err: error }, 'a comparison failed');
          }
        }
      },
      shed: (reason: ShedReason) => {
        pending.shed(reason);
      },
    };
  }

  #pending(resolved: ResolvedCall): PendingComparison {
    const { shape } = resolved;
    const giveBack = this.#quotas.take(shape)
      ? () => {
          this.#quotas.giveBack(shape);
        }
      : undefined;
    return new PendingComparison(
      resolved,
      (record, call) => {
        // A match of all that there was to compare is counted, and nobody is told.
        if (record.verdict === 'match' && record.unseen === undefined) return;
        const id = reportComparison(this.#options, resolved, record, call);
        const { key, operation, definition } = resolved;
        const { args } = call;
        if (id === undefined || definition.kind !== 'read' || args === undefined) return;
        const { shape } = resolved.shape.key;
        this.recent.keep(id, { operation, key, shape, args }, record.verdict === 'mismatch');
      },
      { giveBack, trace: callerTrace() },
    );
  }

  #sampled(rate: number): boolean {
    return rate >= 1 || (rate > 0 && this.#options.random() < rate);
  }
}

function messageOf(error: unknown): string {
  // Any other error's words may be of the data.
  return error instanceof NotComparableError ? error.message : errorCode(error);
}
