/** What an operation that lasts gave, until it is told to end. */
export interface Held<T> {
  readonly value: T;
  /** Ends the operation. Resolves when it has ended, so that what was held back by it comes after; rejects as it does. */
  end(): Promise<void>;
}

/**
 * Begins an operation that hands something to its function and lasts as long as that runs, for code that can't be put into a
 * function: Kysely begins and ends a transaction by two calls.
 *
 * Rejects as `begin` does where that fails before it gave anything.
 */
export async function hold<T>(
  begin: (work: (given: T) => Promise<void>) => Promise<unknown>,
): Promise<Held<T>> {
  const given = Promise.withResolvers<T>();
  const over = Promise.withResolvers<undefined>();
  const made = begin((value) => {
    given.resolve(value);
    return over.promise;
  });
  made.catch(given.reject);
  const value = await given.promise;
  return {
    value,
    async end() {
      over.resolve(undefined);
      await made;
    },
  };
}
