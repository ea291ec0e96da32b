import {
  type AnswerFacts,
  ChangeoverError,
  type Clock,
  type ReadDefinition,
} from '@changeover/core';
import type { ResolvedCall } from '../call/resolved-call.ts';
import { Cell, ShapeCounts } from '../recorder/cell.ts';
import type {
  ReproducedAnswer,
  ReproducedPlace,
  Reproduction,
} from '../recorder/reproduced-call.ts';
import type { SampleValues } from '../recorder/sampled-call.ts';
import { type ComparisonRecord, sampleIdOf } from './comparison-log.ts';
import { type ShownCell, shownCells } from './difference-summary.ts';
import { PendingComparison } from './pending-comparison.ts';
import { ReadComparison } from './read-comparison.ts';
import { SeenDifferences } from './compared-read.ts';
import type { Outcome, ShadowCaller } from './shadow-caller.ts';

/** How a call is made again. */
export interface ReproduceOptions {
  /** Shows the values that differ, not only their types. Default: false. */
  readonly showValues?: boolean | undefined;
  /** How long both legs may take together, with what confirms a difference, in ms. Default: 60,000. */
  readonly timeoutMs?: number | undefined;
}

/** The call was not made again. */
export function notReproducible(message: string): ChangeoverError {
  return new ChangeoverError('NOT_REPRODUCIBLE', message);
}

const defaultTimeoutMs = 60_000;

/**
 * Makes a read again on both legs and judges it as a comparison in the background does, but counts it nowhere.
 *
 * @throws {ChangeoverError} NOT_REPRODUCIBLE for a call that is known to act.
 */
export async function reproduceRead(
  { caller, clock }: { readonly caller: ShadowCaller; readonly clock: Clock },
  resolved: ResolvedCall,
  args: readonly unknown[],
  { showValues = false, timeoutMs = defaultTimeoutMs }: ReproduceOptions,
): Promise<Reproduction> {
  const controller = new AbortController();
  const timer = clock.after(timeoutMs, () => {
    controller.abort(new Error('the time is over'));
  });
  try {
    return await run(
      { caller, clock, resolved: countedNowhere(resolved), args },
      showValues ? 'raw' : 'redacted',
      controller.signal,
    );
  } catch (error) {
    if (!controller.signal.aborted) throw error;
    throw notReproducible(
      `${resolved.operation} was not done on both legs within ${String(timeoutMs)} ms: give it more time.`,
    );
  } finally {
    timer.cancel();
  }
}

interface Again {
  readonly caller: ShadowCaller;
  readonly clock: Clock;
  readonly resolved: ResolvedCall;
  readonly args: readonly unknown[];
}

async function run(
  { caller, clock, resolved, args }: Again,
  values: SampleValues,
  signal: AbortSignal,
): Promise<Reproduction> {
  let record: ComparisonRecord | undefined;
  const reruns: Promise<void>[] = [];
  const pending = new PendingComparison(resolved, (settled) => {
    record = settled;
  });
  const comparison = new ReadComparison({
    caller,
    seen: new SeenDifferences(),
    clock,
    resolved,
    shadow: 'pooled',
    args,
    pending,
    later: (rerun) => {
      reruns.push(rerun(signal));
    },
  });
  await refuseWhatActs(resolved, args);
  await comparison.learn();
  const { compareAs, result = 'value' } = resolved.definition as ReadDefinition;
  const call = { operation: resolved.operation, args, signal, compareAs };
  const legacy = await caller.read('legacy', call, result);
  const pooled = await caller.read('pooled', call, result);
  comparison.answer = { outcome: legacy.outcome, copy: legacy.result };
  await comparison.run(signal);
  await Promise.all(reruns);
  const answers = { legacy: legacy.outcome, pooled: pooled.outcome };
  const id = sampleIdOf(resolved, { class: record?.class, verdict: 'mismatch' });
  return reproduction({ id, resolved, record, answers, values });
}

/** @throws {ChangeoverError} NOT_REPRODUCIBLE with why. */
async function refuseWhatActs(
  { operation, definition }: ResolvedCall,
  args: readonly unknown[],
): Promise<void> {
  const { facts } = definition as {
    readonly facts?: (...args: readonly unknown[]) => Promise<AnswerFacts>;
  };
  const acts = await facts?.(...args).then(
    (known) => known.acts,
    () => 'what it does is not known',
  );
  if (acts === undefined) return;
  throw notReproducible(`This call of ${operation} is not made again, since it may act: ${acts}.`);
}

interface Found {
  readonly id: string;
  readonly resolved: ResolvedCall;
  readonly record: ComparisonRecord | undefined;
  readonly answers: { readonly legacy: Outcome; readonly pooled: Outcome };
  readonly values: SampleValues;
}

function reproduction({ id, resolved, record, answers, values }: Found): Reproduction {
  const { backend, key, operation, shape } = resolved;
  const { legacy, pooled } = shownCells(record?.cells, values);
  return {
    id,
    backend,
    key,
    operation,
    shape: shape.key.shape,
    verdict: record?.verdict ?? 'inconclusive',
    class: record?.class,
    summary: record?.summary,
    reason: record?.reason,
    legacy: answerOf(answers.legacy),
    pooled: answerOf(answers.pooled),
    places: placesOf(legacy ?? [], pooled ?? []),
  };
}

function placesOf(legacy: readonly ShownCell[], pooled: readonly ShownCell[]): ReproducedPlace[] {
  return legacy.map(({ row, column, value }, at) => ({
    row: row + 1,
    column,
    legacy: value,
    pooled: pooled[at]?.value,
  }));
}

function answerOf(outcome: Outcome): ReproducedAnswer {
  if (outcome.kind === 'error') return { kind: 'error', code: outcome.code };
  const { count, ordered } = outcome.digest;
  return { kind: 'result', count, ordered };
}

/** The same call with counters of its own: a look at it is no call of a caller's. */
function countedNowhere(resolved: ResolvedCall): ResolvedCall {
  const { backend, key, operation, decision, shape } = resolved;
  return {
    ...resolved,
    cell: new Cell(backend, key, operation, decision.stage),
    shape: new ShapeCounts(shape.key),
  };
}
