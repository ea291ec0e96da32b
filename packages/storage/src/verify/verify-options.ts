import { resolve } from 'node:path';
import {
  datasetFile,
  datasetSchema,
  type Engine,
  engines,
  engineTitles,
  InvalidArgumentError,
  parseDatasetName,
  parseEngine,
  type StoreLocation,
} from '@changeover/engines/api';
import { knownNames } from '@changeover/core';
import type { DuckdbInstanceOptions } from '@changeover/engines/api';
import { parseBridgeOptions } from '../bridge-options.ts';
import type { ThrottleOptions } from './throttle.ts';
import type { VerifyProgress } from './verify-types.ts';

/** Another store that holds copies of the datasets. What isn't named is as on the left side. */
export interface VerifyAgainst {
  readonly engine?: Engine | undefined;
  readonly basePath?: string | undefined;
  readonly databaseUrl?: string | undefined;
  /** The copy's name where it has another one. Only where one dataset is verified. */
  readonly dataset?: string | undefined;
}

/** What to verify, and how. */
export interface VerifyOptions extends ThrottleOptions {
  /** As for the bridge. Default: `CHANGEOVER_BASE_PATH`, else `./datasets`. */
  readonly basePath?: string | undefined;
  /** As for the bridge. Default: `DATABASE_URL`. */
  readonly databaseUrl?: string | undefined;
  /** Default: all engines that have datasets. Must be given where `against` names an engine. */
  readonly engine?: Engine | undefined;
  /** Default: all of the engine's. */
  readonly dataset?: string | undefined;
  /** Default: all of the dataset's. */
  readonly tables?: readonly string[] | undefined;
  /** Compares with copies in another store. Default: each dataset through both legs. */
  readonly against?: VerifyAgainst | undefined;
  /** `values` reads each row. `checksum` compares sums of hashes made inside the engines, and reads rows where these differ or
   * the engine has none. Default: `checksum` between two stores of one engine where order doesn't count, else `values`. */
  readonly by?: 'values' | 'checksum' | undefined;
  /** Whether the order of the rows counts. Default: through both legs it does, between stores it does not. */
  readonly order?: boolean | undefined;
  /** Shows values of rows that differ. Default: false, which shows types, lengths and keyed digests. */
  readonly showValues?: boolean | undefined;
  /** Where it is kept how far it is; false keeps it nowhere. Default: a file in `{basePath}/.changeover`. */
  readonly stateFile?: string | false | undefined;
  /** Begins anew whatever an earlier process left. Default: false. */
  readonly fresh?: boolean | undefined;
  /** Limits of DuckDB's instances, where they are not open in this process. Default: the engine's. */
  readonly duckdb?: DuckdbInstanceOptions | undefined;
  /** Stops it; what was done is kept. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: VerifyProgress) => void) | undefined;
}

/** One side of a verification. */
export interface VerifySide {
  /** As which leg it is read. */
  readonly leg: 'legacy' | 'pooled';
  readonly location: StoreLocation;
  engine(left: Engine): Engine;
  dataset(left: string): string;
  /** For people. */
  readonly title: string;
}

/** Options with every default applied. */
export interface ParsedVerifyOptions {
  readonly engines: readonly Engine[];
  readonly dataset: string | undefined;
  readonly tables: readonly string[] | undefined;
  readonly left: VerifySide;
  readonly right: VerifySide;
  /** Both sides are one store. */
  readonly bothLegs: boolean;
  readonly order: boolean;
  readonly by: (engine: Engine) => 'values' | 'checksum';
  readonly stateFolder: string;
}

const known: ReadonlySet<string> = new Set<keyof VerifyOptions>([
  'basePath',
  'databaseUrl',
  'engine',
  'dataset',
  'tables',
  'against',
  'by',
  'order',
  'showValues',
  'stateFile',
  'fresh',
  'duckdb',
  'signal',
  'onProgress',
  'pauseMs',
  'maxLoad',
  'maxDelayMs',
]);

/** @throws {InvalidArgumentError} for what can't be; the message says what could. */
export function parseVerifyOptions(
  options: VerifyOptions,
  env: Readonly<Record<string, string | undefined>>,
): ParsedVerifyOptions {
  const unknown = Object.keys(options).find((name) => !known.has(name));
  if (unknown !== undefined) {
    throw new InvalidArgumentError(
      `There is no option ${JSON.stringify(unknown)}: ${knownNames(unknown, known)}.`,
    );
  }
  for (const name of ['pauseMs', 'maxLoad', 'maxDelayMs'] as const) {
    const value: unknown = options[name];
    if (value !== undefined && !(typeof value === 'number' && value >= 0)) {
      throw new InvalidArgumentError(`Option ${name} must be a number that is not negative.`);
    }
  }
  const { location } = parseBridgeOptions(
    { basePath: options.basePath, databaseUrl: options.databaseUrl },
    env,
  );
  const chosen = options.engine === undefined ? undefined : parseEngine(options.engine);
  const dataset = options.dataset === undefined ? undefined : parseDatasetName(options.dataset);
  const against = parseAgainst(options, chosen, dataset);
  const right: StoreLocation =
    against === undefined
      ? location
      : {
          basePath: against.basePath === undefined ? location.basePath : resolve(against.basePath),
          databaseUrl: against.databaseUrl ?? location.databaseUrl,
        };
  const engineOf = (left: Engine): Engine => against?.engine ?? left;
  const datasetOf = (left: string): string => against?.dataset ?? left;
  const first = chosen ?? 'sqlite';
  const bothLegs =
    against === undefined ||
    place(first, location, dataset ?? 'x') ===
      place(engineOf(first), right, datasetOf(dataset ?? 'x'));
  const order = options.order ?? bothLegs;
  return {
    engines:
      chosen === undefined
        ? engines.filter((engine) => engine !== 'postgresql' || location.databaseUrl !== undefined)
        : [chosen],
    dataset,
    tables: options.tables,
    bothLegs,
    order,
    left: {
      leg: 'legacy',
      location,
      engine: (left) => left,
      dataset: (left) => left,
      title: bothLegs ? 'legacy leg' : title(first, location),
    },
    right: {
      leg: 'pooled',
      location: right,
      engine: engineOf,
      dataset: datasetOf,
      title: bothLegs ? 'pooled leg' : title(engineOf(first), right),
    },
    by: (engine) =>
      options.by ?? (!bothLegs && !order && engineOf(engine) === engine ? 'checksum' : 'values'),
    stateFolder: resolve(location.basePath, '.changeover'),
  };
}

function parseAgainst(
  { against }: VerifyOptions,
  engine: Engine | undefined,
  dataset: string | undefined,
): VerifyAgainst | undefined {
  if (against === undefined) return undefined;
  const parsed = {
    ...against,
    ...(against.engine === undefined ? {} : { engine: parseEngine(against.engine) }),
    ...(against.dataset === undefined ? {} : { dataset: parseDatasetName(against.dataset) }),
  };
  if (Object.values(parsed).every((value) => value === undefined)) return undefined;
  if (engine === undefined)
    throw new InvalidArgumentError('The engine must be named whose datasets the copies are of.');
  if (parsed.dataset !== undefined && dataset === undefined) {
    throw new InvalidArgumentError(
      'A copy of another name can only be compared with where one dataset is named.',
    );
  }
  return parsed;
}

/** What two sides have in common only if they are one. */
function place(engine: Engine, location: StoreLocation, dataset: string): string {
  return engine === 'postgresql'
    ? `${location.databaseUrl ?? ''} ${datasetSchema(dataset)}`
    : datasetFile(location, engine, dataset);
}

/** For people: never a password. */
function title(engine: Engine, { basePath, databaseUrl }: StoreLocation): string {
  if (engine !== 'postgresql') return `${engineTitles[engine]} in ${basePath}`;
  try {
    const { host, pathname } = new URL(databaseUrl ?? '');
    return `${engineTitles[engine]} at ${host}${pathname}`;
  } catch {
    return engineTitles[engine];
  }
}
