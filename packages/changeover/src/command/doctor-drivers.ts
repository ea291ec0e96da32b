import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { DoctorCheck, DoctorFinding, DoctorSubject } from '@changeover/operate/command';

/** A driver or a library that a bridge may stand on. */
interface Supported {
  readonly name: string;
  /** The oldest version, as `major.minor`. */
  readonly from: string;
  /** The first major version that is not supported. Default: none. */
  readonly below?: number;
  /** From which version on it needs a Node newer than Changeover does: an older one ends when it is used. */
  readonly newerNode?: { readonly since: string; readonly node: string };
  /** What it is for, where it isn't installed. */
  readonly use: string;
  /** Packages that need it: where one is installed and this is not, that is said. */
  readonly neededBy?: readonly string[];
}

/** As the packages' peers say; test/first-steps holds them together. */
export const supportedPackages: readonly Supported[] = [
  { name: 'pg', from: '8.16', below: 9, use: 'PostgreSQL, and changeover/pg' },
  {
    name: 'libpg-query',
    from: '18.1',
    below: 19,
    use: 'telling what a statement of PostgreSQL does',
    neededBy: ['pg'],
  },
  {
    name: 'better-sqlite3',
    from: '11.0',
    newerNode: { since: '13.0', node: '22.14' },
    use: 'SQLite, and changeover/better-sqlite3',
  },
  { name: '@duckdb/node-api', from: '1.0', use: 'DuckDB, and changeover/duckdb' },
  { name: 'kysely', from: '0.28', use: 'changeover/kysely' },
  { name: 'knex', from: '3.0', use: 'changeover/knex' },
];

/** Which drivers are installed, whether they are supported, and how DuckDB is run. */
export const driverChecks: readonly DoctorCheck[] = [{ name: 'drivers', run: checkDrivers }];

function checkDrivers({ folder, env }: DoctorSubject): readonly DoctorFinding[] {
  const found = new Map(
    supportedPackages.map(({ name }) => [name, installedVersion(name, folder)]),
  );
  return [
    ...supportedPackages.map((one) => driverFinding(one, found)),
    ...(found.get('@duckdb/node-api') === undefined
      ? []
      : [threadPoolFinding(env['UV_THREADPOOL_SIZE'])]),
  ];
}

/**
 * What is found of one of them.
 *
 * @param found the installed version of each.
 * @param node `process.versions.node`.
 */
export function driverFinding(
  { name, from, below, newerNode, use, neededBy = [] }: Supported,
  found: ReadonlyMap<string, string | undefined>,
  node: string = process.versions.node,
): DoctorFinding {
  const version = found.get(name);
  if (version === undefined) {
    const user = neededBy.find((one) => found.get(one) !== undefined);
    return user === undefined
      ? { check: name, status: 'ok', found: `not installed; it is for ${use}`, todo: null }
      : {
          check: name,
          status: 'warning',
          found: `not installed, though ${user} is; it is for ${use}`,
          todo: `npm install ${name}   (a bridge over ${user} needs it)`,
          next: [`npm install ${name}`],
        };
  }
  if (
    newerNode !== undefined &&
    isBetween(version, newerNode.since, undefined) &&
    !isBetween(node, newerNode.node, undefined)
  ) {
    return {
      check: name,
      status: 'problem',
      found: `${version} needs Node ${newerNode.node} or newer, and this is ${node}`,
      todo: `use a newer Node, or npm install ${name}@${String(parseInt(newerNode.since, 10) - 1)}`,
    };
  }
  const isSupported = isBetween(version, from, below);
  const install = `npm install ${name}@${below === undefined ? 'latest' : String(below - 1)}`;
  const range =
    below === undefined ? `${from} or newer` : `${from} or newer, below ${String(below)}`;
  return {
    check: name,
    status: isSupported ? 'ok' : 'problem',
    found: isSupported ? version : `${version}; supported is ${range}`,
    todo: isSupported ? null : install,
    ...(isSupported ? {} : { next: [install] }),
  };
}

/** DuckDB runs its queries on libuv's threads: with the default of 4, a few heavy ones hold up files and names for seconds. */
export function threadPoolFinding(typed: string | undefined): DoctorFinding {
  const size = Number(typed ?? 4);
  const isEnough = size >= 8;
  return {
    check: 'UV_THREADPOOL_SIZE',
    status: isEnough ? 'ok' : 'warning',
    found: `${typed ?? 'not set, so 4'}: DuckDB runs its queries on these threads, beside files and host names`,
    todo: isEnough ? null : 'start a process that uses DuckDB with UV_THREADPOOL_SIZE=16',
  };
}

function isBetween(version: string, from: string, below: number | undefined): boolean {
  const [major = 0, minor = 0] = version.split(/[.-]/).map(Number);
  const [oldest = 0, least = 0] = from.split('.').map(Number);
  if (below !== undefined && major >= below) return false;
  return major > oldest || (major === oldest && minor >= least);
}

/** As a program in that folder would find it; undefined where it isn't. Read by hand, since packages may hide their manifest. */
function installedVersion(name: string, folder: string): string | undefined {
  const places = createRequire(join(folder, 'x.js')).resolve.paths(name) ?? [];
  for (const place of places) {
    const path = join(place, name, 'package.json');
    if (existsSync(path))
      return (JSON.parse(readFileSync(path, 'utf8')) as { readonly version: string }).version;
  }
  return undefined;
}
