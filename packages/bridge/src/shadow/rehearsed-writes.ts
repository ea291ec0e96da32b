import type { WriteEffect } from '@changeover/core';
import type { ResolvedCall } from '../call/resolved-call.ts';
import { ForeignWriters } from './foreign-writers.ts';
import { RehearsalBudget } from './rehearsal-budget.ts';
import { errorCode } from './shadow-caller.ts';
import { tryToCopy } from './copy-answer.ts';
import { tableDigest } from './table-digest.ts';
import type { PendingComparison } from './pending-comparison.ts';
import type { WriteChains } from './write-chains.ts';
import {
  compareErrors,
  type Run,
  settle,
  shedAll,
  submit,
  type Judgement,
  unexplained,
  unwrap,
  type WriteContext,
  type WriteOutcome,
} from './write-context.ts';

/** A rehearsal over its budget is cancelled, and its rollback is waited for: the real write would meet its locks, and fail
 * where the legacy API alone would not have. Only a leg that doesn't end at all is left behind after this time. */
const rollbackGraceMs = 2_000;
/** How often and how long a table is looked at for somebody else's writes. */
const looks = 5;
const lookMs = 40;
/** Rehearsals digest the touched table inside the caller's budget, so they stop at this size. */
const maxRehearsedRows = 10_000;

/**
 * Compares writes that depend on what is there (`execute`): the pooled leg rehearses them first, in a transaction that is
 * rolled back, inside a budget that the caller may have to wait; the real write follows on the legacy leg.
 */
export class RehearsedWrites {
  readonly #context: WriteContext;
  readonly #budget = new RehearsalBudget();
  readonly #foreign: ForeignWriters;

  constructor(context: WriteContext) {
    this.#context = context;
    this.#foreign = new ForeignWriters(
      context.clock,
      context.pooled.shadow?.tellsVersions === true,
    );
  }

  async run(resolved: ResolvedCall, args: readonly unknown[], run: Run): Promise<unknown> {
    const {
      cell,
      decision: { settings },
      state,
    } = resolved;
    shedAll((state.chains as WriteChains<PendingComparison>).breakAll());
    cell.eligible += 1;
    resolved.shape.eligible += 1;
    if (settings.rehearsalBudgetMs <= 0 || !this.#context.sampled(settings.rehearsalSampleRate))
      return await run(args);
    const pending = this.#context.pending(resolved);
    const copy = tryToCopy(args);
    const { shadow } = this.#context.pooled;
    const refusal =
      this.#context.queue.refusalOf(0, pending.quota) ??
      (shadow?.rehearse !== undefined &&
      this.#budget.admits(resolved, { operation: resolved.operation, args }, shadow)
        ? undefined
        : 'budget');
    if (refusal !== undefined || copy === undefined) {
      pending.refuse(refusal ?? 'not-comparable');
      return await run(args);
    }
    pending.args = copy;
    // The gate lets no other write of this process be beside the rehearsal.
    const before = this.#version(resolved);
    const rehearsal = await this.#rehearse(resolved, copy);
    this.#foreign.saw(state, before, this.#version(resolved));
    const outcome = await settle(run(args));
    if (rehearsal === 'budget') pending.shed('budget');
    else this.#compare(resolved, String(args[1]), pending, rehearsal, outcome);
    return unwrap(outcome);
  }

  async #rehearse(
    resolved: ResolvedCall,
    args: readonly unknown[],
  ): Promise<WriteOutcome | 'budget'> {
    const { clock, pooled } = this.#context;
    const { rehearsalBudgetMs, maxRows } = resolved.decision.settings;
    const controller = new AbortController();
    const startedMs = clock.monotonicMs();
    const call = { operation: resolved.operation, args, signal: controller.signal };
    const rehearsal = settle(
      pooled.shadow?.rehearse?.(call, { maxRows: Math.min(maxRows, maxRehearsedRows) }),
    );
    const { promise: over, resolve } = Promise.withResolvers<'budget'>();
    const abort = clock.after(rehearsalBudgetMs, () => {
      controller.abort(
        new Error(`the rehearsal's budget of ${String(rehearsalBudgetMs)} ms is used up`),
      );
    });
    const leave = clock.after(rehearsalBudgetMs + rollbackGraceMs, () => {
      resolve('budget');
    });
    try {
      const outcome = await Promise.race([rehearsal, over]);
      const tookMs = clock.monotonicMs() - startedMs;
      resolved.cell.pooledLatency.record(tookMs);
      this.#budget.took(resolved.shape, tookMs, controller.signal.aborted);
      return controller.signal.aborted ? 'budget' : outcome;
    } finally {
      abort.cancel();
      leave.cancel();
    }
  }

  #compare(
    resolved: ResolvedCall,
    statement: string,
    pending: PendingComparison,
    rehearsal: WriteOutcome,
    outcome: WriteOutcome,
  ): void {
    if ('error' in outcome) compareErrors(pending, errorCode(outcome.error), rehearsal);
    else if ('error' in rehearsal) unexplained(pending, rehearsal);
    else {
      const effect = rehearsal.value as WriteEffect;
      if (effect.rowsAffected === undefined && Object.keys(effect.tables).length === 0) {
        pending.shed('side-effects');
        return;
      }
      const differs = effect.rowsAffected !== undefined && effect.rowsAffected !== outcome.value;
      const judgement = this.#context.repeats.judge(
        `statement\0${resolved.backend}\0${resolved.key}\0${statement}`,
        differs,
      );
      if (judgement === undefined) this.#compareTables(resolved, pending, effect);
      else {
        const summary = `rows affected: legacy ${String(outcome.value)}, pooled ${String(effect.rowsAffected)}`;
        const tables = Object.keys(effect.tables);
        submit(this.#context, resolved, pending, async (signal) => {
          const checked = await this.#unlessForeign(resolved, judgement, tables, signal);
          pending.verdict({ ...checked, class: 'value', summary });
        });
      }
    }
  }

  /** The tables after the real write must be as they were after the rehearsal. */
  #compareTables(resolved: ResolvedCall, pending: PendingComparison, effect: WriteEffect): void {
    const { gate } = resolved.state;
    // The write that is being answered ends right after this, which moves the epoch once.
    const epoch = gate.epoch + 1;
    const written = this.#version(resolved);
    submit(this.#context, resolved, pending, async (signal) => {
      const unseen = [...effect.unseen];
      for (const [table, rehearsed] of Object.entries(effect.tables)) {
        const now =
          gate.epoch === epoch
            ? await tableDigest(this.#context, resolved, table, signal)
            : 'failed';
        // What the write returned was compared, and that agreed.
        if (typeof now === 'string' || gate.epoch !== epoch) {
          unseen.push(
            gate.epoch === epoch
              ? `the table, which is ${now === 'failed' ? 'not to be read' : 'too large'}`
              : 'the table, which was written again',
          );
          continue;
        }
        const differs = now.count !== rehearsed.count || now.orderFree !== rehearsed.orderFree;
        const judgement = this.#context.repeats.judge(
          `table\0${resolved.backend}\0${resolved.key}\0${table}`,
          differs,
        );
        if (judgement === undefined) continue;
        this.#foreign.saw(resolved.state, written, this.#version(resolved));
        pending.verdict({
          ...(await this.#unlessForeign(resolved, judgement, [table], signal)),
          class: 'value',
          summary:
            `table ${JSON.stringify(table)} after the write: legacy ${String(now.count)} rows, ` +
            `pooled ${String(rehearsed.count)} rows, and their digests differ`,
        });
        return;
      }
      pending.verdict({ verdict: 'match', unseen });
    });
  }

  /** A write of somebody else's between the rehearsal and the read of its table differs each time as a fault would. Where no version
   * tells of one, the tables that are written all the time change while this process writes nothing to them. */
  async #unlessForeign(
    resolved: ResolvedCall,
    judgement: Judgement,
    tables: readonly string[],
    signal: AbortSignal,
  ): Promise<Judgement> {
    const foreign = (): Judgement => ({
      verdict: 'inconclusive',
      reason: 'another process writes to the same data',
    });
    if (this.#foreign.areAt(resolved.state)) return foreign();
    if (judgement.verdict !== 'mismatch') return judgement;
    for (const table of tables)
      if (await this.#changesAlone(resolved, table, signal)) return foreign();
    return judgement;
  }

  /** Whether a table changes within a while in which this process writes nothing to the key. */
  async #changesAlone(
    resolved: ResolvedCall,
    table: string,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { gate } = resolved.state;
    for (let look = 0; look < looks; look += 1) {
      const { epoch, quiet } = gate;
      const before = await tableDigest(this.#context, resolved, table, signal);
      await new Promise<void>((done) => {
        this.#context.clock.after(lookMs, done);
      });
      signal.throwIfAborted();
      const after = await tableDigest(this.#context, resolved, table, signal);
      if (typeof before === 'string' || typeof after === 'string') return false;
      if (quiet && gate.epoch === epoch && before.orderFree !== after.orderFree) return true;
    }
    return false;
  }

  #version({ key }: ResolvedCall): string | undefined {
    return this.#context.caller.version(key);
  }
}
