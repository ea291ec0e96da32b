import type { Logger } from '../../log.ts';

/** Functions to be called on a change. One that throws is logged and keeps nobody else from being called. */
export class Listeners {
  readonly #logger: Logger;
  readonly #listeners = new Set<{ readonly listener: () => void }>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Returns the function that removes it. The same function added twice is called twice. */
  add(listener: () => void): () => void {
    const entry = { listener };
    this.#listeners.add(entry);
    return () => {
      this.#listeners.delete(entry);
    };
  }

  notify(): void {
    for (const { listener } of this.#listeners) {
      try {
        listener();
      } catch (error) {
        this.#logger.error(
          { err: error },
          'a listener to changes of the flags failed; the others were told',
        );
      }
    }
  }

  clear(): void {
    this.#listeners.clear();
  }
}
