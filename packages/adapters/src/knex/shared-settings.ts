/** What the driver connects by, as a program's function gives it. */
interface Settings {
  /** Whether it has to be asked for anew. Left out: never. */
  readonly expirationChecker?: (() => boolean) | undefined;
}

/**
 * A program's function that gives what the driver connects by, asked for both legs at once: what it gave holds for both, until it
 * says itself that it has expired. Rejects as the function does, which is then asked again.
 */
export function sharedSettings(provide: () => unknown): () => Promise<object> {
  let given: Promise<Settings> | undefined;
  const ask = async (): Promise<Settings> => {
    try {
      return (await provide()) as Settings;
    } catch (error) {
      given = undefined;
      throw error;
    }
  };
  return async () => {
    const known = given;
    const held = known === undefined ? undefined : await known;
    if (held === undefined || held.expirationChecker?.() === true)
      // Who comes in the same moment takes what the first one was given.
      given = given === known ? ask() : (given ?? ask());
    return copyOf((await given) as Settings);
  };
}

/** Knex takes from it what it knows, and its password is hidden. */
function copyOf(settings: Settings): object {
  const prototype = Object.getPrototypeOf(settings) as object | null;
  return Object.create(prototype, Object.getOwnPropertyDescriptors(settings)) as object;
}
