import type { LateRow } from './cell-book.ts';
import type { LateShapeRow } from './shape-book.ts';
import type { RelianceEvidence } from './reliance-book.ts';
import type { ReportBuilder } from './report-builder.ts';
import type { RuleUseCount } from './rule-uses.ts';
import type { Steps } from '../steps.ts';
import type { EventRow, GroupRow, SampleRow, WriterRow } from './store-rows.ts';
import type { RecordingStore } from './recording-store.ts';

/** What a process has in memory at one moment, and knows better than the store. */
export interface OwnCounts {
  readonly writer: WriterRow;
  readonly cells: readonly LateRow[];
  readonly shapes: readonly LateShapeRow[];
  readonly groups: readonly GroupRow[];
  readonly rules: readonly RuleUseCount[];
  readonly reliance: readonly RelianceEvidence[];
  /** Those that the store doesn't have yet. */
  readonly samples: readonly SampleRow[];
  readonly events: readonly EventRow[];
  /** What is known to be missing, in plain words. */
  readonly notes: readonly string[];
}

/** Rows that are added in the time of one part of a step: merging histograms takes most of it. */
const [cellsAPart, rowsAPart] = [8, 20];

/**
 * Adds what is stored, of the state at the first step, and what this process has beside it.
 *
 * @param store undefined where there is none.
 */
export function* addAllInSteps(
  builder: ReportBuilder,
  own: OwnCounts,
  store: RecordingStore | undefined,
): Steps<void> {
  const { samplesOverLimit, writer, ...run } = own.writer;
  builder.addRun(writer, run);
  builder.addSamplesOverLimit(samplesOverLimit);
  for (const group of own.groups) builder.addGroup(group);
  try {
    const parts = new Set(own.cells.map(({ part }) => part));
    const shapeParts = new Set(own.shapes.map(({ part }) => part));
    if (store !== undefined) yield* read(store, builder, { writer, parts, shapeParts });
  } catch (error) {
    const message = String((error as { message?: unknown }).message);
    builder.addNote(
      `What was stored can't be read (${message}): the figures are of this process alone.`,
    );
  }
  for (const count of own.rules) builder.addRule(count, own.writer.lastAt);
  for (const row of own.cells) {
    const { lastAt, counts, legacy, pooled, paired, ...key } = row.make();
    builder.addCell({ key, counts, legacy, pooled, paired }, lastAt, row.hour);
    yield 1 / cellsAPart;
  }
  for (const row of own.shapes) {
    builder.addShape(row.make());
    yield 1 / rowsAPart;
  }
  for (const row of own.reliance) builder.addReliance(row);
  for (const { sequence: _sequence, ...sample } of own.samples) builder.addSample(sample);
  for (const { at, kind, fields: text } of own.events) {
    const fields = JSON.parse(text) as Record<string, unknown>;
    builder.addEvent({ at, run: run.run, kind, fields });
  }
  for (const note of own.notes) builder.addNote(note);
}

function* read(
  store: RecordingStore,
  builder: ReportBuilder,
  own: Parameters<RecordingStore['read']>[1],
): Steps<void> {
  if (store.readInSteps === undefined) store.read(builder, own);
  else yield* store.readInSteps(builder, own);
}
