import { AsyncLocalStorage } from 'node:async_hooks';

/** What an operation that lasts gave, until it is told to end. */
export interface Held<T> {
  readonly value: T;
  /** Runs something inside the operation, in the asynchronous context that it was begun in. */
  inside<R>(work: () => R): R;
  /** Ends the operation. Resolves when it has ended, so that what was held back by it comes after; rejects as it does. */
  end(): Promise<void>;
}

/**
 * Begins an operation that hands something to its function and lasts as long as that runs, for code that can't be put into a
 * function: Kysely and Knex begin and end a transaction by two calls.
 *
 * Rejects as `begin` does where that fails before it gave anything.
 */
export async function hold<T>(
  begin: (work: (given: T) => Promise<void>) => Promise<unknown>,
): Promise<Held<T>> {
  const given = Promise.withResolvers<{ readonly value: T; readonly inside: Held<T>['inside'] }>();
  const over = Promise.withResolvers<undefined>();
  const made = begin((value) => {
    given.resolve({ value, inside: AsyncLocalStorage.snapshot() });
    return over.promise;
  });
  made.catch(given.reject);
  const { value, inside } = await given.promise;
  return {
    value,
    inside,
    async end() {
      over.resolve(undefined);
      await made;
    },
  };
}

/** What needs no operation of its own: it runs in another one already. */
export function heldAlready<T>(value: T): Held<T> {
  return { value, inside: (work) => work(), end: () => Promise.resolve() };
}
