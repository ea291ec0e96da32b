import {
  type BridgeServices,
  type BridgeSettings,
  InvalidKeyError,
  settingNames,
  WiringError,
} from '@changeover/bridge';
import type { StatementClassifier } from '@changeover/classify';
import { type Clock, InvalidOptionError } from '@changeover/core';
import type { CompiledQuery, Dialect } from 'kysely';

/** What a dialect over two dialects is made of. */
export interface BridgeDialectOptions extends BridgeSettings {
  /** The bridge's name: the flag is `changeover.{name}`, and counts, ledger, command and report know it by this. */
  readonly name: string;
  /** The dialect as it was. Query compiler, adapter and introspector are its. */
  readonly legacy: Dialect;
  /** The dialect that takes its place, on the same database. Of the same engine, for it gets the legacy compiler's SQL. */
  readonly pooled: Dialect;
  /** What moves by itself: by the query, or from what surrounds the call (`() => tenant.getStore()`). Asked with `undefined` for a
   * transaction, which begins before its queries are known. Default: one key, `all`. */
  readonly key?: ((query: CompiledQuery | undefined) => string | undefined) | undefined;
  /** Tells what a statement does; closed with the driver. Default: that of the legacy dialect's engine, PostgreSQL or SQLite. */
  readonly classifier?: StatementClassifier | undefined;
  /** Flags, ledger, guardrail and recorder to share with other bridges; whoever made them closes them. Default: of its own. */
  readonly services?: BridgeServices | undefined;
  /** Default: the machine's. */
  readonly clock?: Clock | undefined;
}

/** The options with their defaults. */
export interface ParsedOptions {
  readonly name: string;
  readonly legacy: Dialect;
  readonly pooled: Dialect;
  readonly key: (query: CompiledQuery | undefined) => string;
  readonly classifier: StatementClassifier | undefined;
  /** What is the bridge's alone. */
  readonly settings: BridgeSettings & Pick<BridgeDialectOptions, 'services' | 'clock'>;
}

/** The key where there is one for all calls. */
const onlyKey = 'all';
const maxKeyLength = 200;

const ownNames: readonly string[] = ['name', 'legacy', 'pooled', 'key', 'classifier'];
const bridgeNames: readonly string[] = ['services', 'clock', ...settingNames];

/**
 * Applies the defaults.
 *
 * @throws {InvalidOptionError} for an unknown name. {WiringError} for a leg that is no dialect.
 */
export function parseOptions(options: BridgeDialectOptions): ParsedOptions {
  const unknown = Object.keys(options).find(
    (name) => !ownNames.includes(name) && !bridgeNames.includes(name),
  );
  if (unknown !== undefined)
    throw new InvalidOptionError(
      `There is no option ${unknown}: expected one of ${[...ownNames, ...bridgeNames].join(', ')}.`,
    );
  for (const leg of ['legacy', 'pooled'] as const)
    if (typeof (options[leg] as Partial<Dialect> | undefined)?.createDriver !== 'function')
      throw new WiringError(`The option ${leg} of "${options.name}" is no Kysely dialect.`);
  const { name, legacy, pooled, key, classifier, ...settings } = options;
  return Object.freeze({
    name,
    legacy,
    pooled,
    classifier,
    settings,
    key: key === undefined ? () => onlyKey : checked(key),
  });
}

function checked(
  key: NonNullable<BridgeDialectOptions['key']>,
): (query: CompiledQuery | undefined) => string {
  return (query) => {
    const found: unknown = key(query);
    if (found === undefined) return onlyKey;
    if (typeof found === 'string' && found !== '' && found.length <= maxKeyLength) return found;
    throw new InvalidKeyError(
      `The key of a query is ${typeof found === 'string' ? `a text of ${String(found.length)} characters` : `of type ${typeof found}`}: ` +
        `it must be a text of 1 to ${String(maxKeyLength)}. Keys are names of tenants or datasets, never data.`,
    );
  };
}
