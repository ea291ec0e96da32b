import { LatencyHistogram, PairedDifference } from '@changeover/compare';
import { noCounts } from './counts.ts';
import type { ReportBuilder } from './report-builder.ts';
import type { StoredEvent, StoredWriter } from './stored-tables.ts';

/** A key that was called. */
export interface StoredName {
  readonly backend: string;
  readonly dataset: string;
}

/** Who was called by whom and what happened, with no count of it: a step back needs no more, and must not wait for more. */
export interface StoredNames {
  readonly writers: Iterable<StoredWriter>;
  readonly keys: Iterable<StoredName>;
  readonly events: Iterable<StoredEvent>;
}

/** Adds them to a report. */
export function addStoredNames(
  builder: ReportBuilder,
  { writers, keys, events }: StoredNames,
): void {
  const runs = new Map<string, string>();
  for (const { writer, run, host, pid, node, started_at, last_at } of writers) {
    runs.set(writer, run);
    builder.addRun(writer, { run, host, pid, node, startedAt: started_at, lastAt: last_at });
  }
  for (const { backend, dataset } of keys) {
    const key = { backend, dataset, operation: '', stage: 'legacy' } as const;
    const [legacy, pooled] = [new LatencyHistogram(), new LatencyHistogram()];
    const paired = new PairedDifference();
    builder.addCell({ key, counts: noCounts(), legacy, pooled, paired }, 0);
  }
  for (const { writer, at, kind, fields } of events)
    builder.addEvent({
      at,
      run: runs.get(writer) ?? writer,
      kind,
      fields: JSON.parse(fields) as Record<string, unknown>,
    });
}
