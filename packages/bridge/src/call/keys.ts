import { refuseUnknown } from '../bridge-settings.ts';
import type { Method } from './invoke.ts';
import { InvalidKeyError, type KeyOf, maxKeyLength, type Member, onlyKey } from './wiring.ts';

/** The key of each operation's calls: one for all, by what surrounds the call, or by its arguments.
 *
 * @throws {InvalidOptionError} for a key of an operation that is not declared. */
export function keysOf(key: unknown, members: readonly Member[]): (operation: string) => KeyOf {
  if (key === undefined) return () => () => onlyKey;
  const checked =
    (operation: string, of: Method): KeyOf =>
    (...args) =>
      checkedKey(operation, of(...args));
  if (typeof key === 'function') return (operation) => checked(operation, key as Method);
  const byOperation = key as Readonly<Record<string, Method | undefined>>;
  const names = members.map(({ operation }) => operation);
  refuseUnknown(byOperation, names);
  return (operation) => {
    const own = byOperation[operation];
    return own === undefined ? () => onlyKey : checked(operation, own);
  };
}

/**
 * The key that a program's function gave, or `all` where it gave none.
 *
 * @param of what it is the key of, for the message.
 * @throws {InvalidKeyError} for what is no text of 1 to 200 characters.
 */
export function checkedKey(of: string, found: unknown): string {
  if (found === undefined) return onlyKey;
  if (typeof found === 'string' && found !== '' && found.length <= maxKeyLength) return found;
  throw new InvalidKeyError(
    `The key of ${of} is ${typeof found === 'string' ? `a text of ${String(found.length)} characters` : `of type ${typeof found}`}: ` +
      `it must be a text of 1 to ${String(maxKeyLength)}. Keys are names of tenants or datasets, never data.`,
  );
}
