import type { CellDifference } from '@changeover/compare';
import type { Clock } from '@changeover/core';
import type { ResolvedCall } from '../call/resolved-call.ts';
import type { Guardrail } from '../stages/guardrail.ts';
import type { Logger } from '../log.ts';
import type { Verdict } from '../recorder/cell.ts';
import type { Recorder } from '../recorder/recorder.ts';
import { sampleId } from '../recorder/sample-id.ts';
import { type SampledCall, sampledCall, type SampleValues } from '../recorder/sampled-call.ts';
import { shownCells } from './difference-summary.ts';

/** What a comparison came to. No value of the data is in its texts. */
export interface ComparisonRecord {
  readonly verdict: Verdict;
  readonly class?: string | undefined;
  readonly reason?: string | undefined;
  /** Of a match: what of the write's effect was not looked at. */
  readonly unseen?: readonly string[] | undefined;
  readonly summary?: string | undefined;
  /** Where the legs differ. Hold values of the data, and stay in the process. */
  readonly cells?: readonly CellDifference[] | undefined;
}

/** The call that was compared, as its caller made it. Holds values of the data, and stays in the process. */
export interface ComparedCall {
  /** Undefined where they could not be copied. */
  readonly args: readonly unknown[] | undefined;
  readonly trace: string | undefined;
}

/** Where verdicts go. */
export interface ComparisonSinks {
  readonly recorder: Recorder;
  readonly logger: Logger;
  readonly guardrail?: Guardrail | undefined;
  readonly clock: Clock;
  /** Whether samples hold values. Default: redacted. The log never does. */
  readonly sampleValues?: SampleValues | undefined;
}

/** Tells everyone who wants to know of a verdict. A sink that throws harms neither the others nor the caller.
 *
 * @returns the name of what holds a key back and is like this; undefined where it is nothing of that kind. */
export function reportComparison(
  sinks: ComparisonSinks,
  resolved: ResolvedCall,
  { cells, ...record }: ComparisonRecord,
  call: ComparedCall = { args: undefined, trace: undefined },
): string | undefined {
  if (record.verdict === 'match') {
    reportUnseen(sinks, resolved, record.unseen ?? []);
    return undefined;
  }
  const { backend, key, operation } = resolved;
  const { stage } = resolved.decision;
  const summary =
    record.summary ?? [record.class, record.reason].filter((part) => part !== undefined).join(': ');
  const { sampleValues = 'redacted' } = sinks;
  const fields = { backend, dataset: key, operation, stage, ...record, summary };
  rescue(sinks.logger, () => {
    sinks.recorder.sample({
      ...fields,
      at: sinks.clock.wallMs(),
      shape: resolved.shape.key.shape,
      ...shownCells(cells, sampleValues),
      call: callOf(resolved, call, sampleValues),
    });
  });
  if (record.verdict === 'mismatch') {
    const sample = sampleIdOf(resolved, record);
    rescue(sinks.logger, () => {
      const trace = call.trace === undefined ? {} : { trace: call.trace };
      sinks.logger.error(
        { ...fields, sample, ...trace, ...shownCells(cells, 'redacted') },
        'mismatch',
      );
    });
    rescue(sinks.logger, () => {
      sinks.guardrail?.mismatch(backend, key, `${operation}: ${summary}`);
    });
    return sample;
  }
  rescue(sinks.logger, () => {
    sinks.logger.debug(fields, record.verdict);
  });
  return record.verdict === 'inconclusive' ? sampleIdOf(resolved, record) : undefined;
}

/** The arguments as a report tells them. Never throws. */
function toldArguments(
  { definition }: ResolvedCall,
  args: readonly unknown[],
): Pick<SampledCall, 'args' | 'adapted'> {
  const { told } = definition as {
    readonly told?: (...args: readonly unknown[]) => readonly unknown[];
  };
  if (told === undefined) return { args };
  try {
    return { args: told(...args), adapted: true };
  } catch {
    return { args };
  }
}

/** The name of comparisons like this one, of which those of a key and a shape are told together. */
export function sampleIdOf(
  { backend, key, operation, shape }: ResolvedCall,
  { class: kind, verdict }: Pick<ComparisonRecord, 'class' | 'verdict'>,
): string {
  return sampleId({
    backend,
    verdict,
    operation,
    class: kind,
    key,
    shape: shape.key.shape,
  });
}

function callOf(
  resolved: ResolvedCall,
  { args, trace }: ComparedCall,
  values: SampleValues,
): SampledCall | undefined {
  if (args === undefined) return undefined;
  const kind = resolved.definition.kind === 'read' ? 'read' : 'write';
  return sampledCall({ kind, trace, ...toldArguments(resolved, args) }, resolved.key, values);
}

/** A match means no more than what was looked at. */
function reportUnseen(
  { recorder, logger, clock }: ComparisonSinks,
  { backend, key, operation, decision }: ResolvedCall,
  unseen: readonly string[],
): void {
  if (unseen.length === 0) return;
  const summary = unseen.join('; ');
  rescue(logger, () => {
    recorder.sample({
      at: clock.wallMs(),
      backend,
      dataset: key,
      operation,
      stage: decision.stage,
      verdict: 'match',
      class: summary,
      summary: `not compared: ${summary}`,
    });
  });
}

function rescue(logger: Logger, tell: () => void): void {
  try {
    tell();
  } catch (error) {
    try {
      logger.error({ err: error }, 'a verdict could not be reported');
    } catch {
      // The logger itself failed, so there is nobody left to tell.
    }
  }
}
