import { sameState } from './confirmation.ts';

/** What was known of writes to a key at one moment. */
export interface Moment {
  /** Of the key's gate. */
  readonly epoch: number;
  /** See `Leg.state`. */
  readonly state: string | undefined;
}

/** Rounds that are judged together. */
export interface JudgedRounds<Round> {
  readonly rounds: readonly Round[];
  /** See `Evidence.oneState`. */
  readonly oneState: boolean | undefined;
  /** See `Evidence.each`. */
  readonly each: boolean;
}

/** Rounds into which no write of this process fell, and what is known of others' writes. */
export class QuietRounds<Round> {
  readonly all: Round[] = [];
  /** Those that nobody at all wrote into. */
  readonly #quiet: Round[] = [];
  #first: Moment | undefined;
  #last: Moment | undefined;

  /** When the first of them began. */
  get since(): Moment | undefined {
    return this.#first;
  }

  add(round: Round, before: Moment, after: Moment): void {
    this.#first ??= before;
    this.#last = after;
    this.all.push(round);
    if (sameState(before.state, after.state) === true) this.#quiet.push(round);
  }

  /** What can be judged so far: those that nobody wrote into, and all of them.
   *
   * @param least fewer are not judged. */
  toJudge(least: number): readonly JudgedRounds<Round>[] {
    const oneState = this.#oneState;
    const quiet = { rounds: this.#quiet, oneState, each: true };
    const all = { rounds: this.all, oneState, each: false };
    const judged = this.#quiet.length === this.all.length ? [quiet] : [quiet, all];
    return judged.filter(({ rounds }) => rounds.length >= least);
  }

  get #oneState(): boolean | undefined {
    if (this.#first === undefined || this.#last === undefined) return undefined;
    if (this.#first.epoch !== this.#last.epoch) return false;
    return sameState(this.#first.state, this.#last.state);
  }
}
