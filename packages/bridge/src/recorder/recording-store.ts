import type { SQLInputValue, StatementSync } from 'node:sqlite';
import {
  LatencyHistogram,
  type LatencyHistogramJson,
  PairedDifference,
  type PairedDifferenceJson,
} from '@changeover/compare';
import { stageNamed, type Stage } from '@changeover/core';
import type { Verdict } from './cell.ts';
import { countNames, noCounts, type Counts } from './counts.ts';
import type { CellKey, ReportBuilder } from './report-builder.ts';
import type { RelianceEvidence } from './reliance-book.ts';
import { readReliance, relianceColumns, relianceSchema, relianceValues } from './reliance-rows.ts';
import type { RuleUseCount } from './rule-uses.ts';
import type { ShapeRow } from './shape-book.ts';
import { readShapes, shapeColumns, shapeSchema, shapeValues } from './shape-rows.ts';
import { shedReasons } from './shed-reason.ts';
import {
  inTransaction,
  openStoreFile,
  openStoreFileToRead,
  pragmaValue,
  type StoreDatabase,
  storeApplicationId,
} from './store-file.ts';

/** What one process stores of a cell: all that was counted in one hour. Written again and again under one `part`, which
 * no other row of this process has, so that a write that was repeated counts once. */
export interface CellRow extends CellKey {
  readonly part: number;
  /** Hours since 1970. */
  readonly hour: number;
  readonly counts: Counts;
  readonly legacy: LatencyHistogram;
  readonly pooled: LatencyHistogram;
  readonly paired: PairedDifference;
}

/** What one process stores of a fingerprint. */
export interface GroupRow {
  readonly fingerprint: string;
  readonly backend: string;
  readonly operation: string;
  readonly verdict: Verdict;
  readonly class: string | undefined;
  readonly count: number;
  readonly firstAt: number;
  readonly lastAt: number;
}

/** A sample as it is stored: values are JSON text already. */
export interface SampleRow {
  readonly fingerprint: string;
  readonly sequence: number;
  readonly at: number;
  readonly dataset: string;
  readonly stage: Stage;
  readonly summary: string;
  readonly legacy: string | undefined;
  readonly pooled: string | undefined;
  readonly reason: string | undefined;
}

/** An event as it is stored: fields are JSON text already. */
export interface EventRow {
  readonly sequence: number;
  readonly at: number;
  readonly kind: string;
  readonly fields: string;
}

/** The process that stores. */
export interface WriterRow {
  /** Unique over all processes, unlike the run's name. */
  readonly writer: string;
  readonly run: string;
  readonly host: string;
  readonly pid: number;
  readonly node: string;
  readonly startedAt: number;
  readonly lastAt: number;
  readonly samplesOverLimit: number;
}

/** What a process knows better than the store: its own writer row and groups, and these parts of its cells. */
export interface OwnRows {
  readonly writer: string;
  readonly parts: ReadonlySet<number>;
  /** Of its shapes. */
  readonly shapeParts: ReadonlySet<number>;
}

/** One transaction's worth. */
export interface Batch {
  readonly writer: WriterRow;
  readonly cells: readonly CellRow[];
  readonly groups: readonly GroupRow[];
  readonly samples: readonly SampleRow[];
  readonly events: readonly EventRow[];
  readonly rules: readonly RuleUseCount[];
  readonly shapes: readonly ShapeRow[];
  readonly reliance: readonly RelianceEvidence[];
}

/** Counts, samples and events older than this are removed when the store is opened. */
const retentionMs = 90 * 24 * 3_600_000;
const hourMs = 3_600_000;

/** What each version of the store added: a store of an earlier one is brought forward when it is opened to write. */
const schemas: readonly string[] = [
  `
  create table writer (
    writer text primary key, run text not null, host text not null, pid integer not null, node text not null,
    started_at integer not null, last_at integer not null, samples_over_limit integer not null
  ) without rowid;
  create table cell (
    writer text not null, part integer not null, hour integer not null,
    backend text not null, dataset text not null, operation text not null, stage text not null,
    ${countNames.map((name) => `"${name}" integer not null`).join(', ')},
    shed text not null, legacy_latency text not null, pooled_latency text not null,
    primary key (writer, part)
  ) without rowid;
  create table sample_group (
    writer text not null, fingerprint text not null, backend text not null, operation text not null,
    verdict text not null, class text, count integer not null, first_at integer not null, last_at integer not null,
    primary key (writer, fingerprint)
  ) without rowid;
  create table sample (
    writer text not null, fingerprint text not null, sequence integer not null, at integer not null,
    dataset text not null, stage text not null, summary text not null, legacy text, pooled text, reason text,
    primary key (writer, fingerprint, sequence)
  ) without rowid;
  create table event (
    writer text not null, sequence integer not null, at integer not null, kind text not null, fields text not null,
    primary key (writer, sequence)
  ) without rowid;
`,
  `
  create table rule_use (
    writer text not null, backend text not null, rule text not null, uses integer not null, failures integer not null,
    primary key (writer, backend, rule)
  ) without rowid;
`,
  `
  alter table cell add column last_at integer;
`,
  `
  alter table cell add column paired text;
`,
  shapeSchema,
  relianceSchema,
];
const schemaVersion = schemas.length;

const cellColumns = [
  'writer',
  'part',
  'hour',
  'backend',
  'dataset',
  'operation',
  'stage',
  ...countNames,
  'shed',
  'legacy_latency',
  'pooled_latency',
  'last_at',
  'paired',
];

/**
 * The comparison store: an SQLite file that several processes share, each writing rows of its own. Every function
 * is one short try that throws the driver's error; nothing waits for a lock.
 */
export class RecordingStore {
  readonly #database: StoreDatabase;
  readonly #writeBatch: (batch: Batch, cells: readonly SQLInputValue[][]) => void;

  /**
   * @param path a file, made with mode 0600 where there is none, or `:memory:`.
   * @throws the driver's error where the file can't be opened, is another's, or is locked.
   */
  constructor(path: string, nowMs: number) {
    this.#database = openStoreFile(path);
    try {
      this.#prepareSchema(nowMs);
      this.#writeBatch = this.#makeWriteBatch();
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  /** All of it or nothing. */
  write(batch: Batch): void {
    // Turning histograms into text takes longer than writing them: not while others wait for the lock.
    const cells = batch.cells.map((row) => cellValues(row, batch.writer.lastAt));
    inTransaction(this.#database, 'immediate', () => {
      this.#writeBatch(batch, cells);
    });
  }

  /** Adds all that is stored but what the caller adds itself. */
  read(builder: ReportBuilder, own: OwnRows): void {
    inTransaction(this.#database, 'deferred', () => {
      readInto(this.#database, builder, own);
    });
  }

  /** Adds what is stored of reliance, but for what `ownWriter` stored. */
  readReliance(add: (row: RelianceEvidence) => void, ownWriter: string): void {
    readReliance(this.#database, add, ownWriter);
  }

  /** For the last write before closing, which is on no caller's path. */
  allowWaiting(maxWaitMs: number): void {
    this.#database.exec(`pragma busy_timeout = ${String(maxWaitMs)}`);
  }

  close(): void {
    this.#database.close();
  }

  /** Old rows go at every opening: a store is made once and used for years. */
  #prepareSchema(nowMs: number): void {
    inTransaction(this.#database, 'immediate', () => {
      // Looked at under the lock: another process may be making it at this moment.
      const found = pragmaValue(this.#database, 'user_version');
      if (isVersion(found)) {
        for (const schema of schemas.slice(found)) this.#database.exec(schema);
        this.#database.exec(`pragma user_version = ${String(schemaVersion)}`);
      } else {
        throw new Error(
          `the comparison store has version ${String(found)}, and this program knows ` +
            `${String(schemaVersion)}: give it another file`,
        );
      }
      this.#removeOld(nowMs);
    });
  }

  #removeOld(nowMs: number): void {
    const before = nowMs - retentionMs;
    this.#database.prepare('delete from cell where hour < ?').run(Math.floor(before / hourMs));
    this.#database.prepare('delete from shape where last_at < ?').run(before);
    this.#database.prepare('delete from reliance where last_at < ?').run(before);
    this.#database.prepare('delete from event where at < ?').run(before);
    this.#database.prepare('delete from sample where at < ?').run(before);
    this.#database.prepare('delete from sample_group where last_at < ?').run(before);
    this.#database
      .prepare('delete from rule_use where writer in (select writer from writer where last_at < ?)')
      .run(before);
    this.#database.prepare('delete from writer where last_at < ?').run(before);
  }

  #makeWriteBatch(): (batch: Batch, cells: readonly SQLInputValue[][]) => void {
    const database = this.#database;
    const upsert = (table: string, columns: readonly string[]): StatementSync =>
      database.prepare(
        `insert or replace into ${table} (${columns.map((name) => `"${name}"`).join(', ')}) ` +
          `values (${columns.map(() => '?').join(', ')})`,
      );
    const writer = upsert('writer', [
      'writer',
      'run',
      'host',
      'pid',
      'node',
      'started_at',
      'last_at',
      'samples_over_limit',
    ]);
    const cell = upsert('cell', cellColumns);
    const group = upsert('sample_group', [
      'writer',
      'fingerprint',
      'backend',
      'operation',
      'verdict',
      'class',
      'count',
      'first_at',
      'last_at',
    ]);
    const sample = upsert('sample', [
      'writer',
      'fingerprint',
      'sequence',
      'at',
      'dataset',
      'stage',
      'summary',
      'legacy',
      'pooled',
      'reason',
    ]);
    const event = upsert('event', ['writer', 'sequence', 'at', 'kind', 'fields']);
    const shape = upsert('shape', shapeColumns);
    const reliance = upsert('reliance', relianceColumns);
    const rule = upsert('rule_use', ['writer', 'backend', 'rule', 'uses', 'failures']);
    return (batch, cells) => {
      const {
        writer: id,
        run,
        host,
        pid,
        node,
        startedAt,
        lastAt,
        samplesOverLimit,
      } = batch.writer;
      writer.run(id, run, host, pid, node, startedAt, lastAt, samplesOverLimit);
      for (const values of cells) cell.run(id, ...values);
      for (const row of batch.groups) {
        group.run(
          id,
          row.fingerprint,
          row.backend,
          row.operation,
          row.verdict,
          row.class ?? null,
          row.count,
          row.firstAt,
          row.lastAt,
        );
      }
      for (const row of batch.samples) {
        sample.run(
          id,
          row.fingerprint,
          row.sequence,
          row.at,
          row.dataset,
          row.stage,
          row.summary,
          row.legacy ?? null,
          row.pooled ?? null,
          row.reason ?? null,
        );
      }
      for (const row of batch.events) event.run(id, row.sequence, row.at, row.kind, row.fields);
      for (const row of batch.shapes) shape.run(id, ...shapeValues(row));
      for (const row of batch.reliance) reliance.run(id, ...relianceValues(row));
      for (const row of batch.rules) rule.run(id, row.backend, row.rule, row.uses, row.failures);
    };
  }
}

/** In the order of the columns, after the writer. */
function cellValues(row: CellRow, nowMs: number): SQLInputValue[] {
  return [
    row.part,
    row.hour,
    row.backend,
    row.dataset,
    row.operation,
    row.stage,
    ...countNames.map((name) => row.counts[name]),
    JSON.stringify(row.counts.shed),
    JSON.stringify(row.legacy),
    JSON.stringify(row.pooled),
    nowMs,
    JSON.stringify(row.paired),
  ];
}

/** Reads a store that others may be writing to. */
export function readStore(path: string, builder: ReportBuilder): void {
  const database = openStoreFileToRead(path);
  try {
    const version = pragmaValue(database, 'user_version');
    // The ledger may have come first.
    if (version === 0 && pragmaValue(database, 'application_id') === storeApplicationId) return;
    if (version === 0 || !isVersion(version)) {
      throw new Error(
        `${path} is no comparison store of version ${String(schemaVersion)}: it has ${String(version)}`,
      );
    }
    inTransaction(database, 'deferred', () => {
      readInto(database, builder, undefined, version);
    });
  } finally {
    database.close();
  }
}

type StoredCell = CellKey &
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
type StoredGroup = Omit<GroupRow, 'class' | 'firstAt' | 'lastAt'> & {
  writer: string;
  class: string | null;
  first_at: number;
  last_at: number;
};
interface StoredWriter {
  writer: string;
  run: string;
  host: string;
  pid: number;
  node: string;
  started_at: number;
  last_at: number;
  samples_over_limit: number;
}
interface StoredSampleRow {
  fingerprint: string;
  at: number;
  dataset: string;
  stage: string;
  summary: string;
  legacy: string | null;
  pooled: string | null;
  reason: string | null;
}

/** One that this program can read. */
function isVersion(found: unknown): found is number {
  return typeof found === 'number' && found >= 0 && found <= schemaVersion;
}

function readInto(
  database: StoreDatabase,
  builder: ReportBuilder,
  own: OwnRows | undefined,
  version: number = schemaVersion,
): void {
  const rows = <Row>(sql: string): Iterable<Row> =>
    database.prepare(sql).iterate() as Iterable<Row>;
  const runs = new Map<string, string>();
  const lastSeen = new Map<string, number>();
  for (const row of rows<StoredWriter>('select * from writer')) {
    runs.set(row.writer, row.run);
    lastSeen.set(row.writer, row.last_at);
    if (row.writer === own?.writer) continue;
    const { run, host, pid, node, started_at: startedAt, last_at: lastAt } = row;
    builder.addRun(row.writer, { run, host, pid, node, startedAt, lastAt });
    builder.addSamplesOverLimit(row.samples_over_limit);
  }
  for (const row of rows<StoredCell>('select * from cell')) {
    if (row.writer !== own?.writer || !own.parts.has(row.part)) addStoredCell(builder, row);
  }
  for (const row of rows<StoredGroup>('select * from sample_group')) {
    if (row.writer === own?.writer) continue;
    const {
      fingerprint,
      backend,
      operation,
      verdict,
      count,
      first_at: firstAt,
      last_at: lastAt,
    } = row;
    const kind = row.class ?? undefined;
    builder.addGroup({
      fingerprint,
      backend,
      operation,
      verdict,
      class: kind,
      count,
      firstAt,
      lastAt,
    });
  }
  // Own groups are added by the caller, before the samples that belong to them.
  for (const row of rows<StoredSampleRow>('select * from sample')) {
    builder.addSample(row.fingerprint, {
      at: row.at,
      dataset: row.dataset,
      stage: stageNamed(row.stage) ?? 'legacy',
      summary: row.summary,
      ...(row.legacy === null ? {} : { legacy: JSON.parse(row.legacy) as unknown }),
      ...(row.pooled === null ? {} : { pooled: JSON.parse(row.pooled) as unknown }),
      ...(row.reason === null ? {} : { reason: row.reason }),
    });
  }
  for (const row of rows<{ writer: string; at: number; kind: string; fields: string }>(
    'select * from event',
  )) {
    const fields = JSON.parse(row.fields) as Record<string, unknown>;
    builder.addEvent({
      at: row.at,
      run: runs.get(row.writer) ?? row.writer,
      kind: row.kind,
      fields,
    });
  }
  if (version >= 2) readRules(database, builder, own, lastSeen);
  if (version >= 5)
    readShapes(
      database,
      builder,
      (writer, part) => writer === own?.writer && own.shapeParts.has(part),
    );
  if (version >= 6) {
    const add = (row: RelianceEvidence): void => {
      builder.addReliance(row);
    };
    readReliance(database, add, own?.writer);
  }
}

function readRules(
  database: StoreDatabase,
  builder: ReportBuilder,
  own: OwnRows | undefined,
  lastAt: ReadonlyMap<string, number>,
): void {
  const rows = database.prepare('select * from rule_use').iterate();
  for (const row of rows as Iterable<RuleUseCount & { writer: string }>) {
    const { writer, backend, rule, uses, failures } = row;
    if (writer !== own?.writer)
      builder.addRule({ backend, rule, uses, failures }, lastAt.get(writer) ?? 0);
  }
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
  builder.addCell(
    {
      key: row,
      counts,
      legacy: histogram(row.legacy_latency),
      pooled: histogram(row.pooled_latency),
      paired,
    },
    // Before version 3 only the hour was known.
    row.last_at ?? (row.hour + 1) * hourMs,
  );
}
