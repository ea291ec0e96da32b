import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { type ComparisonRule, RuleBook } from '@changeover/compare';
import { type InstrumentSink, InvalidOptionError, knownNames } from '@changeover/core';
import type { Logger, LoggerOptions } from './log.ts';
import type { SampleValues } from './recorder/sampled-call.ts';
import { isSharedStore } from './recorder/shared-store.ts';
import type { ShadowQueueOptions } from './shadow/queue-limits.ts';
import type { StageSource } from './stages/flags/stage-source.ts';
import type { GuardrailOptions } from './stages/guardrail-options.ts';

/** What any bridge can be told beside its legs and operations. Everything has a default. */
export interface BridgeSettings {
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
  /** Where counts, samples and the ledger are kept: an SQLite file, or `:memory:`. A `postgres://` URL keeps all of them in
   * that database, which processes on several hosts share, as well as the windows of their guardrails.
   * Default: `CHANGEOVER_STORE`, else `comparisons.sqlite` in the folder `.changeover` below `CHANGEOVER_BASE_PATH`, else below
   * the working directory. */
  readonly storePath?: string | undefined;
  /** Says on which stage a call is, in place of the flags file. */
  readonly stages?: StageSource | undefined;
  /** Default: a logger to standard error at level `warn`, redacted; `CHANGEOVER_LOG` sets another level,
   * and `CHANGEOVER_LOG_FORMAT` says `json`, or `text`, which is the default where standard error is a terminal. */
  readonly logger?: Logger | undefined;
  readonly guardrail?: GuardrailOptions | undefined;
  /** The ledger decides over steps forward: the flag names the target, and a key steps towards it one stage at a time, past its
   * gates. False lets the flag move keys by itself, at once and past no gate. Holds that are in the ledger (a rollback, a
   * guardrail's breach) are obeyed in either case. Default: `CHANGEOVER_LEDGER` (`true`, `false`), else true, but for `stages` that the program itself sets
   * (`createStaticStageSource`). */
  readonly ledger?: boolean | undefined;
  /** What is counted, and steps back that are not in the ledger yet, are stored when the process ends: by itself, by `process.exit()`, and
   * by SIGTERM or SIGINT where the program listens to neither itself; then the signal ends it as it would have. False leaves it to the
   * bridge's `close()`. Default: `CHANGEOVER_FLUSH_AT_EXIT` (`true`, `false`), else true. */
  readonly flushAtExit?: boolean | undefined;
  readonly shadowQueue?: ShadowQueueOptions | undefined;
  /** How long a move back to the legacy leg waits for calls in flight on the pooled leg, in ms, 1 to 600,000. Then a write that
   * the leg can end is ended and its caller told; any other goes on running, and others pass it. Default: 1,000. */
  readonly backWithinMs?: number | undefined;
  /** Where figures of the migration and of its pools go: `new PrometheusSink()`, `new OpenTelemetrySink()`, or one of your own.
   * Datasets are no labels. Default: nowhere. */
  readonly metrics?: InstrumentSink | undefined;
  /** Where the results of reads may rightly differ. Flags can add rules in their payload's `rules`. Default: none. */
  readonly rules?: readonly ComparisonRule[] | undefined;
  /** What a mismatch's sample keeps of its call's arguments and of the values that differ: `redacted` types, lengths and keyed digests,
   * `raw` the values, in the store and in the reports made of it, so that `changeover reproduce` can make the call again. The log shows
   * no value in either case. Default: `CHANGEOVER_SAMPLE_VALUES`, else `redacted`. */
  readonly sampleValues?: SampleValues | undefined;
}

/** Settings with every default applied. */
export interface ParsedSettings extends Omit<BridgeSettings, 'gatesFile' | 'ledger'> {
  readonly sampleValues: SampleValues;
  readonly ledger: boolean;
  readonly flushAtExit: boolean;
  readonly flagsFile: string;
  /** Undefined where the default gates hold. Read at each use, so that a bad file keeps nothing but steps forward from going on. */
  readonly gatesFile: string | undefined;
  readonly storePath: string;
  /** The folder of the store where nobody named one: it may be made. Undefined where the store was named. */
  readonly ownFolder: string | undefined;
  /** The `postgres://` URL of the shared store; undefined where it is a file. */
  readonly ledgerUrl: string | undefined;
  readonly logLevel: LogLevel;
}

/** Where the defaults are looked up: the process's environment, or a test's. */
export type Environment = Readonly<Record<string, string | undefined>>;

type LogLevel = NonNullable<LoggerOptions['level']>;
const logLevels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error', 'silent'];

const textSettings = {
  flagsFile: 'CHANGEOVER_FLAGS',
  gatesFile: 'CHANGEOVER_GATES',
  unleashUrl: 'UNLEASH_URL',
  unleashToken: 'UNLEASH_TOKEN',
  unleashAdminToken: 'UNLEASH_ADMIN_TOKEN',
  unleashProject: 'UNLEASH_PROJECT',
  unleashEnvironment: 'UNLEASH_ENVIRONMENT',
  storePath: 'CHANGEOVER_STORE',
} as const satisfies Partial<Record<keyof BridgeSettings, string>>;

/** The names of {@link BridgeSettings}, for whoever has settings beside them. */
export const settingNames: readonly (keyof BridgeSettings)[] = [
  ...(Object.keys(textSettings) as (keyof typeof textSettings)[]),
  'stages',
  'logger',
  'guardrail',
  'ledger',
  'flushAtExit',
  'shadowQueue',
  'backWithinMs',
  'metrics',
  'rules',
  'sampleValues',
];

/**
 * Applies the defaults.
 *
 * @param folder where the default store's folder `.changeover` lies. Default: `CHANGEOVER_BASE_PATH`, else the working directory.
 * @throws {InvalidOptionError} for a setting of the wrong type; the message names it.
 */
export function parseSettings(
  settings: BridgeSettings,
  env: Environment = process.env,
  folder: string = env['CHANGEOVER_BASE_PATH'] ?? '.',
): ParsedSettings {
  const text = (name: keyof typeof textSettings): string | undefined =>
    textSetting(name, textSettings[name], settings[name], env);
  for (const name of ['ledger', 'flushAtExit'] as const)
    if (settings[name] !== undefined && typeof settings[name] !== 'boolean')
      throw new InvalidOptionError(`Option ${name} must be true or false.`);
  checkBackWithin(settings.backWithinMs);
  checkRules(settings.rules);
  checkSink(settings.metrics);
  const store = text('storePath');
  const flagsFile = resolve(text('flagsFile') ?? 'flags/changeover.json');
  const ledgerUrl = store !== undefined && isSharedStore(store) ? store : undefined;
  const file = ledgerUrl === undefined ? store : undefined;
  const ownFolder = file === undefined ? resolve(folder, '.changeover') : undefined;
  return Object.freeze({
    ...settings,
    ledger: ledgerDecides(settings, env),
    flushAtExit: settings.flushAtExit ?? said('CHANGEOVER_FLUSH_AT_EXIT', env) ?? true,
    flagsFile,
    gatesFile: gatesFileOf(text('gatesFile'), flagsFile),
    unleashUrl: text('unleashUrl'),
    unleashToken: text('unleashToken'),
    unleashAdminToken: text('unleashAdminToken'),
    unleashProject: text('unleashProject'),
    unleashEnvironment: text('unleashEnvironment'),
    storePath: file ?? join(ownFolder ?? '', 'comparisons.sqlite'),
    ownFolder,
    ledgerUrl,
    logLevel: logLevelOf(env),
    sampleValues: sampleValuesOf(settings, env),
  });
}

/** @throws {InvalidOptionError} for an environment variable that says neither. */
function ledgerDecides({ ledger, stages }: BridgeSettings, env: Environment): boolean {
  return ledger ?? said('CHANGEOVER_LEDGER', env) ?? stages?.setByProgram !== true;
}

/** @throws {InvalidOptionError} for an environment variable that says neither. */
function said(variable: string, env: Environment): boolean | undefined {
  const text = env[variable] ?? '';
  if (text === '') return undefined;
  if (text !== 'true' && text !== 'false')
    throw new InvalidOptionError(
      `${variable} is ${JSON.stringify(text)}; it must be true or false.`,
    );
  return text === 'true';
}

/** @throws {InvalidOptionError} for anything else. */
function sampleValuesOf({ sampleValues }: BridgeSettings, env: Environment): SampleValues {
  const said: unknown = sampleValues ?? (env['CHANGEOVER_SAMPLE_VALUES'] || 'redacted');
  if (said === 'redacted' || said === 'raw') return said;
  throw new InvalidOptionError(
    `Option sampleValues (or CHANGEOVER_SAMPLE_VALUES) must be redacted or raw.`,
  );
}

/** @throws {InvalidOptionError} for a name that is none of `known`; the message says which one was meant. */
export function refuseUnknown(options: object, known: Iterable<string>): void {
  const names = [...known];
  for (const name of Object.keys(options)) {
    if (!names.includes(name)) {
      throw new InvalidOptionError(
        `There is no option ${JSON.stringify(name)}: ${knownNames(name, names)}.`,
      );
    }
  }
}

/** A setting that is a text, or its environment variable.
 *
 * @throws {InvalidOptionError} for anything else, and for the empty text where it was given as an option. */
export function textSetting(
  name: string,
  variable: string,
  given: unknown,
  env: Environment,
): string | undefined {
  const value = given ?? env[variable];
  if (value === undefined || (value === '' && given === undefined)) return undefined;
  if (typeof value !== 'string' || value === '') {
    throw new InvalidOptionError(
      `Option ${name} (or ${variable}) must be a text that is not empty.`,
    );
  }
  return value;
}

function logLevelOf(env: Environment): LogLevel {
  const level = env['CHANGEOVER_LOG'] ?? 'warn';
  const logLevel = logLevels.find((known) => known === level);
  if (logLevel === undefined) {
    throw new InvalidOptionError(
      `CHANGEOVER_LOG is ${JSON.stringify(level)}; it must be one of ${logLevels.join(', ')}.`,
    );
  }
  return logLevel;
}

/** A file that was named must be there; the one beside the flags needn't. */
function gatesFileOf(named: string | undefined, flagsFile: string): string | undefined {
  if (named !== undefined) return resolve(named);
  const path = join(dirname(flagsFile), 'gates.json');
  return existsSync(path) ? path : undefined;
}

/** @throws {InvalidOptionError} for what is no list of rules. */
export function checkRules(rules: readonly ComparisonRule[] | undefined): void {
  if (rules === undefined) return;
  try {
    new RuleBook(rules);
  } catch (error) {
    throw new InvalidOptionError(
      `Option rules: ${error instanceof Error ? error.message : String(error)}.`,
    );
  }
}

function checkBackWithin(ms: number | undefined): void {
  if (ms === undefined || (typeof ms === 'number' && ms >= 1 && ms <= 600_000)) return;
  throw new InvalidOptionError(
    `Option backWithinMs is ${String(ms)}: use a number of milliseconds from 1 to 600000.`,
  );
}

const sinkMethods: readonly (keyof InstrumentSink)[] = ['declare', 'add', 'record', 'observe'];

function checkSink(
  sink: Readonly<Record<string, unknown>> | InstrumentSink | null | undefined,
): void {
  if (sink === undefined) return;
  const missing = sinkMethods.filter((name) => typeof sink?.[name] !== 'function');
  if (missing.length > 0) {
    throw new InvalidOptionError(
      `Option metrics must be a PrometheusSink, an OpenTelemetrySink or the like; it has no ${missing.join(', ')}.`,
    );
  }
}
