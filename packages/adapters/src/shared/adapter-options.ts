import {
  type BridgeServices,
  type BridgeSettings,
  checkedKey,
  refuseUnknown,
  settingNames,
} from '@changeover/bridge';
import { type Clock, InvalidOptionError } from '@changeover/core';
import { inspect } from 'node:util';

/** What the key of a statement is told by. */
export interface KeyedStatement {
  /** The text. Empty where a transaction or a connection is asked for before its statements are known. */
  readonly sql: string;
  readonly values: readonly unknown[] | undefined;
}

/** What every adapter is told, beside the handle or the dialects. As for `createBridge` where the names are the same. */
export interface AdapterOptions<
  Keyed extends KeyedStatement = KeyedStatement,
> extends BridgeSettings {
  /** The backend's name: the flag is `changeover.{name}`, and counts, ledger, command and report know it by this. */
  readonly name: string;
  /** What moves by itself, by the statement (`({ sql }) => …`) or by what surrounds the call (`() => tenant.getStore()?.id`): a text
   * of 1 to 200 characters, never data. Default: one key, `all`. */
  readonly key?: ((statement: Keyed) => string | undefined) | undefined;
  /** Functions of the program's or the database's own that change nothing and depend on their arguments and the tables alone; on
   * PostgreSQL as `schema.name` or `schema.*`. Statements that call any other run once and are not compared. Default: none. */
  readonly pure?: readonly string[] | undefined;
  /** Flags, ledger, guardrail and recorder to share with another bridge: `bridgeOf(other).services`. The bridge that made them closes
   * them, and ends the comparisons of all that share them. Default: of its own. */
  readonly services?: BridgeServices | undefined;
  /** Default: the machine's. */
  readonly clock?: Clock | undefined;
}

/** What adapters hand on to the bridge as it is. */
export type BridgePart = BridgeSettings &
  Pick<AdapterOptions, 'name' | 'services' | 'clock'> & {
    readonly shareServices?: boolean | undefined;
  };

const bridgeNames: readonly string[] = ['name', 'services', 'clock', ...settingNames];

/**
 * The part of an adapter's options that the bridge is told.
 *
 * @param own the names of the adapter's other options, beside `key` and `pure`.
 * @throws {InvalidOptionError} for a name that is none of these, and for what can't be one of those that all adapters have.
 */
export function bridgePartOf(options: AdapterOptions<never>, own: readonly string[]): BridgePart {
  const given: unknown = options;
  if (typeof given !== 'object' || given === null)
    throw new InvalidOptionError(
      `The options of an adapter must be an object, such as { name: 'db' }, but are ${shown(given)}.`,
    );
  refuseUnknown(options, ['key', 'pure', ...own, ...bridgeNames]);
  checkKinds(options as unknown as Readonly<Record<string, unknown>>);
  const part = Object.fromEntries(
    Object.entries(options).filter(([name]) => bridgeNames.includes(name)),
  ) as unknown as BridgePart;
  // Many programs open a handle for each file, tenant or request.
  return options.services === undefined ? { ...part, shareServices: true } : part;
}

/** @throws {InvalidOptionError} for what has another type than the options of that name have in all adapters. */
function checkKinds(options: Readonly<Record<string, unknown>>): void {
  const { key, pure } = options;
  if (key !== undefined && typeof key !== 'function')
    throw new InvalidOptionError(
      `Option key must be a function, such as ({ sql }) => 'berlin', but is ${shown(key)}.`,
    );
  const isList = Array.isArray(pure) && pure.every((one) => typeof one === 'string');
  if (pure !== undefined && !isList)
    throw new InvalidOptionError(
      `Option pure must be a list of names of functions, such as ['slug'], but is ${shown(pure)}.`,
    );
  for (const name of ['spreadWrites', 'exclusiveTransactions'])
    if (options[name] !== undefined && typeof options[name] !== 'boolean')
      throw new InvalidOptionError(
        `Option ${name} must be true or false, but is ${shown(options[name])}.`,
      );
}

/** A value as it would be typed, as far as a line holds it. */
export function shown(value: unknown): string {
  const text =
    typeof value === 'function'
      ? 'a function'
      : inspect(value, { depth: 1, breakLength: Infinity });
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

/**
 * The key of each statement, checked; undefined where there is one for all, which needs no look at the statement.
 *
 * @throws {InvalidKeyError} when it is called, for what is no key.
 */
export function keyOf<Keyed extends KeyedStatement>({
  key,
}: Pick<AdapterOptions<Keyed>, 'key'>): ((statement: Keyed) => string) | undefined {
  return key === undefined ? undefined : (statement) => checkedKey('a statement', key(statement));
}

/** The key where there is one for all. */
export const onlyKey = 'all';
