import { resolve } from 'node:path';
import {
  type BridgeSettings,
  checkRules,
  type Environment,
  type ParsedSettings,
  parseSettings,
  refuseUnknown,
  settingNames,
  textSetting,
} from '@changeover/bridge';
import type { ComparisonRule } from '@changeover/compare';
import { InvalidOptionError, type Leg } from '@changeover/core';
import {
  type Engine,
  engines,
  type StorageBackend,
  type StoreLocation,
} from '@changeover/engines/api';
import type { StorageBackendFactoryOptions } from '@changeover/pooled';

/** What the pooled leg can be told; where the data is and who is told of it is the bridge's own. */
export type PooledOptions = Omit<StorageBackendFactoryOptions, BridgesOwn>;
type BridgesOwn =
  | 'basePath'
  | 'databaseUrl'
  | 'logger'
  | 'metrics'
  | 'clock'
  | 'random'
  | 'sessionOf'
  | 'knownReliance';
const bridgesOwn: readonly string[] = [
  'basePath',
  'databaseUrl',
  'logger',
  'metrics',
  'clock',
  'random',
  'sessionOf',
  'knownReliance',
] satisfies BridgesOwn[];

/** How a bridge over the storage API is set up. Everything has a default; call sites need none of it. */
export interface StorageBridgeOptions extends Omit<BridgeSettings, 'rules'> {
  /** The folder with one folder a dataset. Default: `CHANGEOVER_BASE_PATH`, else `./datasets`. */
  readonly basePath?: string | undefined;
  /** `postgres://` URL. Default: `DATABASE_URL`; needed only where PostgreSQL is used. */
  readonly databaseUrl?: string | undefined;
  /** The pooled leg: its pools, budgets, circuit breaker, time limits and engines. */
  readonly pooled?: PooledOptions | undefined;
  /** Where the results of reads may rightly differ: by engine, or as a list for all of them. Flags can add rules in their
   * payload's `rules`. Default: none. */
  readonly rules?:
    | readonly ComparisonRule[]
    | Readonly<Partial<Record<Engine, readonly ComparisonRule[]>>>
    | undefined;
  /** Wraps the pooled leg of each engine: for tests that plant faults. */
  readonly decoratePooledLeg?: ((leg: Leg<StorageBackend>) => Leg<StorageBackend>) | undefined;
}

/** Options with every default applied. */
export interface ParsedBridgeOptions {
  /** What any bridge has. */
  readonly settings: ParsedSettings;
  readonly location: StoreLocation;
  readonly pooled: PooledOptions | undefined;
  readonly rules: StorageBridgeOptions['rules'];
  readonly decoratePooledLeg: StorageBridgeOptions['decoratePooledLeg'];
}

const ownNames = ['basePath', 'databaseUrl', 'pooled', 'rules', 'decoratePooledLeg'] as const;

/**
 * Applies the defaults.
 *
 * @param env where the defaults are looked up; the process's own by default.
 * @throws {InvalidOptionError} for an unknown option or one of the wrong type; the message names it.
 */
export function parseBridgeOptions(
  options: StorageBridgeOptions = {},
  env: Environment = process.env,
): ParsedBridgeOptions {
  refuseUnknown(options, [...ownNames, ...settingNames]);
  const { basePath, databaseUrl, pooled, rules, decoratePooledLeg, ...settings } = options;
  checkEngineRules(rules);
  checkPooled(pooled);
  const folder = textSetting('basePath', 'CHANGEOVER_BASE_PATH', basePath, env);
  const url = textSetting('databaseUrl', 'DATABASE_URL', databaseUrl, env);
  if (url !== undefined && !/^postgres(ql)?:\/\/./.test(url)) {
    // Not shown: it may hold a password.
    throw new InvalidOptionError(
      'Option databaseUrl (or DATABASE_URL) must be a URL that begins with postgres:// or postgresql://.',
    );
  }
  return Object.freeze({
    settings: parseSettings(settings, env, folder ?? '.'),
    location: Object.freeze({ basePath: resolve(folder ?? 'datasets'), databaseUrl: url }),
    pooled,
    rules,
    decoratePooledLeg,
  });
}

/** The rules of one engine. */
export function rulesOf(
  { rules = [] }: Pick<StorageBridgeOptions, 'rules'>,
  engine: Engine,
): readonly ComparisonRule[] {
  return isList(rules) ? rules : (rules[engine] ?? []);
}

function isList(
  rules: NonNullable<StorageBridgeOptions['rules']>,
): rules is readonly ComparisonRule[] {
  return Array.isArray(rules);
}

function checkEngineRules(rules: StorageBridgeOptions['rules']): void {
  if (rules === undefined) return;
  const strange = isList(rules)
    ? undefined
    : Object.keys(rules).find((name) => !engines.some((engine) => engine === name));
  if (strange !== undefined) {
    throw new InvalidOptionError(
      `Option rules names ${JSON.stringify(strange)}; it must be a list, or have the keys ${engines.join(', ')}.`,
    );
  }
  for (const engine of engines) checkRules(rulesOf({ rules }, engine));
}

/** The rest is checked by the factory. */
function checkPooled(pooled: PooledOptions | undefined): void {
  const own = Object.keys(pooled ?? {}).find((name) => bridgesOwn.includes(name));
  if (own !== undefined)
    throw new InvalidOptionError(
      `Option pooled.${own} is not the pooled leg's: give ${own} to the bridge itself.`,
    );
}
