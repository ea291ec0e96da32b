import { addOrderFree } from '@changeover/compare';
import {
  type Digest,
  type OperationDefinition,
  pause,
  type TouchedTable,
  type WriteEffect,
} from '@changeover/core';
import type { ResolvedCall } from '../call/resolved-call.ts';
import type { ShadowSettings } from '../stages/flags/stage-source.ts';
import type { ShedReason } from '../recorder/shed-reason.ts';
import { errorCode } from './shadow-caller.ts';
import { tryToCopy } from './copy-answer.ts';
import { tableDigest } from './table-digest.ts';
import type { PendingComparison } from './pending-comparison.ts';
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
interface ScratchWrite {
  readonly resolved: ResolvedCall;
  readonly touched: TouchedTable;
  readonly args: readonly unknown[];
  readonly pending: PendingComparison;
  readonly chain: WriteChain<PendingComparison>;
  /** Its place in the chain; undefined where the legacy leg failed. */
  readonly chained: ChainedWrite<PendingComparison> | undefined;
}

/** How often a table that is being written is looked at again before its writes are left unsettled. */
const settleTries = 5;

/**
 * Compares writes that don't depend on rows already there (`writeTable`): the pooled leg does them afterwards, apart from
 * the key, and nobody waits. What the table must hold then is the sum of what was there and what was written.
 */
export class ScratchWrites {
  readonly #context: WriteContext;
  readonly #settling = new WeakSet<WriteChain<PendingComparison>>();

  constructor(context: WriteContext) {
    this.#context = context;
  }

  async run(
    resolved: ResolvedCall,
    touched: TouchedTable,
    args: readonly unknown[],
    run: Run,
  ): Promise<unknown> {
    const {
      cell,
      decision: { settings },
    } = resolved;
    const chain = (resolved.state.chains as WriteChains<PendingComparison>).get(touched.table);
    cell.eligible += 1;
    resolved.shape.eligible += 1;
    const pending = this.#context.sampled(settings.sampleRate)
      ? this.#context.pending(resolved)
      : undefined;
    const copy = tryToCopy(args);
    const refusal =
      copy === undefined ? 'not-comparable' : this.#refusal(touched, settings, pending);
    if (
      pending === undefined ||
      copy === undefined ||
      refusal !== undefined ||
      chain === undefined
    ) {
      pending?.refuse(refusal ?? 'queue-full');
      if (chain !== undefined) shedAll(chain.break());
      return await run(args);
    }
    pending.args = copy;
    const outcome = await settle(run(args));
    const failed = 'error' in outcome;
    if (!failed && !touched.additive) shedAll(chain.restart());
    const chained = failed ? undefined : chain.add(pending);
    if (!failed && chained === undefined) {
      pending.shed('queue-full');
      shedAll(chain.break());
    } else {
      this.#submit(
        { resolved, touched, args: copy, pending, chain, chained },
        failed ? errorCode(outcome.error) : undefined,
      );
    }
    return unwrap(outcome);
  }

  #refusal(
    touched: TouchedTable,
    { maxRows }: ShadowSettings,
    pending: PendingComparison | undefined,
  ): ShedReason | undefined {
    if (
      this.#context.pooled.shadow?.scratchWrite === undefined ||
      this.#context.tableRead === undefined
    )
      return 'no-baseline';
    return touched.rows > maxRows ? 'too-large' : this.#context.queue.refusalOf(0, pending?.quota);
  }

  #submit(write: ScratchWrite, legacyCode: string | undefined): void {
    const { resolved, args, pending } = write;
    const { clock, pooled } = this.#context;
    submit(
      this.#context,
      resolved,
      pending,
      async (signal) => {
        const startedMs = clock.monotonicMs();
        const { maxRows } = resolved.decision.settings;
        const given = legacyCode === undefined ? again(resolved.definition, args) : args;
        const outcome = await settle(
          pooled.shadow?.scratchWrite?.(
            { operation: resolved.operation, args: given, signal },
            { maxRows },
          ),
        );
        if (!('error' in outcome))
          resolved.cell.pooledLatency.record(clock.monotonicMs() - startedMs);
        signal.throwIfAborted();
        if (legacyCode === undefined) await this.#effectIn(write, outcome, signal);
        else compareErrors(pending, legacyCode, outcome);
      },
      () => {
        shedAll(write.chain.break());
      },
    );
  }

  async #effectIn(write: ScratchWrite, pooled: WriteOutcome, signal: AbortSignal): Promise<void> {
    const { resolved, touched, pending, chain, chained } = write;
    const made = 'error' in pooled ? undefined : (pooled.value as WriteEffect);
    const effect = made?.tables[touched.table];
    if (effect === undefined && made !== undefined && made.unseen.length > 0) {
      pending.shed('side-effects');
      shedAll(chain.break());
    } else if (effect === undefined || chained === undefined) {
      unexplained(pending, pooled);
      shedAll(chain.break());
    } else if (effect.count !== touched.rows) {
      // No other process can be the reason: these rows were written and read back apart from the key.
      const kind = effect.count < touched.rows ? 'missing-row' : 'extra-row';
      pending.verdict({
        verdict: 'mismatch',
        class: kind,
        summary: `${String(touched.rows)} rows were given, the pooled leg wrote ${String(effect.count)}`,
      });
      shedAll(chain.break());
    } else {
      chained.effect = rowSum(effect);
      await this.#settleChain(resolved, touched.table, chain, signal);
    }
  }

  /** Reads the table when all effects are in and nothing is being written, and settles every write that waits for it. */
  async #settleChain(
    resolved: ResolvedCall,
    table: string,
    chain: WriteChain<PendingComparison>,
    signal: AbortSignal,
  ): Promise<void> {
    if (this.#settling.has(chain)) return;
    this.#settling.add(chain);
    const { gate } = resolved.state;
    try {
      for (let attempt = 0; attempt < settleTries && chain.ready; attempt += 1) {
        const { epoch } = gate;
        const now = gate.quiet
          ? await tableDigest(this.#context, resolved, table, signal)
          : undefined;
        if (now !== undefined && gate.epoch === epoch) {
          this.#settleNow(resolved, table, chain, now);
          return;
        }
        await pause(this.#context.clock, 2 ** attempt * 5);
        signal.throwIfAborted();
      }
      if (chain.ready) shedAll(chain.break());
    } finally {
      this.#settling.delete(chain);
    }
  }

  #settleNow(
    resolved: ResolvedCall,
    table: string,
    chain: WriteChain<PendingComparison>,
    now: Digest | 'too-large' | 'failed',
  ): void {
    if (now === 'too-large') for (const pending of chain.break()) pending.shed('too-large');
    else if (now === 'failed') {
      const reason = `table ${JSON.stringify(table)} could not be read`;
      for (const pending of chain.break()) pending.verdict({ verdict: 'inconclusive', reason });
    } else this.#judge(resolved, table, chain, now);
  }

  #judge(
    resolved: ResolvedCall,
    table: string,
    chain: WriteChain<PendingComparison>,
    now: Digest,
  ): void {
    const { writes, expected } = chain.settle(rowSum(now), addOrderFree);
    if (expected === undefined) {
      shedAll(writes);
      return;
    }
    if (expected.count !== now.count) {
      // As many rows as were given came of each write, or it would not be in the chain; and where another process writes all the time, this
      // comes back each time.
      const reason = `table ${JSON.stringify(table)} has ${String(now.count)} rows and not ${String(expected.count)}: somebody else wrote to it`;
      for (const pending of writes) pending.verdict({ verdict: 'inconclusive', reason });
      return;
    }
    const judgement = this.#context.repeats.judge(
      `table\0${resolved.backend}\0${resolved.key}\0${table}`,
      expected.orderFree !== now.orderFree,
    );
    for (const pending of writes) {
      pending.verdict(
        judgement === undefined
          ? { verdict: 'match' }
          : {
              ...judgement,
              class: 'value',
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
  if (definition.kind !== 'write' || definition.comparison !== 'scratch') return args;
  return (
    (definition.again as ((...args: readonly unknown[]) => readonly unknown[]) | undefined)?.(
      ...args,
    ) ?? args
  );
}
