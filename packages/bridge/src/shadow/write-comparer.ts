import type { ObservedCall, TouchedTable, WriteDefinition } from '@changeover/core';
import { ApartWrites } from './scratch-writes.ts';
import type { Path } from '../call/resolved-call.ts';
import { ReadComparison } from './read-comparison.ts';
import { RehearsedWrites } from './rehearsed-writes.ts';
import type { Ticket } from './pending-comparison.ts';
import type { WriteChains } from './write-chains.ts';
import { type Run, shedAll, submit, type WriteContext } from './write-context.ts';

/**
 * Compares writes at `shadow`, each kind in its way. The real write is made once, by the answering leg, whatever happens
 * here; what the shadow leg does is rolled back.
 */
export class WriteComparer {
  readonly #context: WriteContext;
  readonly #apart: ApartWrites;
  readonly #rehearsed: RehearsedWrites;

  constructor(context: WriteContext) {
    this.#context = context;
    this.#apart = new ApartWrites(context);
    this.#rehearsed = new RehearsedWrites(context);
  }

  run(
    path: Path,
    definition: WriteDefinition,
    args: readonly unknown[],
    run: Run,
  ): Promise<unknown> {
    const timed: Run = async (given) => {
      const startedMs = this.#context.clock.monotonicMs();
      const value = await run(given);
      path.cell.legacyLatency.record(this.#context.clock.monotonicMs() - startedMs);
      return value;
    };
    switch (definition.comparison) {
      case 'apart': {
        const touches = definition.touches as (...given: readonly unknown[]) => TouchedTable;
        return this.#apart.run(path, touches(...args), args, timed);
      }
      case 'rehearsed':
        return this.#rehearsed.run(path, args, timed);
      case 'afterwards': {
        const observe = definition.observe as (...given: readonly unknown[]) => ObservedCall;
        return this.#compareAfterwards(path, observe(...args), timed);
      }
      case 'none':
        return timed(args);
    }
  }

  /** The caller's function must run once, so only what it left behind is compared: each touched table by both legs. */
  async #compareAfterwards(path: Path, observed: ObservedCall, run: Run): Promise<unknown> {
    shedAll((path.state.chains as WriteChains<Ticket>).breakAll());
    const value = await run(observed.args);
    for (const table of observed.touched()) this.#compareTable(path, table);
    return value;
  }

  #compareTable(path: Path, table: string): void {
    const { tableRead, caller, clock, witnesses } = this.#context;
    const { sampleRate, maxRows } = path.decision.settings;
    if (tableRead === undefined) return;
    path.cell.eligible += 1;
    if (!this.#context.sampled(sampleRate)) return;
    const ticket = this.#context.ticket(path);
    const read = tableRead(path.dataset, table, maxRows + 1);
    const tablePath: Path = {
      ...path,
      operation: read.operation,
      definition: { kind: 'read', result: 'rows' },
    };
    submit(this.#context, path, ticket, async (signal) => {
      const comparison = new ReadComparison(
        caller,
        witnesses,
        clock,
        tablePath,
        'pooled',
        read.args,
        ticket,
        (rerun) => {
          submit(this.#context, path, ticket, rerun, undefined, this.#context.confirmations);
        },
      );
      const outcome = await caller.digest('legacy', { ...read, signal }, 'rows');
      if (outcome.kind === 'result' && outcome.digest.count > maxRows) {
        ticket.shed('too-large');
        return;
      }
      comparison.answer = { outcome };
      await comparison.run(signal);
    });
  }
}
