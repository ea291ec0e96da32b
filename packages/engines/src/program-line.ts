import { ClosedError, StorageError } from './api/storage-errors.ts';
import { type Engine, engineTitles } from './api/engine.ts';

/** Programs waiting on one connection at most; a transaction that starts more statements than this at once is refused. */
const maxWaiting = 100_000;

/** Runs one thing after the other, for an engine's connection takes one statement at a time. */
export class ProgramLine {
  readonly #engine: Engine;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #closed = false;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Runs `work` when all that was given before has ended. Rejects with a {@link ClosedError} once closed. */
  run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(this.#closedError());
    if (this.#waiting >= maxWaiting) {
      return Promise.reject(
        new StorageError(
          'TOO_MANY_WAITING',
          `More than ${maxWaiting} calls wait on one connection.`,
          {
            engine: this.#engine,
          },
        ),
      );
    }
    this.#waiting += 1;
    const result = this.#last.then(() => {
      this.#waiting -= 1;
      if (this.#closed) throw this.#closedError();
      return work();
    });
    this.#last = result.catch(() => undefined);
    return result;
  }

  /** Runs `work` at once, whatever else runs. Rejects with a {@link ClosedError} once closed. */
  runAtOnce<T>(work: () => Promise<T>): Promise<T> {
    return this.#closed ? Promise.reject(this.#closedError()) : work();
  }

  /** Lets nothing begin any more. Resolves when what runs has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#last;
  }

  #closedError(): ClosedError {
    return new ClosedError(`The ${engineTitles[this.#engine]} connection was closed.`, {
      engine: this.#engine,
    });
  }
}

/** Waits for `promise`, but no longer than `limitMs`. Tells whether it came in time; never rejects. */
export async function settledWithin(promise: Promise<unknown>, limitMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => {
      resolve(false);
    }, limitMs);
  });
  const settled = promise.then(
    () => true,
    () => true,
  );
  const inTime = await Promise.race([settled, late]);
  clearTimeout(timer);
  return inTime;
}
