import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { type ComparisonRule, RuleBook } from '@changeover/compare';
import {
  type Engine,
  engines,
  InvalidArgumentError,
  knownNames,
  type Leg,
  type StorageBackend,
  type StoreLocation,
} from '@changeover/core';
import type { InstrumentSink, StorageBackendFactoryOptions } from '@changeover/pooled';
import type {
  GuardrailOptions,
  Logger,
  LoggerOptions,
  ShadowQueueOptions,
  StageSource,
} from '@changeover/router';

/** What the pooled leg can be told; where the data is and who is told of it is the bridge's own. */
export type PooledOptions = Omit<StorageBackendFactoryOptions, BridgesOwn>;
type BridgesOwn = 'basePath' | 'databaseUrl' | 'logger' | 'metrics' | 'clock' | 'random';
const bridgesOwn: readonly string[] = [
  'basePath',
  'databaseUrl',
  'logger',
  'metrics',
  'clock',
  'random',
] satisfies BridgesOwn[];

/** How a bridge is set up. Everything has a default; call sites need none of it. */
export interface StorageBridgeOptions {
  /** The folder with one folder a dataset. Default: `CHANGEOVER_BASE_PATH`, else `./datasets`. */
  readonly basePath?: string | undefined;
  /** `postgres://` URL. Default: `DATABASE_URL`; needed only where PostgreSQL is used. */
  readonly databaseUrl?: string | undefined;
  /** The flags file. Default: `CHANGEOVER_FLAGS`, else `./flags/changeover.json`. */
  readonly flagsFile?: string | undefined;
  /** The gates file: conditions for a step forward. Default: `CHANGEOVER_GATES`, else `gates.json` beside the flags file
   * where there is one, else the default gates. */
  readonly gatesFile?: string | undefined;
  /** An Unleash server's API, asked before the flags file. Default: `UNLEASH_URL`, else none. */
  readonly unleashUrl?: string | undefined;
  /** The client token for it. Default: `UNLEASH_TOKEN`. */
  readonly unleashToken?: string | undefined;
  /** A token of the server's admin API. With it, what a guardrail puts back is turned back in its flag too. Default:
   * `UNLEASH_ADMIN_TOKEN`, else flags are never changed. */
  readonly unleashAdminToken?: string | undefined;
  /** The project of the flags, for changing them. Default: `UNLEASH_PROJECT`, else `default`. */
  readonly unleashProject?: string | undefined;
  /** The environment of the flags, for changing them. Default: `UNLEASH_ENVIRONMENT`, else `development`. */
  readonly unleashEnvironment?: string | undefined;
  /** Where counts, samples and the ledger are kept: an SQLite file, or `:memory:`. A `postgres://` URL keeps the ledger in
   * that database instead, for processes on several hosts; counts and samples are then in the default file of each host.
   * Default: `CHANGEOVER_STORE`, else `{basePath}/.changeover/comparisons.sqlite`. */
  readonly storePath?: string | undefined;
  /** Says on which stage a call is, in place of the flags file. */
  readonly stages?: StageSource | undefined;
  /** Default: a logger to standard error at level `warn`, redacted; `CHANGEOVER_LOG` sets another level. */
  readonly logger?: Logger | undefined;
  readonly guardrail?: GuardrailOptions | undefined;
  /** True lets the ledger decide over steps forward too: one stage at a time, past the engine's gates. Holds that
   * are in the ledger (a rollback, a guardrail's breach) are obeyed in either case. Default: false. */
  readonly ledger?: boolean | undefined;
  readonly shadowQueue?: ShadowQueueOptions | undefined;
  /** The pooled leg: its pools, budgets, circuit breaker, time limits and engines. */
  readonly pooled?: PooledOptions | undefined;
  /** Where figures of the migration and of its pools go: `new PrometheusSink()`, `new OpenTelemetrySink()`, or one of your own.
   * Datasets are no labels. Default: nowhere. */
  readonly metrics?: InstrumentSink | undefined;
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
export interface ParsedBridgeOptions extends Omit<
  StorageBridgeOptions,
  'basePath' | 'databaseUrl' | 'gatesFile'
> {
  readonly location: StoreLocation;
  readonly flagsFile: string;
  /** Undefined where the default gates hold. Read at each use, so that a bad file keeps nothing but steps forward from going on. */
  readonly gatesFile: string | undefined;
  readonly storePath: string;
  /** The `postgres://` URL of the ledger; undefined where it is in the store's file. */
  readonly ledgerUrl: string | undefined;
  readonly logLevel: LogLevel;
}

type LogLevel = NonNullable<LoggerOptions['level']>;
const logLevels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error', 'silent'];

type TextOption =
  | 'basePath'
  | 'databaseUrl'
  | 'flagsFile'
  | 'gatesFile'
  | 'unleashUrl'
  | 'unleashToken'
  | 'unleashAdminToken'
  | 'unleashProject'
  | 'unleashEnvironment'
  | 'storePath';

const known: ReadonlySet<string> = new Set<keyof StorageBridgeOptions>([
  'basePath',
  'databaseUrl',
  'flagsFile',
  'gatesFile',
  'unleashUrl',
  'unleashToken',
  'unleashAdminToken',
  'unleashProject',
  'unleashEnvironment',
  'storePath',
  'stages',
  'logger',
  'guardrail',
  'ledger',
  'shadowQueue',
  'pooled',
  'metrics',
  'rules',
  'decoratePooledLeg',
]);

/**
 * Applies the defaults.
 *
 * @param env where the defaults are looked up; the process's own by default.
 * @throws {InvalidArgumentError} for an unknown option or one of the wrong type; the message names it.
 */
export function parseBridgeOptions(
  options: StorageBridgeOptions = {},
  env: Readonly<Record<string, string | undefined>> = process.env,
): ParsedBridgeOptions {
  for (const name of Object.keys(options)) {
    if (!known.has(name)) {
      throw new InvalidArgumentError(
        `There is no option ${JSON.stringify(name)}: ${knownNames(name, known)}.`,
      );
    }
  }
  const text = (name: TextOption, variable: string): string | undefined => {
    const value: unknown = options[name] ?? env[variable];
    if (value === undefined || (value === '' && options[name] === undefined)) return undefined;
    if (typeof value !== 'string' || value === '') {
      throw new InvalidArgumentError(
        `Option ${name} (or ${variable}) must be a text that is not empty.`,
      );
    }
    return value;
  };
  if (options.ledger !== undefined && typeof options.ledger !== 'boolean') {
    throw new InvalidArgumentError('Option ledger must be true or false.');
  }
  checkRules(options.rules);
  checkSink(options.metrics);
  checkPooled(options.pooled);
  const level = env['CHANGEOVER_LOG'] ?? 'warn';
  const logLevel = logLevels.find((known) => known === level);
  if (logLevel === undefined) {
    throw new InvalidArgumentError(
      `CHANGEOVER_LOG is ${JSON.stringify(level)}; it must be one of ${logLevels.join(', ')}.`,
    );
  }
  const basePath = resolve(text('basePath', 'CHANGEOVER_BASE_PATH') ?? 'datasets');
  const databaseUrl = text('databaseUrl', 'DATABASE_URL');
  if (databaseUrl !== undefined && !/^postgres(ql)?:\/\/./.test(databaseUrl)) {
    // Not shown: it may hold a password.
    throw new InvalidArgumentError(
      'Option databaseUrl (or DATABASE_URL) must be a URL that begins with postgres:// or postgresql://.',
    );
  }
  const store = text('storePath', 'CHANGEOVER_STORE');
  const flagsFile = resolve(text('flagsFile', 'CHANGEOVER_FLAGS') ?? 'flags/changeover.json');
  const ledgerUrl = store !== undefined && /^postgres(ql)?:\/\//.test(store) ? store : undefined;
  return Object.freeze({
    ...options,
    location: Object.freeze({ basePath, databaseUrl }),
    flagsFile,
    gatesFile: gatesFileOf(text('gatesFile', 'CHANGEOVER_GATES'), flagsFile),
    unleashUrl: text('unleashUrl', 'UNLEASH_URL'),
    unleashToken: text('unleashToken', 'UNLEASH_TOKEN'),
    unleashAdminToken: text('unleashAdminToken', 'UNLEASH_ADMIN_TOKEN'),
    unleashProject: text('unleashProject', 'UNLEASH_PROJECT'),
    unleashEnvironment: text('unleashEnvironment', 'UNLEASH_ENVIRONMENT'),
    storePath:
      (ledgerUrl === undefined ? store : undefined) ??
      resolve(basePath, '.changeover/comparisons.sqlite'),
    ledgerUrl,
    logLevel,
  });
}

/** A file that was named must be there; the one beside the flags needn't. */
function gatesFileOf(named: string | undefined, flagsFile: string): string | undefined {
  if (named !== undefined) return resolve(named);
  const path = join(dirname(flagsFile), 'gates.json');
  return existsSync(path) ? path : undefined;
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

function checkRules(rules: StorageBridgeOptions['rules']): void {
  if (rules === undefined) return;
  const strange = isList(rules)
    ? undefined
    : Object.keys(rules).find((name) => !engines.some((engine) => engine === name));
  if (strange !== undefined) {
    throw new InvalidArgumentError(
      `Option rules names ${JSON.stringify(strange)}; it must be a list, or have the keys ${engines.join(', ')}.`,
    );
  }
  try {
    for (const engine of engines) new RuleBook(rulesOf({ rules }, engine));
  } catch (error) {
    throw new InvalidArgumentError(
      `Option rules: ${error instanceof Error ? error.message : String(error)}.`,
    );
  }
}

/** The rest is checked by the factory. */
function checkPooled(pooled: PooledOptions | undefined): void {
  const own = Object.keys(pooled ?? {}).find((name) => bridgesOwn.includes(name));
  if (own !== undefined)
    throw new InvalidArgumentError(
      `Option pooled.${own} is not the pooled leg's: give ${own} to the bridge itself.`,
    );
}

const sinkMethods: readonly (keyof InstrumentSink)[] = ['declare', 'add', 'record', 'observe'];

function checkSink(
  sink: Readonly<Record<string, unknown>> | InstrumentSink | null | undefined,
): void {
  if (sink === undefined) return;
  const missing = sinkMethods.filter((name) => typeof sink?.[name] !== 'function');
  if (missing.length > 0) {
    throw new InvalidArgumentError(
      `Option metrics must be a PrometheusSink, an OpenTelemetrySink or the like; it has no ${missing.join(', ')}.`,
    );
  }
}
