import {
  earlierStage,
  allKeys,
  systemClock,
  type Clock,
  type Stage,
  type Target,
  type Timer,
} from '@changeover/core';
import { Listeners } from '../flags/listeners.ts';
import type { Logger } from '../../log.ts';
import { later } from './resumptions.ts';
import { isPromise } from '../../call/leg-calls.ts';
import type { Author, LedgerHold, LedgerOptions } from './ledger-options.ts';
import type { StageLimit } from '../resolve-stage.ts';
import { ForwardSteps, type Wish } from './forward-steps.ts';
import { isBefore } from './is-before.ts';
import {
  LedgerEntries,
  mayBeOlder,
  notRead,
  targetKey,
  type UnwrittenBatch,
} from './ledger-entries.ts';
import { isBusy, storeErrorCode } from '../../recorder/store-file.ts';
import { remedyOf } from '../../recorder/store-trouble.ts';
import {
  type AppendedLines,
  maxLinesAtOnce,
  type LedgerChange,
  type LedgerStore,
  type NewLedgerChange,
  rowDataset,
  targetOfRow,
} from './ledger-store.ts';

/** Closing waits this long for the store. */
const closingMs = 2_000;
const maxClosingRounds = 1_000;
/** For another one's lock, at the process's end. */
const flushWaitMs = 250;
/** Between why a dataset is where it is and what was noted since. */
const noteMark = '; noted: ';

/**
 * Each dataset's stage, who moved it there, when and why. The flag asks, the ledger decides: forward by one stage
 * at a time, past its gate and not before the store has it; back at once, whether the store can be written or not.
 *
 * A dataset that the ledger doesn't know is on `legacy`. A store that answers by a promise hasn't answered yet when the first
 * call comes: until it has, every dataset is held at `legacy`, for any of them may be held.
 */
export class Ledger {
  readonly #store: LedgerStore;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #evidence: NonNullable<LedgerOptions['evidence']>;
  readonly #reviewIntervalMs: number;
  readonly #listeners: Listeners;
  readonly #entries = new LedgerEntries();
  readonly #forward: ForwardSteps;
  readonly #flagsAgeMs: () => number | undefined;
  /** Steps back that older flags may ask for, and newer ones may not. */
  readonly #unsure = new Map<string, Wish>();
  #lastRead = 0;
  #reviewedMs: number;
  #timer: Timer | undefined = undefined;
  #soon: Timer | undefined = undefined;
  #reviewing: Promise<void> | undefined = undefined;
  #failure = '';
  #generation: number | undefined;
  #closed = false;
  /** False until the store was read, or is known to fail by itself rather than to be late. */
  #known = false;

  constructor(options: LedgerOptions) {
    this.#store = options.store;
    this.#logger = options.logger;
    this.#clock = options.clock ?? systemClock;
    this.#evidence = options.evidence ?? ((waiting) => waiting);
    this.#reviewIntervalMs = options.reviewIntervalMs ?? 1_000;
    this.#flagsAgeMs = options.flagsAgeMs ?? (() => 0);
    this.#forward = new ForwardSteps({
      entries: this.#entries,
      clock: this.#clock,
      logger: options.logger,
      gate: options.gate ?? (() => ({ verdict: 'pass', reason: 'no gate is set' })),
      restMs: this.#reviewIntervalMs,
      flagsAgeMs: this.#flagsAgeMs,
    });
    this.#listeners = new Listeners(options.logger);
    this.#reviewedMs = this.#clock.monotonicMs();
    this.#readAtStart();
    this.#generation = this.#store.generation;
    this.#store.subscribe?.(() => {
      void this.#readOthers();
    });
    this.#schedule();
  }

  /**
   * What a flag asks for a dataset. A step back is made at once, or, where another process has moved it meanwhile, once the flags are
   * known to be no older than that; until then its calls go no further than the flags say, as they always do. A step forward is
   * remembered for the next review. Never throws and does no I/O.
   */
  ask(backend: string, target: Target, asked: Stage, revision: string): void {
    this.#beginWithCohort(backend, target, asked, revision);
    this.#unsure.delete(targetKey(backend, target));
    const entry = this.#entries.find(backend, target);
    const stage = entry?.stage ?? 'legacy';
    if (isBefore(asked, stage)) {
      this.#forward.forget(backend, target);
      // Flags that were never confirmed can't become newer: what they ask for is done.
      const confirmedMs = this.#clock.monotonicMs() - (this.#flagsAgeMs() ?? 0);
      if (entry !== undefined && mayBeOlder(entry, revision, confirmedMs)) {
        this.#unsure.set(targetKey(backend, target), { backend, target, stage: asked, revision });
        return;
      }
      const held = entry?.held ?? false;
      const reason = held ? (entry?.reason ?? '') : 'the flag asks for it';
      this.#decide(backend, target, asked, held, { who: 'flag', reason }, revision);
    } else if (isBefore(stage, asked)) {
      this.#forward.want({ backend, target, stage: asked, revision });
    }
  }

  #askAgain(): void {
    for (const { backend, target, stage, revision } of [...this.#unsure.values()])
      this.ask(backend, target, stage, revision);
  }

  /** A key that is first seen once its cohort is answered by the pooled leg begins at `shadow`, where the legacy leg answers as at
   * `legacy`: there is no gate, and nothing to wait for. */
  #beginWithCohort(backend: string, target: Target, asked: Stage, revision: string): void {
    const isNew = this.#known && this.#entries.find(backend, target) === undefined;
    if (!isNew || asked === 'legacy' || this.isHeld(backend, target)) return;
    if (!this.#entries.mostAreAnsweredByPooled(backend)) return;
    const reason = 'first seen when most keys of its backend stood at reverse or beyond';
    this.#decide(backend, target, 'shadow', false, { who: 'flag', reason }, revision);
  }

  /** Forgets what the flags asked for: they have changed, and will be asked again. */
  forgetWishes(): void {
    this.#unsure.clear();
    this.#forward.clear();
  }

  /** What holds a dataset back until a person resumes it: its own hold, and its whole backend's. */
  holdsOn(backend: string, target: Target): readonly StageLimit[] {
    return this.#known ? this.#entries.holdsOn(backend, target) : notRead;
  }

  /** True where it, or its whole backend, stays back until a person resumes it, and before that can be told. */
  isHeld(backend: string, target: Target): boolean {
    return this.holdsOn(backend, target).length > 0;
  }

  /** What holds a dataset back where the ledger decides over steps forward: its holds, and how far it has come. */
  limitsOn(backend: string, target: Target): readonly StageLimit[] {
    return this.#known ? this.#entries.limitsOn(backend, target) : notRead;
  }

  /** Moves a dataset, or all of a backend, back and keeps it there until {@link resume}. It holds when this returns, in this process; in others once the store has it.
   *
   * @param from where it stands, for whom flags alone have moved there. Default: where the ledger has it. */
  hold(backend: string, target: Target, author: Author, to: Stage = 'legacy', from?: Stage): void {
    const stage =
      from ??
      this.#entries.find(backend, target)?.stage ??
      (target.kind === 'all' ? 'pooled' : 'legacy');
    const entry = this.#entries.at(backend, target);
    this.#entries.place(entry, stage, entry.held);
    this.#decide(backend, target, earlierStage(stage, to), true, author, '');
    this.#logger.warn(
      { backend, target, to, ...author },
      'held: it stays back until a person resumes it',
    );
  }

  /** Ends a hold: the dataset goes forward again as the flag asks and gates allow. False where there was none. */
  resume(backend: string, target: Target, author: Author): boolean {
    const entry = this.#entries.find(backend, target);
    if (entry?.held !== true) return false;
    // Keys that stood further when their backend was put back are judged anew.
    if (target.kind === 'all')
      for (const one of this.#entries.values())
        if (one.backend === backend && one !== entry && !one.held && isBefore('shadow', one.stage))
          this.#decide(backend, one.target, 'shadow', false, author, '');
    this.#decide(backend, target, entry.stage, false, author, '');
    this.#logger.info(
      { backend, target, ...author },
      'resumed: the flag asks again, from where it stands',
    );
    return true;
  }

  /** Adds to what the ledger says of a dataset, which stays where it is: a line that says why it is there, and this. */
  note(backend: string, target: Target, text: string): void {
    const { stage, held, who, reason, unwritten } = this.#entries.at(backend, target);
    const [said = ''] = reason.split(noteMark);
    const author = { who: who === '' ? 'bridge' : who, reason: `${said}${noteMark}${text}` };
    this.#decide(backend, target, stage, held, author, unwritten?.revision ?? '');
  }

  /** When a dataset was last resumed, by itself or with its whole backend. */
  resumedAt(backend: string, target: Target): number | undefined {
    return later(
      this.#entries.find(backend, target)?.resumedAt,
      this.#entries.find(backend, allKeys)?.resumedAt,
    );
  }

  /** What is counted from now on is stamped no earlier than this, whatever the machine's clock says: it comes after all resumptions. */
  get countedFrom(): number {
    return this.#entries.countedFrom;
  }

  /** Operations that may step forward without comparisons, as the ledger's lines say. */
  acceptedOn(backend: string, target: Target): readonly string[] {
    return this.#entries.find(backend, target)?.accepted ?? [];
  }

  /** What is held, oldest first. */
  get holds(): readonly LedgerHold[] {
    return this.#entries.holds();
  }

  /** All lines, oldest first.
   *
   * @throws the store's error. */
  async history(): Promise<readonly LedgerChange[]> {
    return await this.#store.read(0);
  }

  /** Calls `listener` after a stage has changed. */
  subscribe(listener: () => void): () => void {
    return this.#listeners.add(listener);
  }

  /** Reads what other processes did, writes what is unwritten, judges the steps forward. Done every interval by itself;
   * never rejects. */
  review(): Promise<void> {
    this.#reviewing ??= this.#review().finally(() => {
      this.#reviewing = undefined;
    });
    return this.#reviewing;
  }

  /** Steps back that the store does not have yet, at most {@link maxLinesAtOnce}. */
  get unwritten(): readonly NewLedgerChange[] {
    return this.#entries.unwrittenBatch().lines;
  }

  /**
   * Writes what is unwritten, for a process that ends: before it returns where the store answers at once, else the promise resolves when
   * it has answered. Undefined where nothing is to be waited for. Never throws or rejects.
   */
  flush(): Promise<void> | undefined {
    try {
      for (let round = 0; round < maxClosingRounds && this.#entries.hasUnwritten; round += 1) {
        this.#store.allowWaiting?.(flushWaitMs);
        const batch = this.#entries.unwrittenBatch();
        const answer = this.#store.append(batch.lines);
        if (isPromise(answer)) {
          return answer.then(
            (sequences) => {
              this.#written(batch, sequences);
            },
            (error: unknown) => {
              this.#fail(error);
            },
          );
        }
        this.#written(batch, answer);
        const others = answer.includes(undefined) ? this.#store.read(this.#lastRead) : [];
        if (!isPromise(others)) this.#learn(others);
      }
      if (!this.#closed) this.#store.allowWaiting?.(0);
    } catch (error) {
      this.#fail(error);
    }
    return undefined;
  }

  /** Writes what is unwritten, and ends the reviews. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer?.cancel();
    this.#soon?.cancel();
    this.forgetWishes();
    await this.#withinClosingTime(this.#closeStore());
    this.#listeners.clear();
  }

  async #closeStore(): Promise<void> {
    await this.#reviewing;
    // A backend may have been stopped a moment ago, with thousands of datasets.
    for (let round = 0; round < maxClosingRounds; round += 1) {
      await this.#review();
      if (this.#failure !== '' || !this.#entries.hasUnwritten) break;
    }
    if (this.#entries.hasUnwritten) {
      this.#logger.error({}, 'the last steps back are not in the ledger: it could not be written');
    }
    try {
      await this.#store.close();
    } catch (error) {
      this.#logger.warn({ err: error }, 'the ledger could not be closed');
    }
  }

  /** A store that hangs must not keep a program from closing. */
  async #withinClosingTime(closing: Promise<void>): Promise<void> {
    let timer: Timer | undefined;
    const late = new Promise<void>((resolve) => {
      timer = this.#clock.after(closingMs, resolve);
    });
    await Promise.race([closing, late]);
    timer?.cancel();
  }

  #schedule(): void {
    if (this.#closed) return;
    const reviewInMs = this.#reviewedMs + this.#reviewIntervalMs - this.#clock.monotonicMs();
    const readInMs = this.#store.readIntervalMs ?? reviewInMs;
    const isReview = reviewInMs <= readInMs;
    const delayMs = Math.max(0, isReview ? reviewInMs : readInMs);
    this.#timer = this.#clock.after(delayMs, () => {
      const done = isReview ? this.review() : this.#readOthers();
      void done.then(() => {
        if (isReview) this.#reviewedMs = this.#clock.monotonicMs();
        this.#schedule();
      });
    });
  }

  /** Where the store answers at once, the first call finds each dataset on its stage. */
  #readAtStart(): void {
    try {
      const lines = this.#store.read(0);
      if (!isPromise(lines)) this.#learn(lines);
      else
        lines.then(
          (read) => {
            this.#learn(read);
          },
          (error: unknown) => {
            this.#fail(error);
          },
        );
    } catch (error) {
      // A file that can't be read says nothing of holds, now or later; one that is locked is read at the next review.
      this.#known = !isBusy(error);
      this.#fail(error);
    }
  }

  /** What others put back is obeyed sooner than steps forward are judged. */
  async #readOthers(): Promise<void> {
    try {
      await this.#readNew();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Another ledger is read from its beginning, and told what this process knows. */
  async #readNew(): Promise<void> {
    const lines = await this.#store.read(this.#lastRead);
    if (this.#generation === this.#store.generation) {
      this.#learn(lines);
      return;
    }
    const all = await this.#store.read(0);
    this.#generation = this.#store.generation;
    this.#lastRead = 0;
    this.#entries.meetAnother(all);
    this.#learn(all);
    if (this.#entries.hasUnwritten) this.#reviewSoon();
  }

  async #review(): Promise<void> {
    try {
      this.#entries.passed(this.#clock.wallMs());
      await this.#readNew();
      this.#askAgain();
      await this.#writeUnwritten();
      await this.#stepForward();
      this.#recover();
    } catch (error) {
      this.#fail(error);
    }
  }

  #learn(lines: readonly LedgerChange[]): void {
    let changed = !this.#known;
    this.#known = true;
    for (const line of lines) {
      this.#lastRead = Math.max(this.#lastRead, line.sequence);
      const entry = this.#entries.at(line.backend, targetOfRow(line.dataset));
      if (line.sequence <= entry.sequence) continue;
      if (this.#entries.takeLine(entry, line, this.#clock.monotonicMs())) changed = true;
    }
    if (changed) this.#listeners.notify();
  }

  #decide(
    backend: string,
    target: Target,
    to: Stage,
    held: boolean,
    author: Author,
    revision: string,
  ): void {
    const entry = this.#entries.at(backend, target);
    const { who, reason } = author;
    const from = entry.unwritten?.from ?? entry.stage;
    const isResumed = entry.held && !held;
    entry.at = isResumed ? this.#entries.resumptionAt(this.#clock.wallMs()) : this.#clock.wallMs();
    entry.unwritten = {
      at: entry.at,
      backend,
      dataset: rowDataset(target),
      from,
      to,
      held,
      who,
      reason,
      revision,
    };
    this.#entries.place(entry, to, held);
    if (isResumed) this.#entries.resume(entry, entry.at);
    entry.othersLine = undefined;
    entry.who = who;
    entry.reason = reason;
    entry.movedMs = this.#clock.monotonicMs();
    entry.waits = '';
    this.#listeners.notify();
    this.#reviewSoon();
  }

  /** So that other processes learn of a step back at their next review. */
  #reviewSoon(): void {
    if (this.#closed) return;
    this.#soon ??= this.#clock.after(0, () => {
      this.#soon = undefined;
      // Never rejects.
      void this.review();
    });
  }

  /** Somebody else may have been first: what they wrote is read at the next review, and this is written after it. */
  async #writeUnwritten(): Promise<void> {
    const batch = this.#entries.unwrittenBatch();
    if (batch.lines.length === 0) return;
    if (batch.lines.length >= maxLinesAtOnce) this.#reviewSoon();
    this.#written(batch, await this.#store.append(batch.lines));
  }

  #written({ entries, words }: UnwrittenBatch, sequences: AppendedLines): void {
    for (const [index, entry] of entries.entries()) {
      const sequence = sequences[index];
      if (sequence === undefined) continue;
      entry.sequence = Math.max(entry.sequence, sequence);
      // Otherwise there is a later word by now, which is written next.
      if (entry.unwritten === words[index]) entry.unwritten = undefined;
    }
  }

  /** By evidence that is fresh: what others counted may have to be fetched, and isn't at each review. */
  async #stepForward(): Promise<void> {
    if (this.#forward.none) return;
    const fresh = await this.#evidence(this.#forward.next);
    if (fresh.length === 0) return;
    const { moved, lost } = await this.#forward.take(fresh, (lines) => this.#store.append(lines));
    if (moved) this.#listeners.notify();
    // Another process took the same step first: its line is there to be read, and is not waited for.
    if (lost) await this.#readNew();
  }

  #fail(error: unknown): void {
    const message = String((error as { message?: unknown }).message);
    // Another process writes now; the next review tries again.
    if (isBusy(error) || this.#failure === message) return;
    this.#failure = message;
    const remedy = remedyOf(storeErrorCode(error));
    this.#logger.error(
      { err: error },
      `the ledger can not be read or written (${message}): nothing steps forward until it can; steps back hold in this ` +
        `process${remedy === undefined ? '' : `. To have it again: ${remedy}`}`,
    );
  }

  #recover(): void {
    if (this.#failure === '') return;
    this.#failure = '';
    this.#logger.info({}, 'the ledger can be read and written again');
  }
}
