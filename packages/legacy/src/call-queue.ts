import { AsyncLocalStorage } from 'node:async_hooks';
import { AbortedError, StorageError } from '@changeover/engines/api';

/** Calls waiting at most; more than this is a caller without bounds of its own. */
const maxWaiting = 100_000;

interface WaitingCall {
  start(): void;
}

/** The one queue of a legacy object: a call runs when all before it have ended. */
export class CallQueue {
  readonly #waiting = new Set<WaitingCall>();
  #running = false;

  /** Whether nothing runs and nothing waits. */
  get idle(): boolean {
    return !this.#running;
  }

  /**
   * Runs `task` in its turn.
   *
   * @param signal takes the call out of the queue while it waits; the call then rejects with an {@link AbortedError}.
   */
  run<T>(task: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (signal?.aborted === true) return Promise.reject(abortedError(signal));
    if (!this.#running) return this.#start(task);
    if (this.#waiting.size >= maxWaiting) {
      return Promise.reject(
        new StorageError(
          'TOO_MANY_WAITING',
          `More than ${maxWaiting} calls wait for the legacy object.`,
        ),
      );
    }
    // Or a call would run in the asynchronous context of the one that ended before it.
    const inOwnContext = AsyncLocalStorage.snapshot();
    return new Promise<T>((resolve, reject) => {
      const call: WaitingCall = {
        start: () => {
          signal?.removeEventListener('abort', leave);
          inOwnContext(() => {
            this.#start(task).then(resolve, reject);
          });
        },
      };
      const leave = (): void => {
        this.#waiting.delete(call);
        reject(abortedError(signal));
      };
      signal?.addEventListener('abort', leave, { once: true });
      this.#waiting.add(call);
    });
  }

  async #start<T>(task: () => Promise<T>): Promise<T> {
    this.#running = true;
    try {
      return await task();
    } finally {
      this.#next();
    }
  }

  #next(): void {
    for (const call of this.#waiting) {
      this.#waiting.delete(call);
      call.start();
      return;
    }
    this.#running = false;
  }
}

/** What a call rejects with whose signal was first. */
export function abortedError(signal: AbortSignal | undefined): AbortedError {
  return new AbortedError('The call was given up before the legacy object came to it.', {
    cause: signal?.reason,
  });
}
