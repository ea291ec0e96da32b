import type { Clock, Leg, ShadowCall } from '@changeover/core';
import type { ResolvedCall } from '../call/resolved-call.ts';
import { errorCode, type ShadowCaller } from './shadow-caller.ts';
import type { ShadowQueue } from './shadow-queue.ts';
import type { PendingComparison } from './pending-comparison.ts';
import type { SeenDifferences } from './compared-read.ts';

/** A call without what only the run adds. */
export type TableRead = Pick<ShadowCall, 'operation' | 'args'>;

/** What the comparison of writes needs of the router. */
export interface WriteContext {
  readonly clock: Clock;
  readonly pooled: Leg<object>;
  readonly caller: ShadowCaller;
  readonly queue: ShadowQueue;
  /** For the reruns after a difference. */
  readonly confirmations: ShadowQueue;
  readonly tableRead: ((key: string, table: string, maxRows: number) => TableRead) | undefined;
  readonly repeats: ConsecutiveDifferences;
  readonly seen: SeenDifferences;
  pending(resolved: ResolvedCall): PendingComparison;
  sampled(rate: number): boolean;
}

/** Makes the real write on the answering leg. */
export type Run = (args: readonly unknown[]) => Promise<unknown>;

/** What a leg made of a write. */
export type WriteOutcome = { readonly value: unknown } | { readonly error: unknown };

/** A promise's outcome as a value, so that nothing in between can lose it. */
export async function settle(promise: Promise<unknown> | undefined): Promise<WriteOutcome> {
  try {
    return { value: await promise };
  } catch (error) {
    return { error };
  }
}

/** The caller's answer again. */
export function unwrap(outcome: WriteOutcome): unknown {
  if ('error' in outcome) throw outcome.error;
  return outcome.value;
}

/** Settles by the legs' errors: both failed, or one did. A write can't be run again, so a difference stays unconfirmed. */
export function compareErrors(
  pending: PendingComparison,
  legacyCode: string,
  pooled: WriteOutcome,
): void {
  const pooledCode = 'error' in pooled ? errorCode(pooled.error) : undefined;
  if (pooledCode === legacyCode) pending.verdict({ verdict: 'match' });
  else {
    const also = pooledCode === undefined ? 'would not have' : `with ${pooledCode}`;
    pending.verdict({
      verdict: 'inconclusive',
      class: 'error',
      reason: `the legacy leg failed with ${legacyCode}, the pooled leg ${also}`,
    });
  }
}

/** Settles where the legacy leg wrote and the pooled leg could not show that it would have. */
export function unexplained(pending: PendingComparison, pooled: WriteOutcome): void {
  const code = 'error' in pooled ? errorCode(pooled.error) : 'no effect reported';
  pending.verdict({
    verdict: 'inconclusive',
    class: 'error',
    reason: `the pooled leg could not do the write as its shadow: ${code}`,
  });
}

/** Sheds writes whose table isn't known any more. */
export function shedAll(pendings: readonly PendingComparison[]): void {
  for (const pending of pendings) pending.shed('no-baseline');
}

/** Submits comparison work whose failure is its own. */
export function submit(
  context: WriteContext,
  resolved: ResolvedCall,
  pending: PendingComparison,
  run: (signal: AbortSignal) => Promise<void>,
  onShed?: () => void,
  queue: ShadowQueue = context.queue,
): void {
  queue.submit({
    quota: pending.quota,
    compared: pending.compared,
    deadlineMs: resolved.decision.settings.deadlineMs,
    run: async (signal) => {
      try {
        await run(signal);
      } catch (error) {
        if (!signal.aborted) {
          pending.verdict({
            verdict: 'inconclusive',
            reason: `the comparison itself failed: ${errorCode(error)}`,
          });
        }
      }
    },
    shed: (reason) => {
      pending.shed(reason);
      onShed?.();
    },
  });
}

const confirmingRepeats = 3;
const maxRemembered = 1_000;

/** What a write's difference comes to. */
export interface Judgement {
  readonly verdict: 'mismatch' | 'inconclusive';
  readonly reason: string;
}

/** Counts differences in a row: one that can't be reproduced by running the write again is confirmed by coming back. */
export class ConsecutiveDifferences {
  readonly #times = new Map<string, number>();

  /** The verdict on a difference of `what`, with its reason; undefined where there is none, which ends the row. */
  judge(what: string, differs: boolean): Judgement | undefined {
    if (!differs) {
      this.#times.delete(what);
      return undefined;
    }
    const times = (this.#times.get(what) ?? 0) + 1;
    if (this.#times.size >= maxRemembered) this.#times.clear();
    this.#times.set(what, times);
    return times >= confirmingRepeats
      ? { verdict: 'mismatch', reason: `seen ${String(times)} times in a row` }
      : {
          verdict: 'inconclusive',
          reason: "a write can't be run again to confirm it, and another process may have written",
        };
  }
}
