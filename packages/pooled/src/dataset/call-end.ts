/** Lets one call be ended from outside, as `EndableCall` of a leg says. */
export class CallEnd {
  /** False as long as no part of the pooled leg has the call, which then can't be ended. */
  taken = false;
  /** Asked at the end, while something runs: false where it is to go on. Undefined: nothing runs that couldn't be ended. */
  mayEnd: (() => boolean) | undefined = undefined;
  /** Whose writes are kept in order, and this among them; undefined where order is nobody's. */
  readonly caller: object | undefined;
  readonly #controller = new AbortController();

  constructor(caller?: object) {
    this.caller = caller;
  }

  /** Aborted when the call is ended, with the reason. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** @returns false where the call goes on. */
  end(reason: Error): boolean {
    if (!this.taken || this.mayEnd?.() === false) return false;
    this.#controller.abort(reason);
    return true;
  }
}
