import { ConnectionError } from '@changeover/engines/api';
import type { Clock } from '@changeover/core';
import type { StorageErrorFields } from '@changeover/engines/api';
import type { ParsedPoolOptions } from './pool-options.ts';
import type { ResourceSource } from './resource-source.ts';

/** The outcome of an attempt to open a connection. */
export type Opened<Resource extends object> =
  | { readonly resource: Resource; readonly tookMs: number }
  | { readonly resource: undefined; readonly error: unknown; readonly mayPass: boolean };

/** What a {@link TimedSource} is made of. */
export interface TimedSourceParts<Resource extends object> {
  readonly source: ResourceSource<Resource>;
  /** The time limits. */
  readonly options: ParsedPoolOptions;
  readonly clock: Clock;
  readonly fields: StorageErrorFields;
}

/** A source with a time limit on opening, validating and closing, which holds whatever the engine does. */
export class TimedSource<Resource extends object> {
  readonly #source: ResourceSource<Resource>;
  readonly #options: ParsedPoolOptions;
  readonly #clock: Clock;
  readonly #fields: StorageErrorFields;
  readonly #onGone: (wasLate: boolean) => void;
  readonly #openings = new Set<AbortController>();
  #late = 0;

  /** @param onGone called for each connection that was closed and each attempt to open one that failed, and whether the
   * attempt had been given up before. */
  constructor(parts: TimedSourceParts<Resource>, onGone: (wasLate: boolean) => void) {
    this.#source = parts.source;
    this.#options = parts.options;
    this.#clock = parts.clock;
    this.#fields = parts.fields;
    this.#onGone = onGone;
  }

  /** Attempts to open that were given up and have not ended. What they open is closed, but counts until then. */
  get late(): number {
    return this.#late;
  }

  /** Opens a connection within `connectTimeoutMs`. Never rejects. */
  open(): Promise<Opened<Resource>> {
    const { connectTimeoutMs } = this.#options;
    const controller = new AbortController();
    const { signal } = controller;
    const startedMs = this.#clock.monotonicMs();
    this.#openings.add(controller);
    return new Promise((resolve) => {
      const giveUp = (): void => {
        this.#late += 1;
        resolve({ resource: undefined, error: signal.reason, mayPass: true });
      };
      signal.addEventListener('abort', giveUp, { once: true });
      const timer = this.#clock.after(connectTimeoutMs, () => {
        controller.abort(
          new ConnectionError(`Opening a connection took longer than ${connectTimeoutMs} ms.`, {
            ...this.#fields,
            retryable: true,
          }),
        );
      });
      const ended = (): void => {
        timer.cancel();
        this.#openings.delete(controller);
        signal.removeEventListener('abort', giveUp);
      };
      // In an async function, so that a source that throws instead of rejecting is handled too.
      void (async () => await this.#source.open(signal))().then(
        (resource) => {
          ended();
          if (signal.aborted) void this.#endLate(resource);
          else resolve({ resource, tookMs: this.#clock.monotonicMs() - startedMs });
        },
        (error: unknown) => {
          ended();
          if (signal.aborted) this.#late -= 1;
          else resolve({ resource: undefined, error, mayPass: this.#source.mayPass(error) });
          this.#onGone(signal.aborted);
        },
      );
    });
  }

  /** Gives up all attempts to open a connection. */
  giveUpOpening(reason: unknown): void {
    for (const opening of this.#openings) opening.abort(reason);
  }

  /** Closes a connection, by force after `closeTimeoutMs`. Never rejects. */
  async end(resource: Resource): Promise<void> {
    await this.#close(resource);
    this.#onGone(false);
  }

  async #close(resource: Resource): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = this.#clock.after(this.#options.closeTimeoutMs, () => {
        this.#source.cut(resource);
        resolve();
      });
      const done = (): void => {
        timer.cancel();
        resolve();
      };
      void (async () => {
        await this.#source.close(resource);
      })().then(done, () => {
        this.#source.cut(resource);
        done();
      });
    });
  }

  /** Whether a connection answers within `validationTimeoutMs`. Never rejects. */
  async isValid(resource: Resource): Promise<boolean> {
    const controller = new AbortController();
    return await new Promise<boolean>((resolve) => {
      const timer = this.#clock.after(this.#options.validationTimeoutMs, () => {
        controller.abort();
        resolve(false);
      });
      void (async () => await this.#source.validate(resource, controller.signal))()
        .then(resolve, () => {
          resolve(false);
        })
        .finally(() => {
          timer.cancel();
        });
    });
  }

  async #endLate(resource: Resource): Promise<void> {
    await this.#close(resource);
    this.#late -= 1;
    this.#onGone(true);
  }
}
