import { systemClock, type Clock, type Stage, type Timer } from '@changeover/core';
import { Fleet } from '../fleet/fleet.ts';
import type { AskedKey } from './asked-key.ts';
import type { Logger } from '../log.ts';
import type { Cell, ShapeCounts, ShapeKey } from './cell.ts';
import type { Counted } from './cell-book.ts';
import { ProcessCounts } from './process-counts.ts';
import type { ComparisonSample, Recorder } from './recorder.ts';
import { SqliteRecordingStore } from './sqlite-recording-store.ts';
import { mergeReliance, type RelianceEvidence, type RelianceSeen } from './reliance-book.ts';
import { defaultMaxSamples } from './read-recordings.ts';
import { ReportBuilder } from './report-builder.ts';
import type { ReportData, ResumedAt } from './report-data.ts';
import { RepeatAnswers, type RepeatSource } from './repeat-answers.ts';
import type { RuleUseSource } from './rule-uses.ts';
import { inOneGo, type Steps } from '../steps.ts';
import { addAllInSteps } from './summary-steps.ts';
import { StoreConnection } from './store-connection.ts';
import { StoreTrouble } from './store-trouble.ts';
import { maxShapeLength, otherShapes } from './shape-book.ts';
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
/** The shared store's outbox is this process's memory: nobody waits for a lock. */
const maxRowsForOutbox = 1_000;
/** The next part of what one flush didn't take. */
const nextPartMs = 20;
/** After a failure that won't pass by itself, tries get rarer up to this. */
const maxRetryMs = 60_000;
/** The last write before closing may wait this long for another process's lock. */
const closingWaitMs = 250;

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

/** For the log: a URL may have a password in it. */
function placeOf({ path }: RecorderOptions): string {
  return isSharedStore(path) ? 'shared by several hosts' : path;
}

class StoringRecorder implements Recorder {
  readonly #options: RecorderOptions;
  readonly #clock: Clock;
  readonly #flushIntervalMs: number;
  readonly #maxSamplesPerFingerprint: number;
  readonly #counts: ProcessCounts;
  readonly #repeats = new RepeatAnswers();
  readonly #fleet: Fleet | undefined;
  readonly #trouble: StoreTrouble;
  readonly #connection: StoreConnection;
  #timer: Timer | undefined = undefined;
  #closed = false;

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#flushIntervalMs = options.flushIntervalMs ?? 1_000;
    this.#maxSamplesPerFingerprint = options.maxSamplesPerFingerprint ?? defaultMaxSamples;
    this.#counts = new ProcessCounts({
      run: options.run,
      clock: this.#clock,
      countedFrom: options.countedFrom,
      isShared: isSharedStore(options.path),
      maxCells: options.maxCells ?? 2_000,
      maxShapes: options.maxShapes,
      maxSamplesPerFingerprint: this.#maxSamplesPerFingerprint,
      maxFingerprints: options.maxFingerprints ?? 1_000,
    });
    this.#trouble = new StoreTrouble(placeOf(options), options.logger, this.#clock);
    this.#fleet = options.fleet ?? openFleet(options);
    this.#connection = new StoreConnection(
      (maxWaitMs) =>
        this.#fleet?.outbox ??
        new SqliteRecordingStore(options.path, this.#clock.wallMs(), maxWaitMs),
      this.#trouble,
      options.path === ':memory:',
    );
    this.#fleet?.attach({
      repeats: this.#repeats,
      collect: () => {
        this.#storeAll();
      },
      firstHour: () => this.#counts.cells.firstHour,
      beginAnew: (folded) => {
        this.#counts.beginAnew(folded);
        this.#storeAll();
      },
    });
    this.flush();
  }

  cell(backend: string, dataset: string, operation: string, stage: Stage): Cell {
    const counts = this.#counts;
    return counts.cells.get(backend, dataset, operation, stage, counts.hour());
  }

  shape(key: ShapeKey): ShapeCounts {
    const usable = key.shape.length <= maxShapeLength;
    const counts = this.#counts;
    return counts.shapes.get(usable ? key : { ...key, shape: otherShapes }, counts.stampMs());
  }

  sample(sample: ComparisonSample): void {
    if (!this.#closed) this.#counts.samples.add(sample);
  }

  relied(seen: RelianceSeen): void {
    if (!this.#closed) this.#counts.reliance.add(seen, this.#counts.stampMs());
  }

  reliance(): readonly RelianceEvidence[] {
    const stored: RelianceEvidence[] = [];
    try {
      this.#connection.store?.readReliance((row) => stored.push(row), this.#counts.writer);
    } catch {
      // Then it is what this process saw; the report says that the store can't be read.
    }
    return mergeReliance([...stored, ...this.#counts.reliance.rows()]);
  }

  event(kind: string, fields: Readonly<Record<string, unknown>>): void {
    if (this.#closed) return;
    const { backend, dataset } = fields;
    if (kind === 'stage' && typeof backend === 'string' && typeof dataset === 'string') {
      this.#counts.cells.part(backend, dataset);
      this.#counts.shapes.part(backend, dataset, this.#counts.stampMs());
    }
    this.#counts.events.add(kind, fields, this.#clock.wallMs());
  }

  counted(): readonly Counted[] {
    return this.#counts.cells.counted();
  }

  watchRules(source: RuleUseSource): () => void {
    return this.#counts.rules.watch(source);
  }

  answerRepeats(backend: string, source: RepeatSource): () => void {
    return this.#repeats.add(backend, source);
  }

  refresh(): Promise<'fetched' | 'stale'> | 'current' {
    return this.#fleet?.refresh().then((read) => (read ? 'fetched' : 'stale')) ?? 'current';
  }

  refreshKeys<Key extends AskedKey>(waiting: readonly Key[]): Promise<readonly Key[]> | 'current' {
    return this.#fleet?.refreshKeys(waiting) ?? 'current';
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
    const own = this.#counts.own(this.#storeNotes());
    yield* addAllInSteps(builder, own, this.#connection.store);
    return yield* builder.buildInSteps(this.#clock.wallMs());
  }

  /** Why what was counted is in no file, in plain words. */
  #storeNotes(): string[] {
    const { code } = this.#trouble;
    return code === undefined
      ? []
      : [
          `The comparison store can't be written (${code}): what this process counted since is in these figures and in no file, and ` +
            'what was stored before is not in them.',
        ];
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
    const repeats = this.#connection.store?.repeats;
    if (repeats === undefined) return;
    try {
      this.#repeats.look(repeats, this.#counts.writer, this.#clock.wallMs());
    } catch {
      // What is wrong with the store is told by who stores counts; who asked waits, and asks again.
    }
  }

  flushAll(): void {
    if (this.#closed) return;
    this.#connection.allowWaiting(closingWaitMs);
    this.#counts.endMinute();
    this.#storeAll();
    this.#connection.allowWaiting(0);
  }

  close(): void {
    if (this.#closed) return;
    this.#timer?.cancel();
    this.#connection.allowWaiting(closingWaitMs);
    this.#counts.endMinute();
    const outcome = this.#storeAll();
    const { logger } = this.#options;
    const store = placeOf(this.#options);
    if (outcome !== 'stored')
      logger.error(
        { store },
        'the last counts and samples could not be stored and are lost with this process',
      );
    this.#closed = true;
    try {
      this.#connection.close();
    } catch (error) {
      logger.warn({ store, err: error }, 'the comparison store could not be closed');
    }
    // Never rejects, and says itself what is lost.
    if (this.#options.fleet === undefined) void this.#fleet?.close();
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
    const counts = this.#counts;
    const unstored = counts.unstored(
      this.#fleet === undefined ? maxRowsPerFlush : maxRowsForOutbox,
    );
    const outcome = this.#connection.write(unstored.isEmpty ? undefined : unstored.batch);
    switch (outcome) {
      case 'stored':
        counts.markStored(unstored);
        if (unstored.isPart) return 'more';
        counts.tidy(unstored.hour);
        return 'stored';
      case 'gone':
        counts.beginInNewStore();
        return 'more';
      case 'busy':
      case 'failed':
        counts.cells.foldSurplus(unstored.hour, outcome === 'busy');
        return outcome;
    }
  }
}
