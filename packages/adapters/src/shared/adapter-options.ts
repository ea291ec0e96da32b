import {
  type BridgeServices,
  type BridgeSettings,
  checkedKey,
  refuseUnknown,
  settingNames,
} from '@changeover/bridge';
import type { Clock } from '@changeover/core';

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
 * @throws {InvalidOptionError} for a name that is none of these.
 */
export function bridgePartOf(options: AdapterOptions<never>, own: readonly string[]): BridgePart {
  refuseUnknown(options, ['key', 'pure', ...own, ...bridgeNames]);
  const part = Object.fromEntries(
    Object.entries(options).filter(([name]) => bridgeNames.includes(name)),
  ) as unknown as BridgePart;
  // Many programs open a handle for each file, tenant or request.
  return options.services === undefined ? { ...part, shareServices: true } : part;
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
