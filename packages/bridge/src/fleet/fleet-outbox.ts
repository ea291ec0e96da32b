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
import {
  eventMessage,
  groupMessage,
  longestAgoMs,
  ruleMessage,
  sampleMessage,
  shortened,
  Taken,
  type Wrong,
  wrongIn,
} from './outbox-rows.ts';

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
  /** How much was wrong with a row when it was said: of those with which something was. */
  readonly #wrong = new Map<number, number>();
  #turn = 0;
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

  /** The next part to say: failures and mismatches that are new first, and then each kind of row in front of the others in its turn, so that none
   * waits for ever behind one of which there is always more than fits. @param all true for the last message: without regard to bytes. */
  take(all = false): OutboxPart {
    const taken = new Taken(all ? Infinity : Math.max(0, this.#budget.level));
    const minutes = this.#takeMinutes(taken, all);
    const most = taken.bytes + (this.#budget.level - taken.bytes) / 2;
    const [cells, shapes] = [this.#dueCells(), [...this.#shapes.values()]];
    const wrongCells = cells.filter(({ row }) => this.#isWorse(row.part, row.counts));
    const wrongShapes = shapes.filter((row) => this.#isWorse(-row.part, row.totals));
    const said = [
      this.#takeCells(taken, wrongCells, most),
      this.#takeShapes(taken, wrongShapes, most),
    ];
    const kinds = [
      () => this.#takeGroups(taken),
      () => this.#takeCells(taken, cells),
      () => this.#takeEvents(taken),
      () => this.#takeShapes(taken, shapes),
      () => this.#takeSamples(taken),
      () => this.#takeLatencies(taken, all),
      () => this.#takeRules(taken),
      () => this.#takeReliance(taken),
    ];
    this.#turn = (this.#turn + 1) % kinds.length;
    for (const take of [...kinds.slice(this.#turn), ...kinds.slice(0, this.#turn)])
      said.push(take());
    this.#budget.spend(taken.bytes);
    return {
      fields: taken.fields,
      stored: () => {
        for (const row of minutes) forget(this.#minutes, minuteName(row), row);
        for (const stored of said) stored();
      },
    };
  }

  /** What may be said and is not needed: a quarter of a burst is kept for what comes. */
  get spareBytes(): number {
    return Math.max(0, this.#budget.level - burstBytes / 4);
  }

  /** Other things were said, of so many bytes: rows wait for it. */
  spend(bytes: number): void {
    this.#budget.spend(bytes);
  }

  /** What was folded is no longer this process's: what waits is what came after it. */
  beginAnew(folded: FoldedRows): void {
    this.#knownCells.clear();
    this.#knownShapes.clear();
    this.#wrong.clear();
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

  #dueCells(): readonly WaitingCell[] {
    return [...this.#cells.values()].filter(({ counts }) => counts);
  }

  #takeCells(taken: Taken, due: readonly WaitingCell[], most?: number): () => void {
    const cells = taken
      .some('c', due, ({ row }) => this.#cellMessage(row), most)
      .map((waiting) => ({ waiting, row: waiting.row }));
    return () => {
      for (const { waiting, row } of cells) {
        this.#know(this.#knownCells, row.part);
        this.#saidWrong(row.part, row.counts);
        if (waiting.row === row) waiting.counts = false;
        this.#goesToEnd(row.part);
      }
    };
  }

  #takeShapes(taken: Taken, due: readonly ShapeRow[], most?: number): () => void {
    const shapes = taken.some('s', due, (row) => this.#shapeMessage(row), most);
    return () => {
      for (const row of shapes) {
        this.#know(this.#knownShapes, row.part);
        this.#saidWrong(-row.part, row.totals);
        forget(this.#shapes, row.part, row);
      }
    };
  }

  #takeGroups(taken: Taken): () => void {
    const groups = taken.some('g', this.#groups.values(), groupMessage);
    return () => {
      for (const row of groups) forget(this.#groups, row.fingerprint, row);
    };
  }

  #takeRules(taken: Taken): () => void {
    const rules = taken.some('r', this.#rules.values(), ruleMessage);
    return () => {
      for (const row of rules) forget(this.#rules, `${row.backend}\0${row.rule}`, row);
    };
  }

  #takeReliance(taken: Taken): () => void {
    const reliance = taken.some('y', this.#reliance.values(), (row) => [
      this.#origin,
      ...relianceValues(row),
    ]);
    return () => {
      for (const row of reliance) forget(this.#reliance, relianceKeyText(row), row);
    };
  }

  #takeEvents(taken: Taken): () => void {
    const events = taken.some('e', this.#events, eventMessage);
    return () => {
      this.#events = this.#events.slice(events.length);
    };
  }

  #takeSamples(taken: Taken): () => void {
    const samples = taken.some('m', this.#samples, sampleMessage);
    return () => {
      this.#samples = this.#samples.slice(samples.length);
      for (const row of samples) this.#sampleLength -= lengthOf(row);
    };
  }

  #takeLatencies(taken: Taken, all: boolean): () => void {
    const nowMs = this.#clock.monotonicMs();
    const due = [...this.#cells.values()].filter(
      ({ latencies, latenciesSaidMs, row }) =>
        latencies &&
        // A row that the store doesn't know yet is in this message, or it waits.
        (all || (this.#knownCells.has(row.part) && nowMs - latenciesSaidMs >= betweenLatenciesMs)),
    );
    const said = taken
      .some('h', due, ({ row: { part, legacy, pooled, paired } }) => [part, legacy, pooled, paired])
      .map((waiting) => ({ waiting, row: waiting.row }));
    return () => {
      for (const { waiting, row } of said) {
        waiting.latenciesSaidMs = nowMs;
        if (waiting.row === row) waiting.latencies = false;
        this.#goesToEnd(row.part);
      }
    };
  }

  /** So that each has a turn; one of which all is said waits no more. */
  #goesToEnd(part: number): void {
    const waiting = this.#cells.get(part);
    if (waiting === undefined) return;
    this.#cells.delete(part);
    if (waiting.counts || waiting.latencies) this.#cells.set(part, waiting);
    else this.#remember(part, waiting.latenciesSaidMs);
  }

  /** Whether there is more wrong with a row than the store was told. @param name a cell's part, or less than zero a shape's. */
  #isWorse(name: number, counts: Wrong): boolean {
    return wrongIn(counts) > (this.#wrong.get(name) ?? 0);
  }

  #saidWrong(name: number, counts: Wrong): void {
    const wrong = wrongIn(counts);
    if (wrong === 0) return;
    if (this.#wrong.size >= maxKnownKeys) this.#wrong.clear();
    this.#wrong.set(name, wrong);
  }

  #remember(part: number, saidMs: number): void {
    if (this.#saidMs.size >= maxKnownKeys) this.#saidMs.clear();
    this.#saidMs.set(part, saidMs);
  }

  #know(known: Set<number>, part: number): void {
    if (known.size >= maxKnownKeys) known.clear();
    known.add(part);
  }

  #cellMessage({ part, counts, lastAt, hour, ...key }: WaitingCell['row']): unknown[] {
    const { backend, dataset, operation, stage } = key;
    const said = [part, shortened(countsList(counts)), shedOf(counts), this.#ago(lastAt)];
    return this.#knownCells.has(part)
      ? said
      : [...said, [hour, backend, dataset, operation, stage]];
  }

  #shapeMessage(row: ShapeRow): unknown[] {
    const { part, totals, lastAt, firstAt, backend, dataset, operation, shape, stage } = row;
    const counts = shortened(shapeCountNames.map((name) => totals[name]));
    const said = [part, counts, this.#ago(lastAt)];
    const why = row.notComparable ?? null;
    if (!this.#knownShapes.has(part))
      return [...said, why, [firstAt, backend, dataset, operation, shape, stage]];
    return why === null ? said : [...said, why];
  }

  /** How long before the message it was counted, which is shorter than when. */
  #ago(at: number): number {
    const ago = (this.#writer?.lastAt ?? at) - at;
    return ago >= 0 && ago < longestAgoMs ? ago : at;
  }
}

function minuteName({ minute, backend, dataset }: MinuteRow): string {
  return `${String(minute)}\0${backend}\0${dataset}`;
}

function forget<Key, Row>(waiting: Map<Key, Row>, key: Key, row: Row): void {
  if (waiting.get(key) === row) waiting.delete(key);
}
