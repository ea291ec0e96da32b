import type { Clock } from '@changeover/core';
import { LatencyHistogram, PairedDifference } from '@changeover/compare';
import { addCounts, noCounts, type Counts } from '../recorder/counts.ts';
import type { ReportBuilder } from '../recorder/report-builder.ts';
import { type RelianceEvidence, relianceKeyText } from '../recorder/reliance-book.ts';
import { addStoredReliance, relianceValues } from '../recorder/reliance-rows.ts';
import type { RuleUseCount } from '../recorder/rule-uses.ts';
import { lengthOf } from '../recorder/sample-book.ts';
import type { ShapeRow } from '../recorder/shape-book.ts';
import { noShapeTotals, shapeCountNames } from '../recorder/cell.ts';
import type {
  Batch,
  CellRow,
  EventRow,
  GroupRow,
  OwnRows,
  SampleRow,
  WriterRow,
} from '../recorder/store-rows.ts';
import type { MinuteRow } from '../recorder/minute-rows.ts';
import type { RecordingStore } from '../recorder/recording-store.ts';
import { addStored, type StoredTables } from '../recorder/stored-tables.ts';
import { TokenBucket } from '../shadow/budgets.ts';
import { minuteMessage } from './fleet-minutes.ts';
import { countsList, shedOf } from './fleet-rows.ts';

/** What a process may say in a second, in bytes on average, beside its heartbeat; what it did not say is kept for a burst. */
const bytesPerSecond = 2_560;
const burstBytes = 65_536;
/** Of it, what minutes may take: they are said once, and what is newer than a minute is in the counts. */
const minuteBytesPerSecond = 512;
const burstMinuteBytes = 16_384;
/** Minutes that wait; beyond it the oldest are dropped, which no count hangs on. */
const maxWaitingMinutes = 2_000;
/** A cell's latencies are long, and nobody decides by the last ten seconds of them. */
const betweenLatenciesMs = 10_000;
/** Rows that wait while the store is away; beyond them the recorder keeps counts within bounds of its own. */
const maxWaitingRows = 8_000;
const maxWaitingSampleLength = 8 * 1024 * 1024;
/** The store knows the keys of so many rows; beyond it they are said again, which is harmless. */
const maxKnownKeys = 100_000;

interface WaitingCell {
  row: CellRow & { readonly lastAt: number };
  /** What is not in the store yet. */
  counts: boolean;
  latencies: boolean;
  latenciesSaidMs: number;
}

/** What the store had of a process when its rows were folded. */
export interface FoldedRows {
  readonly cells: ReadonlyMap<number, Counts>;
  readonly shapes: ReadonlyMap<number, ShapeRow['totals']>;
  readonly groups: ReadonlyMap<string, number>;
  readonly rules: readonly RuleUseCount[];
  readonly samplesOverLimit: number;
}

/** The part of a message that is this process's rows, and what to do once the store has it. */
export interface OutboxPart {
  readonly fields: Readonly<Record<string, readonly unknown[]>>;
  stored(): void;
}

/**
 * This process's rows on their way to the shared store. A row is cumulative, so a later one takes an earlier one's place and
 * one that is said twice counts once. Bounded in rows and in bytes a second: what doesn't fit goes with a later message, the
 * row that waits longest first.
 */
export class FleetOutbox implements RecordingStore {
  readonly #clock: Clock;
  readonly #budget: TokenBucket;
  readonly #others: () => StoredTables | undefined;
  readonly #cells = new Map<number, WaitingCell>();
  readonly #shapes = new Map<number, ShapeRow>();
  readonly #groups = new Map<string, GroupRow>();
  readonly #rules = new Map<string, RuleUseCount>();
  readonly #reliance = new Map<string, RelianceEvidence>();
  /** Reliance is stored under the first name that this process had: it is few rows, and never folded. */
  #origin: string | undefined = undefined;
  readonly #minuteBudget: TokenBucket;
  /** The same minute may be said again with more in it. */
  readonly #minutes = new Map<string, MinuteRow>();
  #samples: SampleRow[] = [];
  #sampleLength = 0;
  #events: EventRow[] = [];
  readonly #knownCells = new Set<number>();
  readonly #knownShapes = new Set<number>();
  #writer: WriterRow | undefined = undefined;

  /** @param others what the store had when it was last read. */
  constructor(clock: Clock, others: () => StoredTables | undefined) {
    this.#clock = clock;
    this.#others = others;
    this.#budget = new TokenBucket(clock, { capacity: burstBytes, perSecond: bytesPerSecond });
    this.#minuteBudget = new TokenBucket(clock, {
      capacity: burstMinuteBytes,
      perSecond: minuteBytesPerSecond,
    });
  }

  /** Who writes; undefined before the first row. */
  get writer(): WriterRow | undefined {
    return this.#writer;
  }

  /** True where the store has all that was written. */
  get empty(): boolean {
    const { size: cells } = this.#cells;
    const others = this.#shapes.size + this.#groups.size + this.#rules.size + this.#reliance.size;
    const lists = this.#samples.length + this.#events.length + this.#minutes.size;
    return cells + others + lists === 0;
  }

  /** The first hour of which a row waits; none is Infinity. */
  get firstHour(): number {
    let first = Infinity;
    for (const { row } of this.#cells.values()) first = Math.min(first, row.hour);
    return first;
  }

  /** @throws {Error} with the code `STORE_AWAY` where too much waits already. */
  write(batch: Batch): void {
    const rows = this.#cells.size + this.#shapes.size + this.#events.length;
    if (rows > maxWaitingRows || this.#sampleLength > maxWaitingSampleLength) {
      const error = new Error('the shared store is away, and what waits for it fills its room');
      throw Object.assign(error, { code: 'STORE_AWAY' });
    }
    this.#writer = batch.writer;
    this.#origin ??= batch.writer.writer;
    for (const row of batch.reliance) this.#reliance.set(relianceKeyText(row), row);
    for (const row of batch.cells) this.#waitCell({ ...row, lastAt: batch.writer.lastAt });
    for (const row of batch.shapes) this.#shapes.set(row.part, row);
    for (const row of batch.groups) this.#groups.set(row.fingerprint, { ...row });
    for (const row of batch.rules) this.#rules.set(`${row.backend}\0${row.rule}`, row);
    for (const row of batch.samples) {
      this.#samples.push(row);
      this.#sampleLength += lengthOf(row);
    }
    this.#events.push(...batch.events);
    for (const row of batch.minutes ?? []) this.#minutes.set(minuteName(row), row);
    for (const name of this.#minutes.keys()) {
      if (this.#minutes.size <= maxWaitingMinutes) break;
      this.#minutes.delete(name);
    }
  }

  /** What the store had when it was last read, and what waits for it. */
  read(builder: ReportBuilder, own: OwnRows): void {
    const others = this.#others();
    const parts = new Set([...own.parts, ...this.#cells.keys()]);
    const shapeParts = new Set([...own.shapeParts, ...this.#shapes.keys()]);
    if (others !== undefined) {
      const reliance = [...others.reliance].filter(({ writer }) => writer !== this.#origin);
      addStored(builder, { ...others, reliance }, { writer: own.writer, parts, shapeParts });
    }
    for (const { row } of this.#cells.values()) {
      if (own.parts.has(row.part)) continue;
      const { lastAt, counts, legacy, pooled, paired, ...key } = row;
      builder.addCell({ key, counts, legacy, pooled, paired }, lastAt, row.hour);
    }
    for (const row of this.#shapes.values())
      if (!own.shapeParts.has(row.part)) builder.addShape(row);
    for (const { sequence: _sequence, ...sample } of this.#samples) builder.addSample(sample);
    for (const { at, kind, fields } of this.#events)
      builder.addEvent({
        at,
        run: this.#writer?.run ?? '',
        kind,
        fields: JSON.parse(fields) as Record<string, unknown>,
      });
  }

  /** What others saw, when the store was last read. */
  readReliance(add: (row: RelianceEvidence) => void): void {
    addStoredReliance(this.#others()?.reliance ?? [], add, this.#origin);
  }

  allowWaiting(): void {
    // Nothing here waits.
  }

  close(): void {
    // What waits is sent by the link, which is closed by its maker.
  }

  /** The next part to say. @param all true for the last message: without regard to bytes. */
  take(all = false): OutboxPart {
    const taken = new Taken(all ? Infinity : Math.max(0, this.#budget.level));
    const minutes = this.#takeMinutes(taken, all);
    const cells = this.#takeCells(taken);
    const shapes = taken.some('s', this.#shapes.values(), (row) => this.#shapeMessage(row));
    const groups = taken.some('g', this.#groups.values(), groupMessage);
    const rules = taken.some('r', this.#rules.values(), ruleMessage);
    const reliance = taken.some('y', this.#reliance.values(), (row) => [
      this.#origin,
      ...relianceValues(row),
    ]);
    const events = taken.some('e', this.#events, eventMessage);
    const samples = taken.some('m', this.#samples, sampleMessage);
    const latencies = this.#takeLatencies(taken, all);
    this.#budget.spend(taken.bytes);
    return {
      fields: taken.fields,
      stored: () => {
        this.#storedCells(cells, latencies);
        for (const row of shapes) {
          this.#know(this.#knownShapes, row.part);
          forget(this.#shapes, row.part, row);
        }
        for (const row of groups) forget(this.#groups, row.fingerprint, row);
        for (const row of rules) forget(this.#rules, `${row.backend}\0${row.rule}`, row);
        for (const row of reliance) forget(this.#reliance, relianceKeyText(row), row);
        this.#events = this.#events.slice(events.length);
        for (const row of minutes) forget(this.#minutes, minuteName(row), row);
        this.#samples = this.#samples.slice(samples.length);
        for (const row of samples) this.#sampleLength -= lengthOf(row);
      },
    };
  }

  /** Other things were said, of so many bytes: rows wait for it. */
  spend(bytes: number): void {
    this.#budget.spend(bytes);
  }

  /** What was folded is no longer this process's: what waits is what came after it. */
  beginAnew(folded: FoldedRows): void {
    this.#knownCells.clear();
    this.#knownShapes.clear();
    for (const [part, waiting] of this.#cells) {
      const had = folded.cells.get(part);
      waiting.counts = true;
      if (had === undefined) continue;
      const counts = noCounts();
      addCounts(counts, waiting.row.counts);
      addCounts(counts, had, -1);
      // Latencies can't be told apart any more.
      const [legacy, pooled] = [new LatencyHistogram(), new LatencyHistogram()];
      waiting.row = { ...waiting.row, counts, legacy, pooled, paired: new PairedDifference() };
    }
    for (const [part, row] of this.#shapes) {
      const had = folded.shapes.get(part);
      if (had === undefined) continue;
      const totals = noShapeTotals();
      for (const name of shapeCountNames) totals[name] = row.totals[name] - had[name];
      this.#shapes.set(part, { ...row, totals });
    }
    // The recorder says these again.
    this.#groups.clear();
    this.#rules.clear();
  }

  #waitCell(row: WaitingCell['row']): void {
    const found = this.#cells.get(row.part);
    if (found === undefined) {
      const latenciesSaidMs = this.#saidMs.get(row.part) ?? -Infinity;
      this.#cells.set(row.part, { row, counts: true, latencies: true, latenciesSaidMs });
      return;
    }
    found.row = row;
    found.counts = true;
    found.latencies = true;
  }

  /** Before all else, since they have bytes of their own. */
  #takeMinutes(taken: Taken, all: boolean): readonly MinuteRow[] {
    if (!all && this.#minuteBudget.level <= 0) return [];
    const bytes = taken.bytes;
    const most = all ? Infinity : bytes + this.#minuteBudget.level;
    const minutes = taken.some('u', this.#minutes.values(), minuteMessage, most);
    this.#minuteBudget.spend(taken.bytes - bytes);
    return minutes;
  }

  /** When a cell's latencies were last said, of those that nothing waits of. */
  readonly #saidMs = new Map<number, number>();

  #takeCells(taken: Taken): { readonly waiting: WaitingCell; readonly row: CellRow }[] {
    const due = [...this.#cells.values()].filter(({ counts }) => counts);
    return taken
      .some('c', due, ({ row }) => {
        const { part, counts, lastAt, hour, backend, dataset, operation, stage } = row;
        const said = [part, countsList(counts), shedOf(counts), lastAt];
        return this.#knownCells.has(part)
          ? said
          : [...said, [hour, backend, dataset, operation, stage]];
      })
      .map((waiting) => ({ waiting, row: waiting.row }));
  }

  #takeLatencies(
    taken: Taken,
    all: boolean,
  ): { readonly waiting: WaitingCell; readonly row: CellRow; readonly saidMs: number }[] {
    const nowMs = this.#clock.monotonicMs();
    const due = [...this.#cells.values()].filter(
      ({ latencies, latenciesSaidMs, row }) =>
        latencies &&
        // A row that the store doesn't know yet is in this message, or it waits.
        (all || (this.#knownCells.has(row.part) && nowMs - latenciesSaidMs >= betweenLatenciesMs)),
    );
    return taken
      .some('h', due, ({ row: { part, legacy, pooled, paired } }) => [part, legacy, pooled, paired])
      .map((waiting) => ({ waiting, row: waiting.row, saidMs: nowMs }));
  }

  #storedCells(
    cells: readonly { readonly waiting: WaitingCell; readonly row: CellRow }[],
    latencies: readonly { waiting: WaitingCell; row: CellRow; saidMs: number }[],
  ): void {
    for (const { waiting, row } of cells) {
      this.#know(this.#knownCells, row.part);
      if (waiting.row === row) waiting.counts = false;
    }
    for (const { waiting, row, saidMs } of latencies) {
      waiting.latenciesSaidMs = saidMs;
      if (waiting.row === row) waiting.latencies = false;
    }
    const touched = new Set([...cells, ...latencies].map(({ row }) => row.part));
    for (const part of touched) {
      const waiting = this.#cells.get(part);
      if (waiting === undefined) continue;
      // Whoever was said goes to the end, so that each has a turn.
      this.#cells.delete(part);
      if (waiting.counts || waiting.latencies) this.#cells.set(part, waiting);
      else this.#remember(part, waiting.latenciesSaidMs);
    }
  }

  #remember(part: number, saidMs: number): void {
    if (this.#saidMs.size >= maxKnownKeys) this.#saidMs.clear();
    this.#saidMs.set(part, saidMs);
  }

  #know(known: Set<number>, part: number): void {
    if (known.size >= maxKnownKeys) known.clear();
    known.add(part);
  }

  #shapeMessage(row: ShapeRow): unknown[] {
    const { part, totals, lastAt, firstAt, backend, dataset, operation, shape, stage } = row;
    const said = [
      part,
      shapeCountNames.map((name) => totals[name]),
      lastAt,
      row.notComparable ?? null,
    ];
    return this.#knownShapes.has(part)
      ? said
      : [...said, [firstAt, backend, dataset, operation, shape, stage]];
  }
}

/** Takes rows until the bytes are used up; the first one in any case, where there are any left. */
class Taken {
  readonly fields: Record<string, unknown[]> = {};
  bytes = 0;
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  /** @param most bytes in all, where that is less than what there is. */
  some<Row>(
    field: string,
    rows: Iterable<Row>,
    message: (row: Row) => unknown[],
    most = Infinity,
  ): Row[] {
    const taken: Row[] = [];
    for (const row of rows) {
      if (this.bytes >= Math.min(this.#most, most)) break;
      const said = message(row);
      this.bytes += JSON.stringify(said).length + 1;
      (this.fields[field] ??= []).push(said);
      taken.push(row);
    }
    return taken;
  }
}

function minuteName({ minute, backend, dataset }: MinuteRow): string {
  return `${String(minute)}\0${backend}\0${dataset}`;
}

function forget<Key, Row>(waiting: Map<Key, Row>, key: Key, row: Row): void {
  if (waiting.get(key) === row) waiting.delete(key);
}

function groupMessage(row: GroupRow): unknown[] {
  const { fingerprint, backend, operation, verdict, count, firstAt, lastAt, key, shape } = row;
  const counted = [fingerprint, backend, operation, verdict, row.class ?? null, count];
  return [...counted, firstAt, lastAt, key ?? null, shape ?? null];
}

function ruleMessage({ backend, rule, uses, failures }: RuleUseCount): unknown[] {
  return [backend, rule, uses, failures];
}

function eventMessage({ sequence, at, kind, fields }: EventRow): unknown[] {
  return [sequence, at, kind, fields];
}

function sampleMessage(row: SampleRow): unknown[] {
  const { fingerprint, sequence, at, dataset, stage, summary, legacy, pooled, reason } = row;
  const values = [legacy ?? null, pooled ?? null, reason ?? null, row.call ?? null];
  return [fingerprint, sequence, at, dataset, stage, summary, ...values];
}
