import { hostname } from 'node:os';
import { randomId, systemClock, type Clock, type Stage, type Timer } from '@changeover/core';
import { Fleet } from '../fleet/fleet.ts';
import type { FoldedRows } from '../fleet/fleet-outbox.ts';
import type { Logger } from '../log.ts';
import { type Cell, otherDatasets, type ShapeCounts, type ShapeKey } from './cell.ts';
import { CellBook, type Counted } from './cell-book.ts';
import type { ComparisonSample, Recorder } from './recorder.ts';
import { SqliteRecordingStore } from './sqlite-recording-store.ts';
import type { EventRow, WriterRow } from './store-rows.ts';
import type { RecordingStore } from './recording-store.ts';
import {
  mergeReliance,
  RelianceBook,
  type RelianceEvidence,
  type RelianceSeen,
} from './reliance-book.ts';
import { defaultMaxSamples } from './read-recordings.ts';
import { ReportBuilder } from './report-builder.ts';
import type { ReportData, ResumedAt } from './report-data.ts';
import { RepeatAnswers, type RepeatSource } from './repeat-answers.ts';
import { type RuleUseSource, RuleUses } from './rule-uses.ts';
import { MinuteCounts } from './minute-counts.ts';
import type { MinutesOf } from './minute-rows.ts';
import { leftOut, SampleBook } from './sample-book.ts';
import { StoreGoneError } from './store-identity.ts';
import { inOneGo, type Steps } from '../steps.ts';
import { addAllInSteps, type OwnCounts } from './summary-steps.ts';
import { StoreTrouble } from './store-trouble.ts';
import { maxShapeLength, otherShapes, ShapeBook } from './shape-book.ts';
import { isSharedStore } from './shared-store.ts';

/** What a recorder is made of. */
export interface RecorderOptions {
  /** The comparison store, an SQLite file that several processes may share; `:memory:` keeps nothing. A `postgres://` URL is a
   * store that several hosts share: it gets what was counted once a second, the last within two seconds of closing. */
  readonly path: string;
  /** This process's part in a shared store; whoever made it closes it. Default: one of the recorder's own, where `path` is a URL. */
  readonly fleet?: Fleet | undefined;
  /** The run's name, for the report. Processes of one run may share it. */
  readonly run: string;
  readonly logger: Logger;
  readonly clock?: Clock | undefined;
  /** Default: 20. */
  readonly maxSamplesPerFingerprint?: number | undefined;
  /** Comparisons with further fingerprints are counted, not kept. Default: 1,000. */
  readonly maxFingerprints?: number | undefined;
  /** Default: 1,000. */
  readonly flushIntervalMs?: number | undefined;
  /** Cells held in memory in the long run, about 16 KiB each; others are let go once stored. Default: 2,000. */
  readonly maxCells?: number | undefined;
  /** Shapes of calls held in memory, about half a KiB each; others are let go once stored. Default: 20,000. */
  readonly maxShapes?: number | undefined;
  /** What is counted is stamped no earlier than this, in ms since 1970, whatever the clock says. Default: as the clock says. */
  readonly countedFrom?: (() => number) | undefined;
  /** Random numbers in [0, 1), to spread the tries of several processes. Default: `Math.random`. */
  readonly random?: (() => number) | undefined;
}

/** One transaction stores at most this many cells (and samples, and events), so that a caller waits a few ms at
 * most. */
const maxRowsPerFlush = 32;
/** A minute's row is short: so many take less than those above. */
const maxMinutesPerFlush = 100;
/** Keys that a shared store is told of by the minute, those with the most calls; the others are told of together. */
const maxSharedMinuteRows = 200;
/** The shared store's outbox is this process's memory: nobody waits for a lock. */
const maxRowsForOutbox = 1_000;
/** The next part of what one flush didn't take. */
const nextPartMs = 20;
/** After a failure that won't pass by itself, tries get rarer up to this. */
const maxRetryMs = 60_000;
/** Events that wait for the store; beyond it the oldest are dropped, and the report says so. */
const maxWaitingEvents = 5_000;
const maxEventLength = 8_192;
/** The last write before closing may wait this long for another process's lock. */
const closingWaitMs = 250;
const hourMs = 3_600_000;

const nothingStored: FoldedRows = Object.freeze({
  cells: new Map(),
  shapes: new Map(),
  groups: new Map(),
  rules: [],
  samplesOverLimit: 0,
});

/**
 * Opens the recorder. Never throws: where the store can't be used, counts are kept in memory, the log says so once, and
 * storing is tried again.
 */
export function openRecorder(options: RecorderOptions): Recorder {
  return new StoringRecorder(options);
}

function openFleet({ path, logger, clock, random }: RecorderOptions): Fleet | undefined {
  return isSharedStore(path) ? new Fleet({ url: path, logger, clock, random }) : undefined;
}

class StoringRecorder implements Recorder {
  readonly #options: RecorderOptions;
  readonly #clock: Clock;
  readonly #flushIntervalMs: number;
  readonly #maxSamplesPerFingerprint: number;
  readonly #cells: CellBook;
  readonly #minutes: MinuteCounts;
  readonly #samples: SampleBook;
  readonly #rules = new RuleUses();
  readonly #shapes: ShapeBook;
  readonly #reliance = new RelianceBook();
  readonly #repeats = new RepeatAnswers();
  readonly #fleet: Fleet | undefined;
  /** For the log: a URL may have a password in it. */
  readonly #place: string;
  readonly #trouble: StoreTrouble;
  #writer: Omit<WriterRow, 'lastAt' | 'samplesOverLimit'>;
  #store: RecordingStore | undefined = undefined;
  #events: EventRow[] = [];
  #lastEvent = 0;
  #eventsDropped = 0;
  #timer: Timer | undefined = undefined;
  #introduced = false;
  #closed = false;
  /** For another process's lock. Not at all but at the end: the counting thread is the callers'. */
  #maxWaitMs = 0;

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#flushIntervalMs = options.flushIntervalMs ?? 1_000;
    this.#maxSamplesPerFingerprint = options.maxSamplesPerFingerprint ?? defaultMaxSamples;
    // Each process says its own to a shared store, in few bytes.
    this.#minutes = new MinuteCounts(
      this.#clock.wallMs(),
      isSharedStore(options.path) ? maxSharedMinuteRows : undefined,
    );
    this.#cells = new CellBook(options.maxCells ?? 2_000, this.#minutes);
    this.#shapes = new ShapeBook(options.maxShapes);
    this.#samples = new SampleBook({
      maxSamplesPerFingerprint: this.#maxSamplesPerFingerprint,
      maxFingerprints: options.maxFingerprints ?? 1_000,
    });
    this.#writer = {
      writer: randomId(),
      run: options.run,
      host: hostname(),
      pid: process.pid,
      node: process.version,
      startedAt: this.#clock.wallMs(),
    };
    this.#place = isSharedStore(options.path) ? 'shared by several hosts' : options.path;
    this.#trouble = new StoreTrouble(this.#place, options.logger, this.#clock);
    this.#fleet = options.fleet ?? openFleet(options);
    this.#fleet?.attach({
      repeats: this.#repeats,
      collect: () => {
        this.#storeAll();
      },
      beginAnew: (folded) => {
        this.#beginAnew(folded);
      },
    });
    this.flush();
  }

  cell(backend: string, dataset: string, operation: string, stage: Stage): Cell {
    return this.#cells.get(backend, dataset, operation, stage, this.#hour());
  }

  shape(key: ShapeKey): ShapeCounts {
    const usable = key.shape.length <= maxShapeLength;
    return this.#shapes.get(usable ? key : { ...key, shape: otherShapes }, this.#stampMs());
  }

  sample(sample: ComparisonSample): void {
    if (!this.#closed) this.#samples.add(sample);
  }

  relied(seen: RelianceSeen): void {
    if (!this.#closed) this.#reliance.add(seen, this.#stampMs());
  }

  reliance(): readonly RelianceEvidence[] {
    const stored: RelianceEvidence[] = [];
    try {
      this.#store?.readReliance((row) => stored.push(row), this.#writer.writer);
    } catch {
      // Then it is what this process saw; the report says that the store can't be read.
    }
    return mergeReliance([...stored, ...this.#reliance.rows()]);
  }

  event(kind: string, fields: Readonly<Record<string, unknown>>): void {
    if (this.#closed) return;
    const { backend, dataset } = fields;
    if (kind === 'stage' && typeof backend === 'string' && typeof dataset === 'string') {
      this.#cells.part(backend, dataset);
      this.#shapes.part(backend, dataset, this.#stampMs());
    }
    this.#lastEvent += 1;
    this.#events.push({
      sequence: this.#lastEvent,
      at: this.#clock.wallMs(),
      kind,
      fields: eventText(fields),
    });
    if (this.#events.length > maxWaitingEvents) {
      this.#events.shift();
      this.#eventsDropped += 1;
    }
  }

  counted(): readonly Counted[] {
    return this.#cells.counted();
  }

  watchRules(source: RuleUseSource): void {
    this.#rules.watch(source);
  }

  answerRepeats(backend: string, source: RepeatSource): void {
    this.#repeats.add(backend, source);
  }

  refresh(minutesOf?: readonly MinutesOf[]): Promise<'fetched' | 'stale'> | 'current' {
    const read = this.#fleet?.refresh(minutesOf);
    return read?.then((all) => (all ? 'fetched' : 'stale')) ?? 'current';
  }

  summary(resumedAt?: ResumedAt): ReportData {
    this.#storeAll();
    return inOneGo(this.summaryInSteps(resumedAt));
  }

  *summaryInSteps(resumedAt?: ResumedAt): Steps<ReportData> {
    // For who asks again: what others counted can't be read at once.
    void this.#fleet?.refresh();
    const nowMs = this.#clock.wallMs();
    const builder = new ReportBuilder(this.#maxSamplesPerFingerprint, { resumedAt, nowMs });
    yield* addAllInSteps(builder, this.#own(), this.#store);
    return yield* builder.buildInSteps(this.#clock.wallMs());
  }

  #own(): OwnCounts {
    const now = this.#stampMs();
    this.#cells.readopt(this.#hour());
    return {
      writer: this.#writerRow(),
      cells: this.#cells.rows(),
      shapes: this.#shapes.rows(now),
      groups: this.#samples.groups(),
      rules: this.#rules.all(),
      reliance: this.#reliance.rows(),
      samples: this.#samples.unstored(Infinity).samples,
      events: this.#events,
      notes: this.#notes(),
    };
  }

  flush(): void {
    this.#timer?.cancel();
    if (this.#closed) return;
    const outcome = this.#storePart();
    this.#lookForRepeats();
    this.#timer = this.#clock.after(this.#nextFlushMs(outcome), () => {
      this.flush();
    });
  }

  #lookForRepeats(): void {
    const repeats = this.#store?.repeats;
    if (repeats === undefined) return;
    try {
      this.#repeats.look(repeats, this.#writer.writer, this.#clock.wallMs());
    } catch {
      // What is wrong with the store is told by who stores counts; who asked waits, and asks again.
    }
  }

  flushAll(): void {
    if (this.#closed) return;
    this.#allowWaiting(closingWaitMs);
    this.#minutes.takeAll(this.#clock.wallMs(), this.#cells.cells());
    this.#storeAll();
    this.#allowWaiting(0);
  }

  close(): void {
    if (this.#closed) return;
    this.#timer?.cancel();
    this.#allowWaiting(closingWaitMs);
    this.#minutes.takeAll(this.#clock.wallMs(), this.#cells.cells());
    const outcome = this.#storeAll();
    if (outcome !== 'stored') {
      this.#options.logger.error(
        { store: this.#place },
        'the last counts and samples could not be stored and are lost with this process',
      );
    }
    this.#closed = true;
    try {
      this.#store?.close();
    } catch (error) {
      this.#options.logger.warn(
        { store: this.#place, err: error },
        'the comparison store could not be closed',
      );
    }
    this.#store = undefined;
    // Never rejects, and says itself what is lost.
    if (this.#options.fleet === undefined) void this.#fleet?.close();
  }

  #allowWaiting(maxWaitMs: number): void {
    this.#maxWaitMs = maxWaitMs;
    try {
      this.#store?.allowWaiting(maxWaitMs);
    } catch {
      // Then each write is one short try.
    }
  }

  #beginAnew(folded: FoldedRows): void {
    this.#takeForUnstored(folded);
    this.#storeAll();
  }

  #takeForUnstored(folded: FoldedRows): void {
    this.#writer = { ...this.#writer, writer: randomId(), startedAt: this.#clock.wallMs() };
    this.#cells.beginAnew(folded.cells);
    this.#shapes.beginAnew(folded.shapes);
    this.#samples.beginAnew(folded.groups, folded.samplesOverLimit);
    this.#rules.beginAnew(folded.rules);
    this.#introduced = false;
  }

  #stampMs(): number {
    return Math.max(this.#clock.wallMs(), this.#options.countedFrom?.() ?? 0);
  }

  #hour(): number {
    return Math.floor(this.#clock.wallMs() / hourMs);
  }

  #nextFlushMs(outcome: 'stored' | 'more' | 'busy' | 'failed'): number {
    if (outcome === 'more') return nextPartMs;
    // Not at the same moment again as the process that holds the lock, where both flush once a second.
    if (outcome === 'busy')
      return this.#flushIntervalMs * (0.1 + 0.4 * (this.#options.random ?? Math.random)());
    if (outcome === 'failed')
      return Math.min(
        maxRetryMs,
        this.#flushIntervalMs * 2 ** Math.min(this.#trouble.failures, 16),
      );
    return this.#flushIntervalMs;
  }

  #storeAll(): 'stored' | 'busy' | 'failed' {
    for (;;) {
      const outcome = this.#storePart();
      if (outcome !== 'more') return outcome;
    }
  }

  /** One transaction. Nothing is forgotten before it is committed. */
  #storePart(): 'stored' | 'more' | 'busy' | 'failed' {
    if (this.#closed) return 'failed';
    const hour = this.#hour();
    const limit = this.#fleet === undefined ? maxRowsPerFlush : maxRowsForOutbox;
    this.#cells.readopt(hour);
    const { rows, entries } = this.#cells.unstored(limit);
    const { groups, samples } = this.#samples.unstored(limit);
    const events = this.#events.slice(0, limit);
    const rules = this.#rules.unstored(limit);
    const shapes = this.#shapes.unstored(limit, this.#stampMs());
    const reliance = this.#reliance.unstored(limit);
    const moreMinutes = this.#minutes.advance(this.#clock.wallMs(), () => this.#cells.cells());
    const minutes = this.#minutes.unstored(maxMinutesPerFlush);
    const parts = [rows, groups, samples, events, rules, shapes, reliance, minutes];
    const empty = parts.every((list) => list.length === 0);
    try {
      this.#store ??=
        this.#fleet?.outbox ??
        new SqliteRecordingStore(this.#options.path, this.#clock.wallMs(), this.#maxWaitMs);
      // An idle process writes nothing, but once, to be known to have been there.
      if (!empty || !this.#introduced) {
        this.#store.write({
          writer: this.#writerRow(),
          cells: rows,
          groups,
          samples,
          events,
          rules,
          shapes,
          reliance,
          minutes,
        });
      } else this.#store.check?.();
    } catch (error) {
      if (error instanceof StoreGoneError) return this.#storeGone();
      const outcome = this.#failed(error);
      this.#cells.foldSurplus(hour, outcome === 'busy');
      return outcome;
    }
    this.#introduced = true;
    this.#cells.markStored(entries, this.#stampMs());
    this.#samples.markStored(groups, samples);
    this.#rules.markStored(rules);
    this.#shapes.markStored(shapes);
    this.#reliance.markStored(reliance);
    this.#minutes.markStored(minutes);
    this.#events = this.#events.slice(events.length);
    this.#trouble.recovered();
    if (moreMinutes || minutes.length === maxMinutesPerFlush) return 'more';
    if (parts.some((stored) => stored.length >= limit)) return 'more';
    this.#cells.tidy(hour);
    this.#shapes.tidy(this.#stampMs());
    return 'stored';
  }

  #writerRow(): WriterRow {
    return {
      ...this.#writer,
      lastAt: this.#stampMs(),
      samplesOverLimit: this.#samples.overLimit,
    };
  }

  /** What is in the next file begins with what this process still holds. */
  #storeGone(): 'more' {
    this.#dropStore();
    this.#takeForUnstored(nothingStored);
    this.#reliance.beginAnew();
    this.#trouble.gone();
    return 'more';
  }

  #failed(error: unknown): 'busy' | 'failed' {
    const outcome = this.#trouble.failed(error);
    if (outcome === 'failed') this.#dropStore();
    return outcome;
  }

  /** A connection that failed may go on failing for its own reasons: the next try opens another. */
  #dropStore(): void {
    if (this.#options.path === ':memory:') return;
    try {
      this.#store?.close();
    } catch {
      // It is let go in either case.
    }
    this.#store = undefined;
  }

  /** What is known to be missing, in plain words. */
  #notes(): string[] {
    const { code } = this.#trouble;
    const [events, cells, calls] = [
      this.#eventsDropped,
      this.#cells.folded,
      this.#reliance.dropped,
    ].map(String);
    return [
      code !== undefined &&
        `The comparison store can't be written (${code}): what this process counted since is in these figures and in no file, and ` +
          'what was stored before is not in them.',
      this.#eventsDropped > 0 &&
        `${String(events)} events could not be stored and are missing from the timeline.`,
      this.#cells.folded > 0 &&
        `Counts of ${String(cells)} cells are under the dataset "${otherDatasets}": there was no room to keep them apart.`,
      this.#reliance.dropped > 0 &&
        `${String(calls)} calls that rely on a guarantee were not counted: there was no room.`,
      this.#shapes.full &&
        `Some shapes of calls are counted together under "${otherShapes}": there was no room to keep them apart.`,
    ].filter((note) => note !== false);
  }
}

function eventText(fields: Readonly<Record<string, unknown>>): string {
  try {
    const text = JSON.stringify(fields);
    if (text.length <= maxEventLength) return text;
    return leftOut(
      `${String(text.length)} characters of JSON are more than ${String(maxEventLength)}`,
    );
  } catch {
    return leftOut('it is not JSON-able');
  }
}
