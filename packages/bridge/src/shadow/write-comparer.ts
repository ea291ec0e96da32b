import type { ObservedCall, TouchedTable, WriteDefinition } from '@changeover/core';
import { ScratchWrites } from './scratch-writes.ts';
import { noteLegacyCost } from '../call/call-costs.ts';
import type { ResolvedCall } from '../call/resolved-call.ts';
import { ReadComparison } from './read-comparison.ts';
import { RehearsedWrites } from './rehearsed-writes.ts';
import type { PendingComparison } from './pending-comparison.ts';
import type { WriteChains } from './write-chains.ts';
import { RehearsedAnswers } from './rehearsed-answers.ts';
import { type Run, shedAll, submit, type TableRead, type WriteContext } from './write-context.ts';

/**
 * Compares writes at `shadow`, each kind in its way. The real write is made once, by the answering leg, whatever happens
 * here; what the shadow leg does is rolled back.
 */
export class WriteComparer {
  readonly #context: WriteContext;
  readonly #scratch: ScratchWrites;
  readonly #rehearsed: RehearsedWrites;
  readonly #answers: RehearsedAnswers;

  constructor(context: WriteContext) {
    this.#context = context;
    this.#scratch = new ScratchWrites(context);
    this.#rehearsed = new RehearsedWrites(context);
    this.#answers = new RehearsedAnswers(context);
  }

  run(
    resolved: ResolvedCall,
    definition: WriteDefinition,
    args: readonly unknown[],
    run: Run,
  ): Promise<unknown> {
    const timed: Run = async (given) => {
      const startedMs = this.#context.clock.monotonicMs();
      const value = await run(given);
      const tookMs = this.#context.clock.monotonicMs() - startedMs;
      resolved.cell.legacyLatency.record(tookMs);
      noteLegacyCost(resolved.cost, tookMs);
      return value;
    };
    switch (definition.comparison) {
      case 'scratch': {
        const touches = definition.touches as (...given: readonly unknown[]) => TouchedTable;
        return this.#scratch.run(resolved, touches(...args), args, timed);
      }
      case 'rehearsed':
        return this.#rehearsed.run(resolved, args, timed);
      case 'afterwards': {
        const observe = definition.observe as (...given: readonly unknown[]) => ObservedCall;
        return this.#compareAfterwards(resolved, args, observe(...args), timed);
      }
      case 'answer':
        return this.#answers.run(resolved, definition, args, timed);
      case 'observed':
      case 'none':
        return timed(args);
    }
  }

  /** Compares what a write left, as an operation of both legs reads it. Called when the write has succeeded. */
  observed(resolved: ResolvedCall, read: string, args: readonly unknown[]): void {
    this.#compareRead(resolved, args, { operation: read, args }, 'value');
  }

  /** The caller's function must run once, so only what it left behind is compared: each touched table by both legs. */
  async #compareAfterwards(
    resolved: ResolvedCall,
    args: readonly unknown[],
    observed: ObservedCall,
    run: Run,
  ): Promise<unknown> {
    shedAll((resolved.state.chains as WriteChains<PendingComparison>).breakAll());
    const value = await run(observed.args);
    for (const table of observed.touched()) this.#compareTable(resolved, args, table);
    return value;
  }

  #compareTable(resolved: ResolvedCall, args: readonly unknown[], table: string): void {
    const { maxRows } = resolved.decision.settings;
    const read = this.#context.tableRead?.(resolved.key, table, maxRows + 1);
    if (read !== undefined) this.#compareRead(resolved, args, read, 'rows');
  }

  /** @param args the write's own. */
  #compareRead(
    resolved: ResolvedCall,
    args: readonly unknown[],
    read: TableRead,
    result: 'rows' | 'value',
  ): void {
    const { caller, clock, seen } = this.#context;
    const { sampleRate, maxRows } = resolved.decision.settings;
    resolved.cell.eligible += 1;
    resolved.shape.eligible += 1;
    if (!this.#context.sampled(sampleRate)) return;
    const pending = this.#context.pending(resolved);
    pending.args = args;
    const asRead: ResolvedCall = {
      ...resolved,
      operation: read.operation,
      definition: { kind: 'read', result },
    };
    submit(this.#context, resolved, pending, async (signal) => {
      const comparison = new ReadComparison({
        caller,
        seen,
        clock,
        resolved: asRead,
        shadow: 'pooled',
        args: read.args,
        pending,
        later: (rerun) => {
          submit(this.#context, resolved, pending, rerun, undefined, this.#context.confirmations);
        },
      });
      const outcome = await caller.digest('legacy', { ...read, signal }, result);
      if (outcome.kind === 'result' && outcome.digest.count > maxRows) {
        pending.shed('too-large');
        return;
      }
      comparison.answer = { outcome };
      await comparison.run(signal);
    });
  }
}
