import { ConnectionError } from '@changeover/engines';
import type { Clock } from '@changeover/core';
import type { StorageErrorFields } from '@changeover/engines';
import type { ParsedPoolOptions } from './pool-options.ts';
import type { ResourceSource } from './resource-source.ts';

/** What came of opening a connection. */
export type Opened<Resource extends object> =
  | { readonly resource: Resource; readonly tookMs: number }
  | { readonly resource: undefined; readonly error: unknown; readonly mayPass: boolean };

/** A source each of whose actions ends in its own time, whatever the engine does. */
export class TimedSource<Resource extends object> {
  readonly #source: ResourceSource<Resource>;
  readonly #options: ParsedPoolOptions;
  readonly #clock: Clock;
  readonly #fields: StorageErrorFields;
  readonly #onGone: (wasLate: boolean) => void;
  readonly #openings = new Set<AbortController>();
  #late = 0;

  /** @param onGone told of each connection, or attempt at one, of which nothing is left, and whether it had been given up
   * before. */
  constructor(
    source: ResourceSource<Resource>,
    options: ParsedPoolOptions,
    clock: Clock,
    fields: StorageErrorFields,
    onGone: (wasLate: boolean) => void,
  ) {
    this.#source = source;
    this.#options = options;
    this.#clock = clock;
    this.#fields = fields;
    this.#onGone = onGone;
  }

  /** Attempts that were given up and still go on: nobody gets their connections, but they exist until they are closed. */
  get late(): number {
    return this.#late;
  }

  /** Opens one within `connectTimeoutMs`. Never rejects. */
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
      // Through an async function, so that a source that throws instead of rejecting is met as well.
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

  /** Gives all attempts up that are under way. */
  giveUpOpening(reason: unknown): void {
    for (const opening of this.#openings) opening.abort(reason);
  }

  /** Closes one in good order within `closeTimeoutMs`, then by force. Never rejects. */
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

  /** Asks whether one still answers within `validationTimeoutMs`. Never rejects. */
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
