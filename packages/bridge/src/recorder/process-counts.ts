import { hostname } from 'node:os';
import { type Clock, randomId } from '@changeover/core';
import type { FoldedRows } from '../fleet/fleet-outbox.ts';
import { otherDatasets } from './cell.ts';
import { CellBook } from './cell-book.ts';
import { EventBook } from './event-book.ts';
import { MinuteCounts } from './minute-counts.ts';
import { RelianceBook } from './reliance-book.ts';
import { RuleUses } from './rule-uses.ts';
import { SampleBook } from './sample-book.ts';
import { otherShapes, ShapeBook } from './shape-book.ts';
import type { Batch, WriterRow } from './store-rows.ts';
import type { OwnCounts } from './summary-steps.ts';

/** A minute's row is short: so many take less than as many of the others. */
const maxMinutesPerFlush = 100;
/** Keys that a shared store is told of by the minute, those with the most calls; the others are told of together. */
const maxSharedMinuteRows = 200;
const hourMs = 3_600_000;

const nothingStored: FoldedRows = Object.freeze({
  cells: new Map(),
  shapes: new Map(),
  groups: new Map(),
  rules: [],
  samplesOverLimit: 0,
});

/** How much a process keeps in memory, and what it is called in the store. */
export interface ProcessCountsOptions {
  readonly run: string;
  readonly clock: Clock;
  /** What is counted is stamped no earlier than this, in ms since 1970. */
  readonly countedFrom: (() => number) | undefined;
  /** Several hosts have the store: each process says its own to it, in few bytes. */
  readonly isShared: boolean;
  readonly maxCells: number;
  /** Default: the book's. */
  readonly maxShapes: number | undefined;
  readonly maxSamplesPerFingerprint: number;
  readonly maxFingerprints: number;
}

/** One transaction's worth of what the store doesn't have. */
export interface UnstoredCounts {
  readonly batch: Batch;
  /** There is nothing in it, and the store knows of the process. */
  readonly isEmpty: boolean;
  /** There is more than it holds. */
  readonly isPart: boolean;
  readonly hour: number;
  readonly entries: ReturnType<CellBook['unstored']>['entries'];
}

/** All that one process has counted and seen, until the store has it: one book for each table. Nothing is forgotten before it is stored. */
export class ProcessCounts {
  readonly cells: CellBook;
  readonly minutes: MinuteCounts;
  readonly samples: SampleBook;
  readonly rules: RuleUses = new RuleUses();
  readonly shapes: ShapeBook;
  readonly reliance: RelianceBook = new RelianceBook();
  readonly events: EventBook = new EventBook();
  readonly #clock: Clock;
  readonly #countedFrom: (() => number) | undefined;
  #writer: Omit<WriterRow, 'lastAt' | 'samplesOverLimit'>;
  /** The store knows of this process. */
  #introduced = false;

  constructor(options: ProcessCountsOptions) {
    const { clock, isShared, maxSamplesPerFingerprint, maxFingerprints } = options;
    this.#clock = clock;
    this.#countedFrom = options.countedFrom;
    this.minutes = new MinuteCounts(clock.wallMs(), isShared ? maxSharedMinuteRows : undefined);
    this.cells = new CellBook(options.maxCells, this.minutes);
    this.shapes = new ShapeBook(options.maxShapes);
    this.samples = new SampleBook({ maxSamplesPerFingerprint, maxFingerprints });
    this.#writer = {
      writer: randomId(),
      run: options.run,
      host: hostname(),
      pid: process.pid,
      node: process.version,
      startedAt: clock.wallMs(),
    };
  }

  /** Unique over all processes. */
  get writer(): string {
    return this.#writer.writer;
  }

  /** The time that what is counted now is stamped with. */
  stampMs(): number {
    return Math.max(this.#clock.wallMs(), this.#countedFrom?.() ?? 0);
  }

  /** The hour that what is counted now belongs to. */
  hour(): number {
    return Math.floor(this.#clock.wallMs() / hourMs);
  }

  /** Ends the minute that is under way, for a process that ends. */
  endMinute(): void {
    this.minutes.takeAll(this.#clock.wallMs(), this.cells.cells());
  }

  /** What the store doesn't have, of each table at most so many rows. */
  unstored(limit: number): UnstoredCounts {
    const hour = this.hour();
    this.cells.readopt(hour);
    const { rows: cells, entries } = this.cells.unstored(limit);
    const { groups, samples } = this.samples.unstored(limit);
    const events = this.events.unstored(limit);
    const rules = this.rules.unstored(limit);
    const shapes = this.shapes.unstored(limit, this.stampMs());
    const reliance = this.reliance.unstored(limit);
    const moreMinutes = this.minutes.advance(this.#clock.wallMs(), () => this.cells.cells());
    const minutes = this.minutes.unstored(maxMinutesPerFlush);
    const parts = [cells, groups, samples, events, rules, shapes, reliance, minutes];
    const writer = this.#writerRow();
    return {
      batch: { writer, cells, groups, samples, events, rules, shapes, reliance, minutes },
      // An idle process writes nothing, but once, to be known to have been there.
      isEmpty: this.#introduced && parts.every((list) => list.length === 0),
      isPart:
        moreMinutes ||
        minutes.length === maxMinutesPerFlush ||
        parts.some((list) => list.length >= limit),
      hour,
      entries,
    };
  }

  markStored({ batch, entries }: UnstoredCounts): void {
    this.#introduced = true;
    this.cells.markStored(entries, this.stampMs());
    this.samples.markStored(batch.groups, batch.samples);
    this.rules.markStored(batch.rules);
    this.shapes.markStored(batch.shapes);
    this.reliance.markStored(batch.reliance);
    this.minutes.markStored(batch.minutes ?? []);
    this.events.markStored(batch.events);
  }

  /** Lets go what is stored and not used any more. */
  tidy(hour: number): void {
    this.cells.tidy(hour);
    this.shapes.tidy(this.stampMs());
  }

  /** Counts anew under another name, for what the store has under this one is not this process's any more: all but that. */
  beginAnew(had: FoldedRows): void {
    this.#writer = { ...this.#writer, writer: randomId(), startedAt: this.#clock.wallMs() };
    this.cells.beginAnew(had.cells);
    this.shapes.beginAnew(had.shapes);
    this.samples.beginAnew(had.groups, had.samplesOverLimit);
    this.rules.beginAnew(had.rules);
    this.#introduced = false;
  }

  /** The same where the store is gone: what is in the next one begins with what this process still holds. */
  beginInNewStore(): void {
    this.beginAnew(nothingStored);
    this.reliance.beginAnew();
  }

  /** What this process has at this moment, and knows better than the store. @param notes what is known to be missing beside it. */
  own(notes: readonly string[]): OwnCounts {
    const now = this.stampMs();
    this.cells.readopt(this.hour());
    return {
      writer: this.#writerRow(),
      cells: this.cells.rows(),
      shapes: this.shapes.rows(now),
      groups: this.samples.groups(),
      rules: this.rules.all(),
      reliance: this.reliance.rows(),
      samples: this.samples.unstored(Infinity).samples,
      events: this.events.rows(),
      notes: [...notes, ...this.#notes()],
    };
  }

  #writerRow(): WriterRow {
    return { ...this.#writer, lastAt: this.stampMs(), samplesOverLimit: this.samples.overLimit };
  }

  /** What there was no room for, in plain words. */
  #notes(): string[] {
    const [events, cells, calls] = [
      this.events.dropped,
      this.cells.folded,
      this.reliance.dropped,
    ].map(String);
    return [
      this.events.dropped > 0 &&
        `${String(events)} events could not be stored and are missing from the timeline.`,
      this.cells.folded > 0 &&
        `Counts of ${String(cells)} cells are under the dataset "${otherDatasets}": there was no room to keep them apart.`,
      this.reliance.dropped > 0 &&
        `${String(calls)} calls that rely on a guarantee were not counted: there was no room.`,
      this.shapes.full &&
        `Some shapes of calls are counted together under "${otherShapes}": there was no room to keep them apart.`,
    ].filter((note) => note !== false);
  }
}
