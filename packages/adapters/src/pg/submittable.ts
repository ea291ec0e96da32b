import type { Submittable } from 'pg';

/** What the driver calls of a query that it was handed, beside `submit`. */
interface Handlers {
  handleReadyForQuery?: (...args: readonly unknown[]) => unknown;
  handleError?: (...args: readonly unknown[]) => unknown;
}

/** Resolves when a cursor, stream or query of the caller's has left its connection. Nothing of it is read. */
export function endOf(submittable: Submittable): Promise<void> {
  return new Promise((resolve) => {
    const query = submittable as Submittable & Handlers;
    for (const name of ['handleReadyForQuery', 'handleError'] as const) {
      const handle = query[name];
      if (handle === undefined) continue;
      query[name] = function (this: unknown, ...args) {
        // What the connection goes on to do is told by its status.
        resolve();
        return Reflect.apply(handle, this, args);
      };
    }
  });
}

/** Tells a query that was never sent why, as the driver does. */
export function fail(submittable: Submittable, error: unknown): void {
  const { handleError } = submittable as Handlers;
  process.nextTick(() => {
    Reflect.apply(handleError ?? (() => undefined), submittable, [error, undefined]);
  });
}
