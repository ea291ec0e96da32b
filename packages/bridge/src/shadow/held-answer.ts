import type { HeldSnapshot } from '@changeover/core';

/** The state of a key in which a caller's read was answered, as long as its comparison may need it. */
export class HeldAnswer {
  readonly #snapshot: Promise<HeldSnapshot | undefined>;
  #taken = false;

  /** @param snapshot what the leg holds; must not reject. */
  constructor(snapshot: Promise<HeldSnapshot | undefined>) {
    this.#snapshot = snapshot;
  }

  /** The state, which whoever takes it has to release. Undefined where it isn't held, or was given up. */
  take(): Promise<HeldSnapshot | undefined> {
    if (this.#taken) return Promise.resolve(undefined);
    this.#taken = true;
    return this.#snapshot;
  }

  /** Gives it up where nobody has taken it. */
  end(): void {
    void this.take().then((snapshot) => snapshot?.release());
  }
}
