import { addOrderFree } from '@changeover/compare';
import type { Digest, OperationDefinition, TouchedTable, WriteEffect } from '@changeover/core';
import type { Path } from '../call/resolved-call.ts';
import type { ShadowSettings } from '../stages/flags/stage-source.ts';
import type { ShedReason } from '../recorder/shed-reason.ts';
import { errorCode } from './shadow-caller.ts';
import { snapshotArguments } from './copy-answer.ts';
import { tableDigest } from './table-digest.ts';
import type { Ticket } from './pending-comparison.ts';
import { type ChainedWrite, rowSum, type WriteChain, type WriteChains } from './write-chains.ts';
import {
  compareErrors,
  type Run,
  settle,
  shedAll,
  submit,
  unexplained,
  unwrap,
  type WriteContext,
  type WriteOutcome,
} from './write-context.ts';

/** A write whose shadow is to be run. */
interface ApartWrite {
  readonly path: Path;
  readonly touched: TouchedTable;
  readonly args: readonly unknown[];
  readonly ticket: Ticket;
  readonly chain: WriteChain<Ticket>;
  /** Its place in the chain; undefined where the legacy leg failed. */
  readonly chained: ChainedWrite<Ticket> | undefined;
}

/** How often a table that is being written is looked at again before its writes are left unsettled. */
const settleTries = 5;

/**
 * Compares writes that don't depend on rows already there (`writeTable`): the pooled leg does them afterwards, apart from
 * the dataset, and nobody waits. What the table must hold then is the sum of what was there and what was written.
 */
export class ApartWrites {
  readonly #context: WriteContext;
  readonly #settling = new WeakSet<WriteChain<Ticket>>();

  constructor(context: WriteContext) {
    this.#context = context;
  }

  async run(
    path: Path,
    touched: TouchedTable,
    args: readonly unknown[],
    run: Run,
  ): Promise<unknown> {
    const {
      cell,
      decision: { settings },
    } = path;
    const chain = (path.state.chains as WriteChains<Ticket>).get(touched.table);
    cell.eligible += 1;
    const ticket = this.#context.sampled(settings.sampleRate)
      ? this.#context.ticket(path)
      : undefined;
    const refusal = this.#refusal(touched, settings);
    if (ticket === undefined || refusal !== undefined || chain === undefined) {
      ticket?.shed(refusal ?? 'queue-full');
      if (chain !== undefined) shedAll(chain.break());
      return await run(args);
    }
    const copy = snapshotArguments(args);
    const outcome = await settle(run(args));
    const failed = 'error' in outcome;
    if (!failed && !touched.additive) shedAll(chain.restart());
    const chained = failed ? undefined : chain.add(ticket);
    if (!failed && chained === undefined) {
      ticket.shed('queue-full');
      shedAll(chain.break());
    } else {
      this.#submit(
        { path, touched, args: copy, ticket, chain, chained },
        failed ? errorCode(outcome.error) : undefined,
      );
    }
    return unwrap(outcome);
  }

  #refusal(touched: TouchedTable, { maxRows }: ShadowSettings): ShedReason | undefined {
    if (
      this.#context.pooled.shadow?.writeApart === undefined ||
      this.#context.tableRead === undefined
    )
      return 'no-baseline';
    return touched.rows > maxRows ? 'too-large' : this.#context.queue.refusal;
  }

  #submit(write: ApartWrite, legacyCode: string | undefined): void {
    const { path, args, ticket } = write;
    const { clock, pooled } = this.#context;
    submit(
      this.#context,
      path,
      ticket,
      async (signal) => {
        const startedMs = clock.monotonicMs();
        const { maxRows } = path.decision.settings;
        const given = legacyCode === undefined ? again(path.definition, args) : args;
        const outcome = await settle(
          pooled.shadow?.writeApart?.(
            { operation: path.operation, args: given, signal },
            { maxRows },
          ),
        );
        if (!('error' in outcome)) path.cell.pooledLatency.record(clock.monotonicMs() - startedMs);
        signal.throwIfAborted();
        if (legacyCode === undefined) await this.#effectIn(write, outcome, signal);
        else compareErrors(ticket, legacyCode, outcome);
      },
      () => {
        shedAll(write.chain.break());
      },
    );
  }

  async #effectIn(write: ApartWrite, pooled: WriteOutcome, signal: AbortSignal): Promise<void> {
    const { path, touched, ticket, chain, chained } = write;
    const made = 'error' in pooled ? undefined : (pooled.value as WriteEffect);
    const effect = made?.tables[touched.table];
    if (effect === undefined && made !== undefined && made.unseen.length > 0) {
      ticket.shed('side-effects');
      shedAll(chain.break());
    } else if (effect === undefined || chained === undefined) {
      unexplained(ticket, pooled);
      shedAll(chain.break());
    } else if (effect.count !== touched.rows) {
      // No other process can be the reason: these rows were written and read back apart from the dataset.
      const kind = effect.count < touched.rows ? 'missing-row' : 'extra-row';
      ticket.verdict({
        verdict: 'mismatch',
        class: kind,
        fingerprint: `${path.operation}:${kind}`,
        summary: `${String(touched.rows)} rows were given, the pooled leg wrote ${String(effect.count)}`,
      });
      shedAll(chain.break());
    } else {
      chained.effect = rowSum(effect);
      await this.#settleChain(path, touched.table, chain, signal);
    }
  }

  /** Reads the table when all effects are in and nothing is being written, and settles every write that waits for it. */
  async #settleChain(
    path: Path,
    table: string,
    chain: WriteChain<Ticket>,
    signal: AbortSignal,
  ): Promise<void> {
    if (this.#settling.has(chain)) return;
    this.#settling.add(chain);
    const { barrier } = path.state;
    try {
      for (let attempt = 0; attempt < settleTries && chain.ready; attempt += 1) {
        const { epoch } = barrier;
        const now = barrier.quiet
          ? await tableDigest(this.#context, path, table, signal)
          : undefined;
        if (now !== undefined && barrier.epoch === epoch) {
          this.#settleNow(path, table, chain, now);
          return;
        }
        await new Promise<void>((resolve) => {
          this.#context.clock.after(2 ** attempt * 5, resolve);
        });
        signal.throwIfAborted();
      }
      if (chain.ready) shedAll(chain.break());
    } finally {
      this.#settling.delete(chain);
    }
  }

  #settleNow(
    path: Path,
    table: string,
    chain: WriteChain<Ticket>,
    now: Digest | 'too-large' | 'failed',
  ): void {
    if (now === 'too-large') for (const ticket of chain.break()) ticket.shed('too-large');
    else if (now === 'failed') {
      const reason = `table ${JSON.stringify(table)} could not be read`;
      for (const ticket of chain.break()) ticket.verdict({ verdict: 'inconclusive', reason });
    } else this.#judge(path, table, chain, now);
  }

  #judge(path: Path, table: string, chain: WriteChain<Ticket>, now: Digest): void {
    const { writes, expected } = chain.settle(rowSum(now), addOrderFree);
    if (expected === undefined) {
      shedAll(writes);
      return;
    }
    const differs = expected.count !== now.count || expected.orderFree !== now.orderFree;
    const judgement = this.#context.repeats.judge(
      `table\0${path.backend}\0${path.dataset}\0${table}`,
      differs,
    );
    const kind =
      expected.count === now.count
        ? 'value'
        : expected.count < now.count
          ? 'missing-row'
          : 'extra-row';
    for (const ticket of writes) {
      ticket.verdict(
        judgement === undefined
          ? { verdict: 'match' }
          : {
              ...judgement,
              class: kind,
              fingerprint: `${path.operation}:${kind}`,
              summary:
                `the pooled leg's writes make ${String(expected.count)} rows, the table has ${String(now.count)}, ` +
                'and their digests differ',
            },
      );
    }
  }
}

/** A write that was made is made again on the shadow leg. */
function again(definition: OperationDefinition, args: readonly unknown[]): readonly unknown[] {
  if (definition.kind !== 'write' || definition.comparison !== 'apart') return args;
  return (
    (definition.again as ((...args: readonly unknown[]) => readonly unknown[]) | undefined)?.(
      ...args,
    ) ?? args
  );
}
