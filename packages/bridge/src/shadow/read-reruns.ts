import {
  type Clock,
  type HeldSnapshot,
  pause,
  SnapshotLostError,
  type WritesSeen,
} from '@changeover/core';
import type { ComparedRead } from './compared-read.ts';
import {
  decide,
  type Finding,
  firstRounds,
  noAnswer,
  type Round,
  type Evidence,
} from './confirmation.ts';
import type { HeldAnswer } from './held-answer.ts';
import { sameOutcome, type ShadowCaller } from './shadow-caller.ts';
import { describeDifference, describeOutcomes } from './difference-summary.ts';
import { type Moment, QuietRounds } from './quiet-rounds.ts';
import type { PendingComparison } from './pending-comparison.ts';
import { type FullRound, ReadRounds } from './read-rounds.ts';

/** Rounds that a write fell into before the reruns are given up. */
const maxLostRounds = 12;
/** Looks at whether the writes in flight have ended, and between two of them, in ms. */
const maxPauses = 200;
const pauseMs = 5;

/** Why an answer that differed from the first look at the other leg is right. */
const agreesThere = 'the legs agree in the state that the answer is of';

/** What reruns are made of. */
export interface ReadRerunsParts {
  readonly caller: ShadowCaller;
  readonly clock: Clock;
  readonly read: ComparedRead;
  readonly pending: PendingComparison;
  /** The state that the answer is of, where it is held. */
  readonly held?: HeldAnswer | undefined;
  /** The rows that the pooled leg answered, where they are kept: of a call that leaves some of its answer open. */
  readonly rows?: unknown;
}

/** What was seen of the data around the rounds. */
type Around = Pick<Evidence, 'oneState' | 'each' | 'snapshot' | 'quiet' | 'kept'>;

/** The reruns of a read whose legs differed: they tell whether the difference stays, and why it may be there. */
export class ReadReruns {
  readonly #parts: ReadRerunsParts;
  readonly #rounds: ReadRounds;

  constructor(parts: ReadRerunsParts) {
    this.#parts = parts;
    this.#rounds = new ReadRounds(parts.caller, parts.clock, parts.read);
  }

  /** Settles the pending comparison. Rejects only when the signal is aborted.
   *
   * @param first the answer and the first shadow run. */
  async confirm(first: Round, signal: AbortSignal): Promise<void> {
    if (await this.#inStateOfAnswer(first, signal)) return;
    if (await this.#inSnapshot(first, signal)) return;
    if (await this.#unwritten(first, signal)) return;
    if (await this.#inQuiet(first, signal)) return;
    this.#parts.pending.verdict({
      verdict: 'raced',
      reason: 'writes kept coming while the call was run again',
    });
  }

  /** Runs both legs again in moments without writes, one round in each: a round that a write fell into doesn't count. Rounds count
   * together, whatever was written between them, as long as legacy says the same. False where writes kept coming. */
  async #inQuiet(first: Round, signal: AbortSignal): Promise<boolean> {
    const { read } = this.#parts;
    const { gate } = read.resolved.state;
    let runs = new QuietRounds<FullRound>();
    for (let lost = 0; lost < maxLostRounds;) {
      if (!(await this.#writesEnded(signal))) return false;
      const before = await this.#moment(signal);
      const round = await this.#rounds.run(signal);
      const after = await this.#moment(signal);
      if (gate.epoch !== before.epoch) {
        lost += 1;
        continue;
      }
      const [earlier] = runs.all;
      const wroteSince = before.epoch !== runs.since?.epoch;
      // What legacy says now is of other data: the rounds before it tell nothing of this one.
      if (earlier !== undefined && wroteSince && !this.#saysTheSame(earlier, round)) {
        runs = new QuietRounds();
        lost += 1;
        continue;
      }
      runs.add(round, before, after);
      const quiet = await read.watch.sincePooled(signal);
      for (const { rounds, oneState, each } of runs.toJudge(firstRounds))
        if (this.#decided(first, rounds, { snapshot: false, oneState, each, quiet })) return true;
    }
    return false;
  }

  async #moment(signal: AbortSignal): Promise<Moment> {
    const { caller, read } = this.#parts;
    const { key, state } = read.resolved;
    const { epoch } = state.gate;
    return { epoch, state: await caller.state(key, signal) };
  }

  #saysTheSame(before: Round, now: Round): boolean {
    return sameOutcome(before.legacy, now.legacy, this.#parts.read.comesInOrder);
  }

  /** Runs both legs again in the state in which the answer was given, which nobody else can have changed. False where it isn't held, or where
   * the call leaves some of its answer open and the rest of that is not there to be looked at. */
  async #inStateOfAnswer(first: Round, signal: AbortSignal): Promise<boolean> {
    const { held, pending, read, rows } = this.#parts;
    const isOpen = read.open !== undefined;
    const snapshot = isOpen && rows === undefined ? undefined : await held?.take();
    if (isOpen && snapshot === undefined) return await this.#openAnswer(signal);
    if (snapshot === undefined) return false;
    if (isOpen) return await untilReleased(snapshot, () => this.#openAnswer(signal, snapshot));
    const around = { oneState: true, each: true, snapshot: true, quiet: true };
    const rounds: FullRound[] = [];
    return await untilReleased(snapshot, async () => {
      for (;;) {
        const round = await this.#rounds.run(signal, snapshot);
        rounds.push(round);
        const given = { legacy: rounds[0]?.legacy ?? round.legacy, pooled: first.pooled };
        if (sameOutcome(given.legacy, given.pooled, read.ordered)) {
          pending.verdict({ verdict: 'match', reason: agreesThere });
          return true;
        }
        if (rounds.length >= firstRounds && this.#decided(given, rounds, around)) return true;
      }
    });
  }

  /** Judges an answer that the call leaves open in part by its own rows, in its own state: in that snapshot, or where nobody has written since.
   * False where that can't be told, or where numbers differ by more than their last digits, of which one answer can't tell. */
  async #openAnswer(signal: AbortSignal, snapshot?: HeldSnapshot): Promise<boolean> {
    const { pending, read, rows } = this.#parts;
    if (rows === undefined) return false;
    const isInState = async (): Promise<boolean> =>
      snapshot !== undefined || (await read.watch.sinceAnswer(signal)) === true;
    if (!(await isInState())) return false;
    const given = await this.#rounds.run(signal, snapshot, { rows });
    if (given.digits !== undefined || noAnswer(given) !== undefined) return false;
    if (!(await isInState())) return false;
    const around = { oneState: true, each: true, snapshot: snapshot !== undefined, quiet: true };
    if (given.excuse !== undefined) return this.#decided(given, [given], around);
    if (given.differs !== true && sameOutcome(given.legacy, given.pooled, read.ordered)) {
      pending.verdict({ verdict: 'match', reason: agreesThere });
      return true;
    }
    const first = { ...given, differs: true };
    const rounds: FullRound[] = [];
    for (;;) {
      rounds.push(await this.#rounds.run(signal, snapshot));
      if (!(await isInState())) return false;
      if (rounds.length >= firstRounds && this.#decided(first, rounds, around, [first, ...rounds]))
        return true;
    }
  }

  /** Runs both legs again in one snapshot, where the engine has snapshots to share: writes may go on meanwhile. False where it has
   * none. */
  async #inSnapshot(first: Round, signal: AbortSignal): Promise<boolean> {
    const { caller, read } = this.#parts;
    const { key } = read.resolved;
    const snapshot = key === '' ? undefined : await caller.holdSnapshot(key, signal);
    if (snapshot === undefined) return false;
    const rounds: FullRound[] = [];
    return await untilReleased(snapshot, async () => {
      // The snapshot is what it was then: what is written from now on doesn't matter.
      const quiet = await read.watch.sincePooled(signal);
      const seen = quiet === true ? undefined : await this.#writesSeen(signal, snapshot);
      const around = {
        oneState: true,
        each: true,
        snapshot: true,
        quiet: seen === 'none' ? true : quiet,
        kept: seen === 'removals at most',
      };
      for (;;) {
        rounds.push(await this.#rounds.run(signal, snapshot));
        if (rounds.length >= firstRounds && this.#decided(first, rounds, around)) return true;
      }
    });
  }

  /** Runs both legs again whatever is written meanwhile, as long as the store shows that nothing was written to what the call reads. False
   * where it doesn't. */
  async #unwritten(first: Round, signal: AbortSignal): Promise<boolean> {
    if (this.#parts.read.watch.markBeforePooled === undefined) return false;
    const around = { oneState: true, each: true, snapshot: false, quiet: true };
    const rounds: FullRound[] = [];
    for (;;) {
      rounds.push(await this.#rounds.run(signal));
      if (rounds.length < firstRounds) continue;
      if ((await this.#writesSeen(signal)) !== 'none') return false;
      if (this.#decided(first, rounds, around)) return true;
    }
  }

  /** What the store shows of writes to what the call reads since before the pooled leg was first asked. */
  async #writesSeen(signal: AbortSignal, snapshot?: HeldSnapshot): Promise<WritesSeen | undefined> {
    const { caller, read } = this.#parts;
    const mark = read.watch.markBeforePooled;
    return mark === undefined
      ? undefined
      : await caller.writesSince(read.call(signal), mark, snapshot);
  }

  /** Settles the pending if the rounds tell enough. */
  #decided(
    first: Round,
    rounds: readonly FullRound[],
    around: Around,
    shown: readonly FullRound[] = rounds,
  ): boolean {
    const { read } = this.#parts;
    const finding = decide(first, rounds, {
      ...around,
      ordered: read.ordered,
      shared: read.resolved.key === '',
      undetermined: read.undetermined,
      timed: read.open?.rows === 'timed',
    });
    if (finding.verdict === 'again') return false;
    this.#settle(finding, first, shown);
    return true;
  }

  #settle(
    { verdict, reason }: Exclude<Finding, { readonly verdict: 'again' }>,
    first: Round,
    rounds: readonly FullRound[],
  ): void {
    const { pending, read } = this.#parts;
    const counts = (round: FullRound): boolean =>
      round.differs === true || !sameOutcome(round.legacy, round.pooled, read.ordered);
    const shown = rounds.find((round) => round.excuse === undefined && counts(round));
    const difference =
      shown === undefined || verdict !== 'mismatch'
        ? describeOutcomes(shown ?? first)
        : describeDifference(read.resolved, shown, this.#rounds.shown(shown), read.comesInOrder);
    pending.verdict({ ...difference, verdict, ...(reason === undefined ? {} : { reason }) });
  }

  /** Lets the writes in flight go on for a while; false where there are always some. */
  async #writesEnded(signal: AbortSignal): Promise<boolean> {
    const { clock, read } = this.#parts;
    const { gate } = read.resolved.state;
    for (let pauses = 0; !gate.quiet; pauses += 1) {
      if (pauses >= maxPauses) return false;
      await pause(clock, pauseMs);
      signal.throwIfAborted();
    }
    return true;
  }
}

/** Judges in a snapshot, and gives it back. False where it was lost. */
async function untilReleased(
  snapshot: HeldSnapshot,
  judge: () => Promise<boolean>,
): Promise<boolean> {
  try {
    return await judge();
  } catch (error) {
    if (error instanceof SnapshotLostError) return false;
    throw error;
  } finally {
    await snapshot.release();
  }
}
