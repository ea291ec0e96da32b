import type { CellDifference } from '@changeover/compare';
import type { Clock, ToldCall } from '@changeover/core';
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
 * @returns the name of mismatches like this one; undefined where it is none. */
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
  const told = toldCall(resolved, call.args);
  const summary =
    record.summary ?? [record.class, record.reason].filter((part) => part !== undefined).join(': ');
  const { sampleValues = 'redacted' } = sinks;
  const fields = { backend, dataset: key, operation, stage, ...record, summary };
  rescue(sinks.logger, () => {
    sinks.recorder.sample({
      ...fields,
      at: sinks.clock.wallMs(),
      shape: told.shape,
      ...shownCells(cells, sampleValues),
      call: callOf(resolved, { ...told, trace: call.trace }, sampleValues),
    });
  });
  if (record.verdict === 'mismatch') {
    const sample = mismatchId(resolved, record, call.args);
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
  return undefined;
}

interface ToldHere {
  readonly shape: string;
  readonly args: readonly unknown[] | undefined;
  /** An adapter told it. */
  readonly adapted: boolean;
}

/** The call as a report tells it. Never throws. */
function toldCall(
  { definition, shape }: ResolvedCall,
  args: readonly unknown[] | undefined,
): ToldHere {
  const { told } = definition as { readonly told?: (...args: readonly unknown[]) => ToldCall };
  const own = { shape: shape.key.shape, args, adapted: false };
  if (told === undefined || args === undefined) return own;
  try {
    return { ...told(...args), adapted: true };
  } catch {
    return own;
  }
}

/** The name of mismatches like this one. */
export function mismatchId(
  resolved: ResolvedCall,
  record: Pick<ComparisonRecord, 'class'>,
  args: readonly unknown[] | undefined,
): string {
  const { backend, key, operation } = resolved;
  const kind = record.class;
  return sampleId({
    backend,
    verdict: 'mismatch',
    operation,
    class: kind,
    key,
    shape: toldCall(resolved, args).shape,
  });
}

function callOf(
  { definition, key }: ResolvedCall,
  { args, adapted, trace }: ToldHere & Pick<ComparedCall, 'trace'>,
  values: SampleValues,
): SampledCall | undefined {
  if (args === undefined) return undefined;
  const kind = definition.kind === 'read' ? 'read' : 'write';
  return sampledCall({ kind, args, adapted, trace }, key, values);
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
