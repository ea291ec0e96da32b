import { allKeys, type Clock, type Stage, stages, type Target } from '@changeover/core';
import type { Logger } from '../../log.ts';
import { isBefore } from './is-before.ts';
import { type Entry, type LedgerEntries, mayBeOlder, targetKey } from './ledger-entries.ts';
import type { Move, MoveJudgement, WaitingStep } from './ledger-options.ts';
import {
  type AppendedLines,
  maxLinesAtOnce,
  type NewLedgerChange,
  rowDataset,
} from './ledger-store.ts';

/** A step forward that was judged, to be written. */
interface Step {
  readonly entry: Entry;
  readonly wanted: Stage;
  readonly line: NewLedgerChange;
}

/** How far a flag wants a target to go. */
export interface Wish {
  readonly backend: string;
  readonly target: Target;
  readonly stage: Stage;
  readonly revision: string;
}

/** What the steps forward go by. */
export interface ForwardStepsOptions {
  readonly entries: LedgerEntries;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly gate: (move: Move) => MoveJudgement;
  /** A target stays at least this long on each stage. */
  readonly restMs: number;
  /** See `LedgerOptions.flagsAgeMs`. */
  readonly flagsAgeMs: () => number | undefined;
}

/** Wishes are kept up to this number; further ones wait until they are asked for again. */
const maxWishes = 100_000;

/** Wishes are judged so long without a pause. */
const atOnceMs = 5;

/** Lets what waits for the event loop have its turn. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** What flags asked for and the ledger has not come to yet: judged stage by stage, each past its gate. */
export class ForwardSteps {
  readonly #options: ForwardStepsOptions;
  readonly #wishes = new Map<string, Wish>();

  constructor(options: ForwardStepsOptions) {
    this.#options = options;
  }

  /** True where nothing is to be judged. */
  get none(): boolean {
    return this.#wishes.size === 0;
  }

  /** What waits longest, at most {@link maxLinesAtOnce}. */
  get next(): readonly WaitingStep[] {
    const steps: WaitingStep[] = [];
    // Not a copy of all of them, of which there may be many thousand.
    for (const { backend, target } of this.#wishes.values()) {
      if (steps.length >= maxLinesAtOnce) break;
      steps.push({ backend, target, from: this.#options.entries.at(backend, target).stage });
    }
    return steps;
  }

  want(wish: Wish): void {
    if (this.#wishes.size < maxWishes) this.#wishes.set(targetKey(wish.backend, wish.target), wish);
  }

  forget(backend: string, target: Target): void {
    this.#wishes.delete(targetKey(backend, target));
  }

  clear(): void {
    this.#wishes.clear();
  }

  /** Judges what still waits of some steps and writes those that pass: whether something moved, and whether another process
   * was faster with one of them.
   *
   * @throws the store's error. */
  async take(
    waiting: readonly WaitingStep[],
    append: (lines: readonly NewLedgerChange[]) => AppendedLines | Promise<AppendedLines>,
  ): Promise<{ readonly moved: boolean; readonly lost: boolean }> {
    const { entries, clock } = this.#options;
    const steps: Step[] = [];
    let pausedMs = clock.monotonicMs();
    for (const { backend, target } of waiting) {
      const name = targetKey(backend, target);
      if (clock.monotonicMs() - pausedMs >= atOnceMs) {
        await nextTurn();
        pausedMs = clock.monotonicMs();
      }
      // By now the flags may ask for something else, or for nothing.
      const wish = this.#wishes.get(name);
      if (wish === undefined) continue;
      // Whoever was judged goes to the end, so that each has a turn.
      this.#wishes.delete(name);
      if (!isBefore(entries.at(wish.backend, wish.target).stage, wish.stage)) continue;
      this.#wishes.set(name, wish);
      const step = this.#judge(wish);
      if (step !== undefined) steps.push(step);
    }
    if (steps.length === 0) return { moved: false, lost: false };
    const sequences = await append(steps.map(({ line }) => line));
    let moved = false;
    for (const [index, step] of steps.entries()) {
      const sequence = sequences[index];
      if (sequence !== undefined && this.#move(step, sequence)) moved = true;
    }
    return { moved, lost: sequences.includes(undefined) };
  }

  /** The step forward that a wish comes to now, if any. */
  #judge({ backend, target, stage: wanted, revision }: Wish): Step | undefined {
    const { entries, clock, restMs } = this.#options;
    const entry = entries.at(backend, target);
    const sinceMs = clock.monotonicMs() - entry.movedMs;
    if (entry.held || entry.unwritten !== undefined || sinceMs < restMs) return undefined;
    if (entries.find(backend, allKeys)?.held === true) return undefined;
    if (this.#mayBeOutdated(entry, revision)) return undefined;
    const from = entry.stage;
    const to = stages[stages.indexOf(from) + 1] ?? from;
    const { verdict, reason } = this.#askGate({ backend, target, from, to });
    if (verdict !== 'pass') {
      entry.waits = `the gate to ${to} says ${verdict}: ${reason}`;
      return undefined;
    }
    const [at, previous] = [clock.wallMs(), entry.sequence];
    const line = {
      at,
      backend,
      dataset: rowDataset(target),
      from,
      to,
      held: false,
      who: 'flag',
      reason,
      revision,
      previous,
    };
    return { entry, wanted, line };
  }

  /** Another process's flags put it back, and this one's may be older: they count again once they are known to be the newest. */
  #mayBeOutdated(entry: Entry, revision: string): boolean {
    const { othersLine: line } = entry;
    if (line?.who !== 'flag' || !isBefore(line.to, line.from)) return false;
    const { clock, flagsAgeMs } = this.#options;
    return mayBeOlder(entry, revision, clock.monotonicMs() - (flagsAgeMs() ?? Infinity));
  }

  #move({ entry, wanted, line }: Step, sequence: number): boolean {
    entry.sequence = sequence;
    if (entry.unwritten !== undefined) {
      // It was moved back while the line was written: that is written next, after it.
      entry.unwritten = { ...entry.unwritten, from: line.to };
      return false;
    }
    const { at, backend, dataset, from, to, who, reason, revision } = line;
    this.#options.entries.place(entry, to, entry.held);
    entry.who = who;
    entry.reason = reason;
    entry.at = at;
    entry.movedMs = this.#options.clock.monotonicMs();
    entry.othersLine = undefined;
    entry.waits = to === wanted ? '' : `on its way to ${wanted}`;
    const { logger } = this.#options;
    logger.info({ backend, dataset, from, to, reason, revision }, 'stepped forward');
    return true;
  }

  #askGate(move: Move): MoveJudgement {
    const { gate, logger } = this.#options;
    try {
      return gate(move);
    } catch (error) {
      logger.error({ ...move, err: error }, 'a gate failed; the dataset stays where it is');
      return { verdict: 'inconclusive', reason: 'the gate failed' };
    }
  }
}
