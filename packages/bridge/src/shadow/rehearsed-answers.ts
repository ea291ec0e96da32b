import type { WriteDefinition } from '@changeover/core';
import { compareDigests } from '@changeover/compare';
import type { ResolvedCall } from '../call/resolved-call.ts';
import { snapshotArguments, tryToCopy } from './copy-answer.ts';
import { describeDifference, describeOutcomes } from './difference-summary.ts';
import { RehearsalBudget } from './rehearsal-budget.ts';
import { errorCode } from './shadow-caller.ts';
import {
  compareErrors,
  type Run,
  settle,
  submit,
  unexplained,
  unwrap,
  type WriteContext,
  type WriteOutcome,
} from './write-context.ts';

/** A rehearsal over its budget is waited for up to this long, in ms: the real write would meet its locks. */
const rollbackGraceMs = 2_000;

/**
 * Compares writes of anyone's object that say how to rehearse them: the pooled leg makes the write and takes it back, and what
 * it answers must equal what the legacy leg then answers, or what its `observe` reads. The caller may wait the flag's rehearsal
 * budget for it.
 */
export class RehearsedAnswers {
  readonly #context: WriteContext;
  readonly #budget = new RehearsalBudget();

  constructor(context: WriteContext) {
    this.#context = context;
  }

  async run(
    resolved: ResolvedCall,
    definition: Extract<WriteDefinition, { readonly comparison: 'answer' }>,
    args: readonly unknown[],
    run: Run,
  ): Promise<unknown> {
    const { settings } = resolved.decision;
    const { cell } = resolved;
    cell.eligible += 1;
    resolved.shape.eligible += 1;
    if (settings.rehearsalBudgetMs <= 0 || !this.#context.sampled(settings.rehearsalSampleRate))
      return await run(args);
    const pending = this.#context.pending(resolved);
    const call = { operation: resolved.operation, args };
    const refusal =
      this.#context.queue.refusalOf(0, pending.quota) ??
      (this.#budget.admits(resolved, call, undefined) ? undefined : 'budget');
    if (refusal !== undefined) {
      pending.refuse(refusal);
      return await run(args);
    }
    const copy = tryToCopy(args);
    if (copy === undefined) {
      pending.shed('not-comparable');
      return await run(args);
    }
    pending.args = copy;
    const rehearsal = await this.#rehearse(resolved, definition.rehearse, copy);
    const outcome = await settle(run(args));
    if (rehearsal === 'budget') pending.shed('budget');
    else if ('error' in outcome) compareErrors(pending, errorCode(outcome.error), rehearsal);
    else if ('error' in rehearsal) unexplained(pending, rehearsal);
    else {
      const answer = snapshotArguments([outcome.value])[0];
      submit(this.#context, resolved, pending, async (signal) => {
        const { caller } = this.#context;
        const left =
          definition.observe === undefined
            ? caller.outcomeOf(answer, 'value')
            : await caller.digest(
                'legacy',
                { operation: definition.observe, args, signal },
                'value',
              );
        const rehearsed = caller.outcomeOf(rehearsal.value, 'value');
        const differs =
          left.kind !== 'result' ||
          rehearsed.kind !== 'result' ||
          compareDigests(left.digest, rehearsed.digest) !== 'equal';
        const judged = this.#context.repeats.judge(
          `answer\0${resolved.backend}\0${resolved.key}\0${resolved.operation}`,
          differs,
        );
        if (judged === undefined) {
          pending.verdict({ verdict: 'match' });
          return;
        }
        const round = { legacy: left, pooled: rehearsed };
        const difference =
          definition.observe === undefined
            ? describeDifference(resolved, round, { legacy: answer, pooled: rehearsal.value }, true)
            : describeOutcomes(round);
        pending.verdict({
          ...difference,
          ...judged,
          summary: `the rehearsal on the pooled leg answered otherwise: ${difference.summary}`,
        });
      });
    }
    return unwrap(outcome);
  }

  /** Within the budget, or `budget` where it took longer; it is waited for all the same, for it holds locks. */
  async #rehearse(
    resolved: ResolvedCall,
    operation: string,
    args: readonly unknown[],
  ): Promise<WriteOutcome | 'budget'> {
    const method = (
      this.#context.pooled.api as Record<
        string,
        ((...given: readonly unknown[]) => unknown) | undefined
      >
    )[operation];
    const { rehearsalBudgetMs: budgetMs } = resolved.decision.settings;
    const startedMs = this.#context.clock.monotonicMs();
    const made = settle((async () => await method?.(...args))());
    const { promise: late, resolve } = Promise.withResolvers<'late'>();
    const timer = this.#context.clock.after(budgetMs + rollbackGraceMs, () => {
      resolve('late');
    });
    const first = await Promise.race([made, late]);
    timer.cancel();
    const tookMs = this.#context.clock.monotonicMs() - startedMs;
    this.#budget.took(resolved.shape, tookMs, tookMs > budgetMs);
    return first === 'late' || tookMs > budgetMs ? 'budget' : first;
  }
}
