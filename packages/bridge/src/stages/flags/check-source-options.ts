import { describe, InvalidOptionError } from '@changeover/core';

/**
 * Refuses what a source can't be opened by, at once: it goes on without flags where they can't be had, and it tells of that by its logger.
 *
 * @param place the option that says where the flags are.
 * @param example what to write.
 * @throws {InvalidOptionError}
 */
export function checkSourceOptions(
  name: string,
  place: string,
  example: string,
  options: unknown,
): void {
  const refuse = (found: string): never => {
    throw new InvalidOptionError(`${name} takes one object, as in ${name}(${example}). ${found}`);
  };
  if (typeof options !== 'object' || options === null)
    return refuse(
      `It was given ${typeof options === 'string' ? 'the text ' : 'something '}${describe(options)}.`,
    );
  const given = options as Readonly<Record<string, unknown>>;
  if (typeof given[place] !== 'string' || given[place] === '')
    return refuse(`Its ${place} is ${describe(given[place])}, and must be a text.`);
  const { logger } = given;
  if (typeof (logger as { readonly warn?: unknown } | null | undefined)?.warn !== 'function')
    return refuse(
      `Its logger is ${logger === undefined ? 'missing' : describe(logger)}: createLogger() makes one, and pino's fits as well.`,
    );
}
