import type { RecordingStore } from './recording-store.ts';
import { StoreGoneError } from './store-identity.ts';
import type { Batch } from './store-rows.ts';
import type { StoreTrouble } from './store-trouble.ts';

/** What became of a write. `busy`: another process has the lock for a moment; `gone`: the file was taken away, and the next write makes
 * another one. */
export type WriteOutcome = 'stored' | 'busy' | 'failed' | 'gone';

/** The store as far as it can be had: opened by the first write, and again by the next where a write failed. */
export class StoreConnection {
  readonly #open: (maxWaitMs: number) => RecordingStore;
  readonly #trouble: StoreTrouble;
  readonly #isKept: boolean;
  #store: RecordingStore | undefined = undefined;
  /** For another process's lock. Not at all but at the end: the counting thread is the callers'. */
  #maxWaitMs = 0;

  /**
   * @param open told how long it may wait for another process's lock, in ms; throws the driver's error.
   * @param isKept true for a store that would be empty if it were opened again.
   */
  constructor(open: (maxWaitMs: number) => RecordingStore, trouble: StoreTrouble, isKept: boolean) {
    this.#open = open;
    this.#trouble = trouble;
    this.#isKept = isKept;
  }

  /** Undefined where it is not open. */
  get store(): RecordingStore | undefined {
    return this.#store;
  }

  /** Writes a batch, or with none looks whether what was written is still there. Tells the log what is wrong. Never throws. */
  write(batch: Batch | undefined): WriteOutcome {
    try {
      this.#store ??= this.#open(this.#maxWaitMs);
      if (batch === undefined) this.#store.check?.();
      else this.#store.write(batch);
    } catch (error) {
      return this.#failed(error);
    }
    this.#trouble.recovered();
    return 'stored';
  }

  /** For the last write before closing, which is on no caller's path. */
  allowWaiting(maxWaitMs: number): void {
    this.#maxWaitMs = maxWaitMs;
    try {
      this.#store?.allowWaiting(maxWaitMs);
    } catch {
      // Then each write is one short try.
    }
  }

  /** @throws the driver's error; it is let go in either case. */
  close(): void {
    const store = this.#store;
    this.#store = undefined;
    store?.close();
  }

  #failed(error: unknown): WriteOutcome {
    if (error instanceof StoreGoneError) {
      this.#drop();
      this.#trouble.gone();
      return 'gone';
    }
    const outcome = this.#trouble.failed(error);
    if (outcome === 'failed') this.#drop();
    return outcome;
  }

  /** A connection that failed may go on failing for its own reasons: the next try opens another. */
  #drop(): void {
    if (this.#isKept) return;
    try {
      this.close();
    } catch {
      // It is let go in either case.
    }
  }
}
