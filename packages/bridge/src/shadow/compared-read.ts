import { digestValue, findDifference } from '@changeover/compare';
import type {
  AnswerFacts,
  OpenParts,
  ReadDefinition,
  ShadowCall,
  Undetermined,
} from '@changeover/core';
import type { ResolvedCall } from '../call/resolved-call.ts';
import type { Round } from './confirmation.ts';
import { mayBePlaced } from './open-parts.ts';
import { sameOutcome, type ShadowCaller } from './shadow-caller.ts';

/** Both legs' results of one run. */
export interface Results {
  readonly legacy: unknown;
  readonly pooled: unknown;
}

/** What a compared read is made of. */
export interface ComparedReadParts {
  readonly caller: ShadowCaller;
  readonly resolved: ResolvedCall;
  readonly args: readonly unknown[];
  /** Now, by the monotonic clock. */
  readonly startedMs: number;
}

/** One read that is compared: how it is asked again, what is known of its answer, and whether anybody wrote since it was made. */
export class ComparedRead {
  readonly resolved: ResolvedCall;
  readonly args: readonly unknown[];
  /** What is known of writes since before the read. */
  readonly watch: QuietWatch;
  #facts: AnswerFacts | undefined;

  /** To be made before the read is. */
  constructor({ caller, resolved, args, startedMs }: ComparedReadParts) {
    this.resolved = resolved;
    this.args = args;
    this.watch = new QuietWatch(caller, resolved, startedMs);
  }

  /**
   * Asks what is known of the call's answer; undefined where nobody is to be asked. Resolves to false where the call must not be made
   * again. Never rejects.
   */
  learn(): Promise<boolean> | undefined {
    const { facts } = this.resolved.definition as {
      facts?: (...args: readonly unknown[]) => Promise<AnswerFacts>;
    };
    return facts?.(...this.args).then(
      (known) => {
        this.#facts = known;
        return known.acts === undefined;
      },
      () => false,
    );
  }

  /** The read as a leg is asked for it once more. */
  call(signal: AbortSignal): ShadowCall {
    const { compareAs } = this.resolved.definition as ReadDefinition;
    return { operation: this.resolved.operation, args: this.args, signal, compareAs };
  }

  get resultKind(): 'rows' | 'value' {
    return (this.resolved.definition as ReadDefinition).result ?? 'value';
  }

  /** The call promises the order of its rows. */
  get ordered(): boolean {
    if (this.#facts !== undefined) return this.#facts.ordered;
    const { ordered } = this.resolved.definition as {
      ordered?: (...args: readonly unknown[]) => boolean;
    };
    return ordered?.(...this.args) ?? false;
  }

  /** Rows come in an order, be it but for those that are equal in it. */
  get comesInOrder(): boolean {
    const { open } = this;
    return this.ordered || (open !== undefined && (open.sortedBy.length > 0 || mayBePlaced(open)));
  }

  /** It determines all of its answer but for the order of some rows. */
  get opensOrderAlone(): boolean {
    const { open } = this;
    return open?.rows === 'determined' && open.columns.length === 0 && open.rounded.length === 0;
  }

  /** What the call leaves open. */
  get open(): OpenParts | undefined {
    return this.#facts?.open;
  }

  /** Why the call's answer may differ from run to run. */
  get undetermined(): Undetermined | undefined {
    if (this.#facts !== undefined) return this.#facts.undetermined;
    const { undetermined } = this.resolved.definition as {
      undetermined?: (...args: readonly unknown[]) => Undetermined | undefined;
    };
    return undetermined?.(...this.args);
  }

  /** A rule explains how the results differ. */
  passesByRule({ legacy, pooled }: Results): boolean {
    const { key, operation, rules: book } = this.resolved;
    const rules = book?.for(operation, key);
    if (rules === undefined) return false;
    const difference = findDifference(legacy, pooled, this.ordered, rules);
    if (difference === undefined) return true;
    if (difference.class !== 'order' || !rules.orderFree) return false;
    rules.usedOrderFree();
    return true;
  }
}

/** What was known of writes to a key at one moment. */
interface Moment {
  /** Of the key's gate. */
  readonly epoch: number;
  /** No write of this process was in flight. */
  readonly quiet: boolean;
  /** See `ShadowLeg.version`. */
  readonly version: string | undefined;
  /** See `Leg.state`. */
  readonly state: string | undefined;
  /** See `ShadowLeg.mark`. */
  readonly mark: string | undefined;
}

/**
 * What is known of writes to a key around the runs of one comparison: those of this process by the key's gate, those of anybody by
 * the tokens of the pooled leg. Between two moments nobody wrote if both say so.
 */
class QuietWatch {
  readonly #caller: ShadowCaller;
  readonly #resolved: ResolvedCall;
  readonly #beforeAnswer: Moment;
  #beforePooled: Moment;

  /** To be made before the answering leg is asked.
   *
   * @param startedMs now, by the monotonic clock. */
  constructor(caller: ShadowCaller, resolved: ResolvedCall, startedMs: number) {
    this.#caller = caller;
    this.#resolved = resolved;
    const { key, state } = resolved;
    this.#beforeAnswer = this.#moment({
      version: caller.versionBefore(key, state.gate.epoch, startedMs),
      state: caller.stateBefore(key, startedMs),
      mark: caller.markBefore(key, startedMs),
    });
    this.#beforePooled = this.#beforeAnswer;
  }

  /** No write of this process began or ended since before the answer. */
  get stillQuiet(): boolean {
    const { quiet, epoch } = this.#beforeAnswer;
    return quiet && this.#resolved.state.gate.epoch === epoch;
  }

  /** To be called before the first run of the pooled leg, where that is not the answer. Rejects only when the signal is aborted. */
  async beforePooled(signal: AbortSignal): Promise<void> {
    this.#beforePooled = await this.look(signal);
  }

  /** The same, told with that run. */
  stateBeforePooled(state: string): void {
    const { key } = this.#resolved;
    this.#caller.told(key, state);
    this.#beforePooled = this.#moment({ version: this.#caller.version(key), state, mark: state });
  }

  /** What is known now; by its tokens, the next call on the key knows what was before it. Rejects only when the signal is aborted. */
  async look(signal: AbortSignal): Promise<Moment> {
    const { key } = this.#resolved;
    const version = this.#caller.version(key);
    const state = version === undefined ? await this.#caller.state(key, signal) : undefined;
    const mark = await this.#caller.mark(key, { version, state }, signal);
    return this.#moment({ version, state, mark });
  }

  /** How far writes had come before the pooled leg was first asked. */
  get markBeforePooled(): string | undefined {
    return this.#beforePooled.mark;
  }

  /** Whether nobody has written since before the answer; undefined where that can't be told. Rejects only when the signal is aborted. */
  sinceAnswer(signal: AbortSignal): Promise<boolean | undefined> {
    return this.#since(this.#beforeAnswer, signal);
  }

  /** The same since before the pooled leg was first asked. */
  sincePooled(signal: AbortSignal): Promise<boolean | undefined> {
    return this.#since(this.#beforePooled, signal);
  }

  async #since(before: Moment, signal: AbortSignal): Promise<boolean | undefined> {
    const { gate } = this.#resolved.state;
    if (!before.quiet || gate.epoch !== before.epoch) return false;
    const now = await this.look(signal);
    if (gate.epoch !== before.epoch) return false;
    return sameToken(before.version, now.version) ?? sameToken(before.state, now.state);
  }

  #moment(told: Pick<Moment, 'version' | 'state' | 'mark'>): Moment {
    const { epoch, quiet } = this.#resolved.state.gate;
    return { epoch, quiet, ...told };
  }
}

function sameToken(before: string | undefined, now: string | undefined): boolean | undefined {
  return before === undefined || now === undefined ? undefined : before === now;
}

/** Calls under suspicion that are remembered; beyond it the oldest are forgotten. */
const maxRemembered = 1_000;

/** How often a call has differed, this time included, since legacy said something else. */
export interface Sightings {
  readonly times: number;
  /** The pooled leg said the same each time, too. */
  readonly steady: boolean;
}

interface Sighting extends Sightings {
  readonly round: Round;
  readonly judgedMs: number;
}

/**
 * What the legs said to calls on which they differed. Where the legacy leg is too busy to be asked again, the same call made again by
 * a caller is as good a witness: if legacy says the same twice and the pooled leg differs twice, the difference is real, and a query
 * that isn't determined has been ruled out.
 */
export class SeenDifferences {
  readonly #seen = new Map<string, Sighting>();

  /** Nothing is under suspicion: nothing needs to be looked up. */
  get none(): boolean {
    return this.#seen.size === 0;
  }

  /** The same for calls of the same operation with the same arguments. */
  key({ key, operation }: ResolvedCall, args: readonly unknown[]): string {
    return `${key}\0${operation}\0${digestValue(args.filter((argument) => typeof argument !== 'function')).ordered}`;
  }

  /**
   * Takes note of a call on which the legs differ. Those count that were judged before this one began: two that ran at once saw the same
   * moment, and one write between them and their shadows explains both.
   *
   * @param startedMs when this call began, by the monotonic clock.
   * @param nowMs by the same.
   */
  note(
    key: string,
    round: Round,
    { startedMs, nowMs, ordered }: { startedMs: number; nowMs: number; ordered: boolean },
  ): Sightings {
    const before = this.#seen.get(key);
    const counts =
      before !== undefined &&
      before.judgedMs < startedMs &&
      sameOutcome(before.round.legacy, round.legacy, ordered);
    const sighting: Sighting = {
      round,
      judgedMs: nowMs,
      times: counts ? before.times + 1 : 1,
      steady: !counts || (before.steady && sameOutcome(before.round.pooled, round.pooled, ordered)),
    };
    this.#seen.delete(key);
    this.#seen.set(key, sighting);
    const [oldest] = this.#seen.keys();
    if (this.#seen.size > maxRemembered && oldest !== undefined) this.#seen.delete(oldest);
    return sighting;
  }

  forget(key: string): void {
    this.#seen.delete(key);
  }
}
