import type { Clock, Timer } from '@changeover/core';
import type { InlineReader } from './inline-reader.ts';

/** A reader that was used within this time is in use. */
const inUseMs = 1_000;

/** What reads of many rows may take of one turn of the event loop; more wait for the next, so that timers and sockets get
 * theirs, even where a caller reads again as soon as it was answered. */
const turnMs = 5;

/** The main thread's SQLite connections of one factory: bounded in number, and closed when idle. */
export class InlineReaders {
  readonly #max: number;
  readonly #idleTimeoutMs: number;
  readonly #clock: Clock;
  /** In the order of their last use, as far as more than one is in use. */
  readonly #open = new Set<InlineReader>();
  #last: InlineReader | undefined;
  #timer: Timer | undefined;
  #spentMs = 0;
  #turn: Promise<void> | undefined;

  /**
   * @param max connections open at once; the one not used for longest goes first.
   * @param idleTimeoutMs one not used for this long is closed.
   */
  constructor(max: number, idleTimeoutMs: number, clock: Clock) {
    this.#max = max;
    this.#idleTimeoutMs = idleTimeoutMs;
    this.#clock = clock;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Whether one more may be opened: there is room, or the one used longest ago is not in use. With more datasets busy
   * than there may be readers, each would else be closed and opened again for every read. */
  get hasRoom(): boolean {
    const [oldest] = this.#open;
    return (
      this.#open.size < this.#max ||
      oldest === undefined ||
      this.#clock.monotonicMs() - oldest.usedAtMs >= inUseMs
    );
  }

  /** Whether this turn of the event loop has had its share of long reads. */
  get turnSpent(): boolean {
    return this.#spentMs >= turnMs;
  }

  /** A long read took this much of the turn. */
  spend(durationMs: number): void {
    this.#spentMs += durationMs;
    void this.nextTurn();
  }

  /** Resolves when the next turn has begun. */
  nextTurn(): Promise<void> {
    this.#turn ??= new Promise((resolve) => {
      setImmediate(() => {
        this.#turn = undefined;
        this.#spentMs = 0;
        resolve();
      });
    });
    return this.#turn;
  }

  /** A reader was used, so that it is open. */
  used(reader: InlineReader): void {
    if (this.#last === reader) return;
    this.#open.delete(reader);
    this.#open.add(reader);
    this.#last = reader;
    this.#timer ??= this.#clock.after(this.#idleTimeoutMs, () => {
      this.#sweep();
    });
    const [oldest] = this.#open;
    if (this.#open.size <= this.#max || oldest === undefined) return;
    this.forget(oldest);
    oldest.close();
  }

  /** A reader is being closed by its owner. */
  forget(reader: InlineReader): void {
    this.#open.delete(reader);
    if (this.#last === reader) this.#last = undefined;
  }

  #sweep(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const reader of [...this.#open]) {
      if (nowMs - reader.usedAtMs < this.#idleTimeoutMs) continue;
      this.forget(reader);
      reader.close();
    }
    this.#timer =
      this.#open.size === 0
        ? undefined
        : this.#clock.after(this.#idleTimeoutMs, () => {
            this.#sweep();
          });
  }
}
