import {
  LatencyHistogram,
  type LatencyHistogramJson,
  PairedDifference,
  type PairedDifferenceJson,
} from '@changeover/compare';
import { stageNamed } from '@changeover/core';
import { inOneGo, type Steps } from '../steps.ts';
import { foldedWriter } from '../fleet/fleet-read.ts';
import { countNames, noCounts } from './counts.ts';
import type { ReportBuilder } from './report-builder.ts';
import type { CellKey } from './cell.ts';
import type { RelianceEvidence } from './reliance-book.ts';
import { addStoredReliance, type StoredReliance } from './reliance-rows.ts';
import type { RuleUseCount } from './rule-uses.ts';
import type { StoredMinute } from './minute-rows.ts';
import { addStoredShape, type StoredShape } from './shape-rows.ts';
import { shedReasons } from './shed-reason.ts';
import type { StoredHours } from './stored-hours.ts';
import type { GroupRow, OwnRows } from './store-rows.ts';

const hourMs = 3_600_000;

/** A cell's row as a store gives it back. */
export type StoredCell = CellKey &
  Record<(typeof countNames)[number], number> & {
    writer: string;
    part: number;
    shed: string;
    legacy_latency: string;
    pooled_latency: string;
    hour: number;
    last_at?: number | null;
    paired?: string | null;
  };

/** A fingerprint's row as a store gives it back. */
export type StoredGroup = Omit<GroupRow, 'class' | 'firstAt' | 'lastAt' | 'key' | 'shape'> & {
  writer: string;
  class: string | null;
  /** Since version 7. */
  dataset?: string | null;
  shape?: string | null;
  first_at: number;
  last_at: number;
};

/** A process as a store gives it back. */
export interface StoredWriter {
  writer: string;
  run: string;
  host: string;
  pid: number;
  node: string;
  started_at: number;
  last_at: number;
  samples_over_limit: number;
}

/** A sample's row as a store gives it back. */
export interface StoredSampleRow {
  fingerprint: string;
  at: number;
  dataset: string;
  stage: string;
  summary: string;
  legacy: string | null;
  pooled: string | null;
  reason: string | null;
  /** Since version 7. */
  call?: string | null;
}

/** An event's row as a store gives it back. */
export interface StoredEvent {
  writer: string;
  at: number;
  kind: string;
  fields: string;
}

/** A rule's row as a store gives it back. */
export type StoredRule = RuleUseCount & {
  writer: string;
  /** When a process that is in it was last counted in. Left out where the row is of one process, which says so itself. */
  last_at?: number | undefined;
};

/** All that a store has, at one moment. Each is gone through once, in this order. */
export interface StoredTables {
  readonly writers: Iterable<StoredWriter>;
  readonly cells: Iterable<StoredCell>;
  readonly groups: Iterable<StoredGroup>;
  readonly samples: Iterable<StoredSampleRow>;
  readonly events: Iterable<StoredEvent>;
  readonly rules: Iterable<StoredRule>;
  readonly shapes: Iterable<StoredShape>;
  readonly reliance: Iterable<StoredReliance>;
  /** What of the cells is not told by the hour in them. Left out where all is. */
  readonly hours?: Iterable<StoredHours> | undefined;
  /** Those from `first` on, in minutes since 1970. Left out where the store keeps none. */
  readonly minutes?: ((first: number) => Iterable<StoredMinute>) | undefined;
}

/** Adds what is stored to a report, but for `own`, which the caller adds as it stands now. */
export function addStored(
  builder: ReportBuilder,
  tables: StoredTables,
  own: OwnRows | undefined,
): void {
  inOneGo(addStoredInSteps(builder, tables, own));
}

/** Rows that are read in the time of one part of a step: a cell's two histograms take most of it. */
const [cellsAPart, rowsAPart] = [2, 20];

/** The same in steps. */
export function* addStoredInSteps(
  builder: ReportBuilder,
  tables: StoredTables,
  own: OwnRows | undefined,
): Steps<void> {
  const writers = new Map<string, StoredWriter>();
  for (const row of tables.writers) {
    writers.set(row.writer, row);
    if (row.writer === own?.writer) continue;
    const { run, host, pid, node, started_at: startedAt, last_at: lastAt } = row;
    builder.addRun(row.writer, { run, host, pid, node, startedAt, lastAt });
    builder.addSamplesOverLimit(row.samples_over_limit);
  }
  for (const row of tables.cells) {
    yield 1 / cellsAPart;
    if (row.writer !== own?.writer || !own.parts.has(row.part)) addStoredCell(builder, row);
  }
  for (const { hours, ...key } of tables.hours ?? [])
    for (const hour of hours) {
      yield 1 / rowsAPart;
      builder.addHour(key, hour);
    }
  for (const row of tables.groups) if (row.writer !== own?.writer) addStoredGroup(builder, row);
  // Own groups are added by the caller, before the samples that belong to them.
  for (const row of tables.samples) {
    yield 1 / cellsAPart;
    addStoredSample(builder, row);
  }
  for (const { writer, at, kind, fields: text } of tables.events) {
    yield 1 / rowsAPart;
    const fields = JSON.parse(text) as Record<string, unknown>;
    builder.addEvent({ at, run: writers.get(writer)?.run ?? writer, kind, fields });
  }
  for (const { writer, backend, rule, uses, failures, last_at } of tables.rules)
    if (writer !== own?.writer) {
      const lastAt = last_at ?? writers.get(writer)?.last_at ?? 0;
      builder.addRule({ backend, rule, uses, failures }, lastAt);
    }
  for (const row of tables.shapes) {
    yield 1 / rowsAPart;
    if (row.writer !== own?.writer || !own.shapeParts.has(row.part)) addStoredShape(builder, row);
  }
  const add = (row: RelianceEvidence): void => {
    builder.addReliance(row);
  };
  addStoredReliance(tables.reliance, add, own?.writer);
  if (builder.firstMinute === undefined || tables.minutes === undefined) return;
  for (const row of tables.minutes(builder.firstMinute)) {
    yield 1 / rowsAPart;
    builder.addMinute(row);
  }
}

function addStoredGroup(builder: ReportBuilder, row: StoredGroup): void {
  const { fingerprint, backend, operation, verdict, count, first_at, last_at } = row;
  builder.addGroup({
    fingerprint,
    backend,
    operation,
    key: row.dataset ?? undefined,
    shape: row.shape ?? undefined,
    verdict,
    class: row.class ?? undefined,
    count,
    firstAt: first_at,
    lastAt: last_at,
  });
}

function addStoredSample(builder: ReportBuilder, row: StoredSampleRow): void {
  const { fingerprint, at, dataset, summary } = row;
  builder.addSample({
    fingerprint,
    at,
    dataset,
    summary,
    stage: stageNamed(row.stage) ?? 'legacy',
    legacy: row.legacy ?? undefined,
    pooled: row.pooled ?? undefined,
    reason: row.reason ?? undefined,
    call: row.call ?? undefined,
  });
}

function addStoredCell(builder: ReportBuilder, row: StoredCell): void {
  const counts = noCounts();
  for (const name of countNames) counts[name] = row[name];
  const shed = JSON.parse(row.shed) as Record<string, number | undefined>;
  for (const reason of shedReasons) counts.shed[reason] = shed[reason] ?? 0;
  const histogram = (text: string): LatencyHistogram =>
    LatencyHistogram.fromJSON(JSON.parse(text) as LatencyHistogramJson);
  const paired =
    typeof row.paired === 'string'
      ? PairedDifference.fromJSON(JSON.parse(row.paired) as PairedDifferenceJson)
      : new PairedDifference();
  const { backend, dataset, operation, stage } = row;
  builder.addCell(
    {
      key: { backend, dataset, operation, stage },
      counts,
      legacy: histogram(row.legacy_latency),
      pooled: histogram(row.pooled_latency),
      paired,
    },
    // Before version 3 only the hour was known.
    row.last_at ?? (row.hour + 1) * hourMs,
    // Processes that ended long ago are added up by the day: none of its hours had so many calls.
    row.writer === foldedWriter ? undefined : row.hour,
  );
}
