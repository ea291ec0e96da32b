import { allKeys, type Stage, type Target } from '@changeover/core';
import { holdLimit, ledgerLimit, type StageLimit } from '../resolve-stage.ts';
import { acceptedIn } from './acceptances.ts';
import type { LedgerHold } from './ledger-options.ts';
import { isBefore } from './is-before.ts';
import {
  type LedgerChange,
  maxLinesAtOnce,
  type NewLedgerChange,
  rowDataset,
} from './ledger-store.ts';

/** What is known of a target: the store's last line, and what was decided here since. */
export interface Entry {
  readonly backend: string;
  readonly target: Target;
  /** Changed by {@link LedgerEntries.place} alone, as `held` is. */
  readonly stage: Stage;
  readonly held: boolean;
  who: string;
  reason: string;
  /** When it was moved or held, by the wall clock of whoever did it. */
  at: number;
  /** When its last hold was ended; undefined where none was. */
  resumedAt: number | undefined;
  /** The last line that is known of; 0 where there is none. */
  sequence: number;
  /** What holds here already and is not in the store yet: only ever a step back, a hold or a resumption. */
  unwritten: Omit<NewLedgerChange, 'previous'> | undefined;
  /** When it was last seen to move, by the monotonic clock. */
  movedMs: number;
  /** What the last review found. */
  waits: string;
  /** Operations that somebody let step forward without comparisons. */
  accepted: readonly string[];
  /** Its last line, where another process wrote that. */
  othersLine: LedgerChange | undefined;
}

/** True where an entry says more than that a key is where each begins, and no less than the line that another ledger has of it. */
function isOwnWord({ target, stage, held }: Entry, line: LedgerChange | undefined): boolean {
  if (line === undefined) return held || (target.kind !== 'all' && stage !== 'legacy');
  return held ? !line.held || isBefore(stage, line.to) : !line.held && isBefore(stage, line.to);
}

/** What was decided here on its way to the store, with the words of the moment when it was taken. */
export interface UnwrittenBatch {
  readonly entries: readonly Entry[];
  readonly lines: readonly NewLedgerChange[];
  readonly words: readonly Entry['unwritten'][];
}

/** Whether flags that were last known to be the newest at `confirmedMs`, by the monotonic clock, may be older than those by which another
 * process has moved a target since. */
export function mayBeOlder(
  { othersLine, movedMs }: Entry,
  revision: string,
  confirmedMs: number,
): boolean {
  return othersLine !== undefined && othersLine.revision !== revision && confirmedMs < movedMs;
}

/** Where each target stands, as far as this process knows. */
export class LedgerEntries {
  readonly #entries = new Map<string, Entry>();
  /** Keys that are on their way and not held, by backend: each key that is first seen asks, and there may be thousands. */
  readonly #onTheirWay = new Map<string, { all: number; answered: number }>();
  /** The latest moment at which this process may have counted, by the wall clock. */
  #latestMs = 0;
  #countedFrom = 0;

  /** What is counted from now on is stamped no earlier than this, so that it comes after all resumptions that are known of, also where the
   * machine's clock was set back since. Milliseconds since 1970. */
  get countedFrom(): number {
    return this.#countedFrom;
  }

  /** So late it is, or was before the machine's clock was set back. */
  passed(wallMs: number): void {
    this.#latestMs = Math.max(this.#latestMs, wallMs);
  }

  /** When what is resumed now says that it is: after all that was counted before. */
  resumptionAt(wallMs: number): number {
    return Math.max(wallMs, this.#latestMs, this.#countedFrom);
  }

  resume(entry: Entry, at: number): void {
    entry.resumedAt = at;
    this.#countedFrom = Math.max(this.#countedFrom, at + 1);
  }

  /**
   * Takes over what another process wrote. What was decided here and isn't written yet is the later word, and will be written after it.
   *
   * @returns true where the stage or the hold is another one now.
   */
  takeLine(entry: Entry, line: LedgerChange, nowMs: number): boolean {
    entry.sequence = line.sequence;
    entry.accepted = [...new Set([...entry.accepted, ...acceptedIn(line)])];
    if (entry.unwritten !== undefined) return false;
    const changed = entry.stage !== line.to || entry.held !== line.held;
    entry.movedMs = nowMs;
    if (entry.held && !line.held) this.resume(entry, line.at);
    this.place(entry, line.to, line.held);
    entry.who = line.who;
    entry.reason = line.reason;
    entry.at = line.at;
    entry.waits = '';
    entry.othersLine = line;
    return changed;
  }

  get hasUnwritten(): boolean {
    for (const { unwritten } of this.#entries.values()) if (unwritten !== undefined) return true;
    return false;
  }

  /** What is held, oldest first. */
  holds(): readonly LedgerHold[] {
    return [...this.#entries.values()]
      .filter(({ held }) => held)
      .sort((a, b) => a.at - b.at)
      .map(({ backend, target, stage, reason, at }) => ({ backend, target, stage, reason, at }));
  }

  find(backend: string, target: Target): Entry | undefined {
    return this.#entries.get(targetKey(backend, target));
  }

  /** Whether the keys of a backend that are on their way and not held stand, most of them, where the pooled leg answers. */
  mostAreAnsweredByPooled(backend: string): boolean {
    const { all, answered } = this.#onTheirWay.get(backend) ?? { all: 0, answered: 0 };
    return answered > 0 && answered * 2 > all;
  }

  /** Says where a target stands from now on, and whether it is held there. */
  place(entry: Entry, stage: Stage, held: boolean): void {
    this.#count(entry, -1);
    Object.assign(entry, { stage, held });
    this.#count(entry, 1);
  }

  #count({ backend, target, stage, held }: Entry, by: 1 | -1): void {
    if (target.kind === 'all' || held || stage === 'legacy') return;
    const keys = this.#onTheirWay.get(backend) ?? { all: 0, answered: 0 };
    keys.all += by;
    if (isBefore('shadow', stage)) keys.answered += by;
    this.#onTheirWay.set(backend, keys);
  }

  /** Made where there is none: a key begins on `legacy`, and nothing holds a whole backend. */
  at(backend: string, target: Target): Entry {
    const found = this.find(backend, target);
    if (found !== undefined) return found;
    const made: Entry = {
      backend,
      target,
      stage: target.kind === 'all' ? 'pooled' : 'legacy',
      held: false,
      who: '',
      reason: '',
      at: 0,
      sequence: 0,
      unwritten: undefined,
      movedMs: -Infinity,
      waits: '',
      accepted: [],
      othersLine: undefined,
      resumedAt: undefined,
    };
    this.#entries.set(targetKey(backend, target), made);
    return made;
  }

  /**
   * Makes ready for the lines of another ledger, which begins anew or was put back to an earlier state. Where what is known here holds a
   * target further back than its last line there, or there is no line, it is to be written after that; else the line counts.
   */
  meetAnother(lines: readonly LedgerChange[]): void {
    const last = new Map(lines.map((line) => [`${line.backend}\0${line.dataset}`, line]));
    for (const entry of this.#entries.values()) {
      const { backend, target, stage, held, who, reason, at } = entry;
      const dataset = rowDataset(target);
      const line = last.get(`${backend}\0${dataset}`);
      entry.sequence = 0;
      if (entry.unwritten !== undefined || !isOwnWord(entry, line)) continue;
      const from = line?.to ?? stage;
      entry.unwritten = { at, backend, dataset, from, to: stage, held, who, reason, revision: '' };
    }
  }

  /** What is not in the store yet, at most {@link maxLinesAtOnce} lines. */
  unwrittenBatch(): UnwrittenBatch {
    const entries: Entry[] = [];
    const lines: NewLedgerChange[] = [];
    for (const entry of this.#entries.values()) {
      if (entry.unwritten === undefined) continue;
      entries.push(entry);
      lines.push({ ...entry.unwritten, previous: entry.sequence });
      if (lines.length >= maxLinesAtOnce) break;
    }
    return { entries, lines, words: entries.map(({ unwritten }) => unwritten) };
  }

  values(): IterableIterator<Entry> {
    return this.#entries.values();
  }

  /** A target's own hold, and its whole backend's. */
  holdsOn(backend: string, target: Target): readonly StageLimit[] {
    const own = this.find(backend, target);
    const whole = this.find(backend, allKeys);
    return [
      ...(whole?.held === true ? [holdLimit(whole.stage, whole, backend)] : []),
      ...(own?.held === true && own !== whole ? [holdLimit(own.stage, own)] : []),
    ];
  }

  /** Its holds, and how far it has come. */
  limitsOn(backend: string, target: Target): readonly StageLimit[] {
    const holds = this.holdsOn(backend, target);
    const own = this.find(backend, target);
    if (own?.held === true) return holds;
    const step =
      own === undefined
        ? ledgerLimit('legacy', 'it has not been moved yet')
        : ledgerLimit(own.stage, own.waits);
    return [...holds, step];
  }
}

/** Names can't contain a NUL, so two pairs never make one key. */
export function targetKey(backend: string, target: Target): string {
  return `${backend}\0${rowDataset(target)}`;
}

/** What every key is held by until the ledger was read: any of them may be held. */
export const notRead: readonly StageLimit[] = Object.freeze([
  Object.freeze({ by: 'ledger', stage: 'legacy', reason: 'the ledger has not been read yet' }),
] as const);
