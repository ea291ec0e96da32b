import type { ResolvedCall } from '../call/resolved-call.ts';
import type { ShadowCaller } from './shadow-caller.ts';

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
}

/**
 * What is known of writes to a key around the runs of one comparison: those of this process by the key's gate, those of anybody by
 * the tokens of the pooled leg. Between two moments nobody wrote if both say so.
 */
export class QuietWatch {
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
    const { key } = resolved;
    this.#beforeAnswer = this.#moment(caller.version(key), caller.stateBefore(key, startedMs));
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

  /** What is known now; by its tokens, the next call on the key knows what was before it. Rejects only when the signal is aborted. */
  async look(signal: AbortSignal): Promise<Moment> {
    const { key } = this.#resolved;
    const version = this.#caller.version(key);
    const state = version === undefined ? await this.#caller.state(key, signal) : undefined;
    return this.#moment(version, state);
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

  #moment(version: string | undefined, state: string | undefined): Moment {
    const { epoch, quiet } = this.#resolved.state.gate;
    return { epoch, quiet, version, state };
  }
}

function sameToken(before: string | undefined, now: string | undefined): boolean | undefined {
  return before === undefined || now === undefined ? undefined : before === now;
}
