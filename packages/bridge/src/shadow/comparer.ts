import type { Clock, Leg, LegName, ReadDefinition, WriteDefinition } from '@changeover/core';
import type { Path } from '../call/resolved-call.ts';
import type { CallsInFlight } from '../call/calls-in-flight.ts';
import { type ComparisonSinks, reportComparison } from './comparison-log.ts';
import { ReadComparison, rowCount } from './read-comparison.ts';
import type { ShedReason } from '../recorder/shed-reason.ts';
import { ShadowCaller } from './shadow-caller.ts';
import { ShadowQueue, type ShadowQueueOptions } from './shadow-queue.ts';
import { copyAnswer, snapshotArguments } from './copy-answer.ts';
import { Ticket } from './pending-comparison.ts';
import { Witnesses } from './seen-differences.ts';
import { WriteComparer } from './write-comparer.ts';
import { Repeats, type TableRead } from './write-context.ts';

export interface ComparerOptions extends ComparisonSinks {
  readonly legacy: Leg<object>;
  readonly pooled: Leg<object>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly isUnavailable?: ((error: unknown) => boolean) | undefined;
  /** The read of at most `maxRows` rows of a table. */
  readonly tableRead?: ((dataset: string, table: string, maxRows: number) => TableRead) | undefined;
  readonly queue?: ShadowQueueOptions | undefined;
  /** The calls that are under way on either leg for callers. */
  readonly calls: CallsInFlight;
}

/** Confirmations wait for the legacy leg most of the time, and are few. */
const confirmationQueue: ShadowQueueOptions = { maxConcurrent: 2, maxQueued: 64, maxWaitMs: 5_000 };

/** What the router tells of a sampled read. */
export interface PendingRead {
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
  readonly #witnesses = new Witnesses();

  constructor(options: ComparerOptions) {
    this.#options = options;
    const legs = { legacy: options.legacy, pooled: options.pooled };
    this.#queue = new ShadowQueue(options.clock, options.queue, options.calls);
    this.#confirmations = new ShadowQueue(options.clock, confirmationQueue, options.calls);
    this.#caller = new ShadowCaller(legs, options.clock, options.isUnavailable ?? (() => false));
    this.#writes = new WriteComparer({
      clock: options.clock,
      pooled: options.pooled,
      caller: this.#caller,
      witnesses: this.#witnesses,
      confirmations: this.#confirmations,
      queue: this.#queue,
      tableRead: options.tableRead,
      repeats: new Repeats(),
      ticket: (path) => this.#ticket(path),
      sampled: (rate) => this.#sampled(rate),
    });
  }

  async idle(): Promise<void> {
    await this.#queue.idle();
    await this.#confirmations.idle();
  }

  close(): void {
    this.#queue.close();
    this.#confirmations.close();
  }

  /** Called before a read is made. Undefined where it isn't compared. */
  beginRead(path: Path, beside: LegName, args: readonly unknown[]): PendingRead | undefined {
    const { cell, decision } = path;
    cell.eligible += 1;
    if (!this.#sampled(decision.settings.sampleRate)) return undefined;
    const ticket = this.#ticket(path);
    const refusal = this.#queue.refusal;
    if (refusal !== undefined) {
      ticket.shed(refusal);
      return undefined;
    }
    return this.#pendingRead(path, beside, snapshotArguments(args), ticket);
  }

  /** Makes a write at `shadow`, with what is compared of it before and after. */
  shadowWrite(
    path: Path,
    definition: WriteDefinition,
    args: readonly unknown[],
    run: (args: readonly unknown[]) => Promise<unknown>,
  ): Promise<unknown> {
    return this.#writes.run(path, definition, args, run);
  }

  #pendingRead(path: Path, beside: LegName, args: readonly unknown[], ticket: Ticket): PendingRead {
    const definition = path.definition as ReadDefinition;
    const comparison = new ReadComparison(
      this.#caller,
      this.#witnesses,
      this.#options.clock,
      path,
      beside,
      args,
      ticket,
      (run) => {
        this.#submit(this.#confirmations, path, ticket, run);
      },
    );
    const { maxRows } = path.decision.settings;
    return {
      answered: (value, tookMs) => {
        const rows = rowCount(value);
        const refusal = rows > maxRows ? 'too-large' : this.#queue.refusalOf(rows);
        if (refusal !== undefined) {
          ticket.shed(refusal);
          return;
        }
        try {
          const copy = copyAnswer(value);
          // What the caller can still change has to be digested now.
          const outcome = copy.whole
            ? undefined
            : this.#caller.outcomeOf(value, definition.result ?? 'value');
          comparison.answer = { outcome, tookMs, copy: copy.value };
        } catch (error) {
          ticket.verdict({
            verdict: 'inconclusive',
            reason: `the answer can't be digested: ${String(error)}`,
          });
          return;
        }
        this.#submit(this.#queue, path, ticket, (signal) => comparison.run(signal), rows);
      },
      failed: (error) => {
        comparison.answer = { outcome: this.#caller.outcomeOfError(error) };
        this.#submit(this.#queue, path, ticket, (signal) => comparison.run(signal));
      },
      unavailable: () => {
        ticket.verdict({ verdict: 'inconclusive', reason: 'the answering leg had no connection' });
      },
    };
  }

  #submit(
    queue: ShadowQueue,
    path: Path,
    ticket: Ticket,
    run: (signal: AbortSignal) => Promise<void>,
    rows = 0,
  ): void {
    queue.submit({
      rows,
      deadlineMs: path.decision.settings.deadlineMs,
      run: async (signal) => {
        try {
          await run(signal);
        } catch (error) {
          // At the deadline the queue has shed it already; anything else is a fault of the comparison itself.
          if (!signal.aborted) {
            ticket.verdict({ verdict: 'inconclusive', reason: 'the comparison itself failed' });
            this.#options.logger.error({ err: error }, 'a comparison failed');
          }
        }
      },
      shed: (reason: ShedReason) => {
        ticket.shed(reason);
      },
    });
  }

  #ticket(path: Path): Ticket {
    return new Ticket(path.cell, (record) => {
      reportComparison(this.#options, path, record);
    });
  }

  #sampled(rate: number): boolean {
    return rate >= 1 || (rate > 0 && this.#options.random() < rate);
  }
}
