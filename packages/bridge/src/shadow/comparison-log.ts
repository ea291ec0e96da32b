import type { Clock } from '@changeover/core';
import type { ResolvedCall } from '../call/resolved-call.ts';
import type { Guardrail } from '../stages/guardrail.ts';
import type { Logger } from '../log.ts';
import type { Verdict } from '../recorder/cell.ts';
import type { Recorder } from '../recorder/recorder.ts';

/** What a comparison came to, with what is kept of it. All values in it are redacted already. */
export interface ComparisonRecord {
  readonly verdict: Verdict;
  readonly class?: string | undefined;
  readonly reason?: string | undefined;
  /** Of a match: what of the write's effect was not looked at. */
  readonly unseen?: readonly string[] | undefined;
  readonly fingerprint?: string | undefined;
  readonly summary?: string | undefined;
  readonly legacy?: unknown;
  readonly pooled?: unknown;
}

/** Where verdicts go. */
export interface ComparisonSinks {
  readonly recorder: Recorder;
  readonly logger: Logger;
  readonly guardrail?: Guardrail | undefined;
  readonly clock: Clock;
}

/** Tells everyone who wants to know of a verdict. A sink that throws harms neither the others nor the caller. */
export function reportComparison(
  sinks: ComparisonSinks,
  resolved: ResolvedCall,
  record: ComparisonRecord,
): void {
  if (record.verdict === 'match') {
    reportUnseen(sinks, resolved, record.unseen ?? []);
    return;
  }
  const { backend, key, operation } = resolved;
  const { stage } = resolved.decision;
  const summary =
    record.summary ?? [record.class, record.reason].filter((part) => part !== undefined).join(': ');
  const at = sinks.clock.wallMs();
  rescue(sinks.logger, () => {
    const fingerprint =
      record.fingerprint === undefined
        ? undefined
        : `${backend}:${record.verdict}:${record.fingerprint}`;
    sinks.recorder.sample({
      at,
      backend,
      dataset: key,
      operation,
      stage,
      ...record,
      summary,
      fingerprint,
    });
  });
  const fields = { backend, dataset: key, operation, stage, ...record, summary };
  if (record.verdict === 'mismatch') {
    rescue(sinks.logger, () => {
      sinks.logger.error(fields, 'mismatch');
    });
    rescue(sinks.logger, () => {
      sinks.guardrail?.mismatch(backend, key, `${operation}: ${summary}`);
    });
  } else
    rescue(sinks.logger, () => {
      sinks.logger.debug(fields, record.verdict);
    });
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
      fingerprint: `${backend}:match:${operation}:${summary}`,
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
