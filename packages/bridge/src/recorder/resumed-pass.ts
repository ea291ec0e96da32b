/**
 * Finds some of many entries at a time. Whoever stores what was found goes on behind it: to begin anew each time would be to look at all that
 * have nothing new as often as there are parts to store.
 */
export class ResumedPass<Entry> {
  readonly #entries: () => Iterator<Entry>;
  /** Where the last search stopped, and where the next one begins. */
  #stopped: Iterator<Entry> | undefined;
  #next: Iterator<Entry> | undefined;

  /** @param entries all of them, in an iterator that also comes to those that are added while it is used, as those of maps and sets do. */
  constructor(entries: () => Iterator<Entry>) {
    this.#entries = entries;
  }

  /** At most `limit` that are wanted. Fewer are all that there are, wherever it began. */
  find(limit: number, isWanted: (entry: Entry) => boolean): readonly Entry[] {
    const begun = this.#next;
    this.#next = this.#stopped = undefined;
    const found = new Set<Entry>();
    for (const part of begun === undefined ? [this.#entries()] : [begun, this.#entries()]) {
      for (let one = part.next(); one.done !== true; one = part.next()) {
        if (!isWanted(one.value)) continue;
        found.add(one.value);
        if (found.size < limit) continue;
        this.#stopped = part;
        return [...found];
      }
    }
    return [...found];
  }

  /** What was found last is wanted no more. Without this, the next search finds it again. */
  goOn(): void {
    this.#next = this.#stopped;
  }
}
