import type {
  OnFailure,
  PendingCalls,
  RequestBody,
  WorkerAnswer,
  WriteOutcome,
} from './pending-calls.ts';

/** Where SQLite connections live: a worker thread or a child process. */
export abstract class SqliteHost {
  /** Requests that were not answered yet. */
  protected readonly calls: PendingCalls;
  /** Why it ended, as far as that was told. */
  protected cause: unknown;
  readonly #onLost: () => void;
  #connectionNumber = 0;
  #lost = false;
  /** Connections that live there. */
  connections = 0;

  /** @param onLost called once, when it has ended for whatever reason. */
  constructor(calls: PendingCalls, onLost: () => void) {
    this.calls = calls;
    this.#onLost = onLost;
  }

  /** A number for one more connection there. */
  nextConnection(): number {
    this.#connectionNumber += 1;
    return this.#connectionNumber;
  }

  /** It ended; nothing may be asked of it any more. */
  get lost(): boolean {
    return this.#lost;
  }

  /** How many requests were not answered yet. */
  get running(): number {
    return this.calls.size;
  }

  /**
   * Asks for something.
   *
   * @throws {RefusedError} where nothing of it was run because no plan bounds it; the operation's own error; a retryable
   * `ConnectionError` where the host died and nothing can have been applied; a `CommitUnknownError` where it died in the
   * middle of a commit.
   */
  abstract ask(dataset: string, request: RequestBody, onFailure: OnFailure): Promise<WorkerAnswer>;

  /** To be told once it has ended and every answer has come that it gave before.
   *
   * @param outcomeOf how far a write had come. */
  protected end(outcomeOf: (call: number) => WriteOutcome): void {
    if (this.#lost) return;
    this.#lost = true;
    this.#onLost();
    this.calls.lost(outcomeOf, this.cause);
  }
}
