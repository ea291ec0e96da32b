import { describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';
import { importsOf, root, type SourceFile, sourceFiles } from './source-files.ts';

/** Which packages of this repository each may import: arrows point one way, and nothing generic imports anything of storage. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  core: [],
  compare: ['core'],
  bridge: ['core', 'compare'],
  operate: ['core', 'compare', 'bridge'],
  classify: ['core'],
  engines: ['core', 'classify'],
  legacy: ['core', 'engines'],
  pooled: ['core', 'compare', 'engines'],
  storage: ['core', 'compare', 'bridge', 'operate', 'classify', 'engines', 'legacy', 'pooled'],
  adapters: ['core', 'compare', 'bridge', 'classify'],
  // What it writes names packages of this repository in texts alone.
  adopt: ['core', 'classify'],
  changeover: ['core', 'compare', 'bridge', 'operate', 'engines', 'pooled', 'storage', 'adapters'],
};

/** The rooms that are for anyone's singleton. */
const generic: readonly string[] = ['core', 'compare', 'bridge', 'operate'];

/** Where a generic room may name a database: the stores that it keeps its own records in. */
const mayNameDatabases = [
  /^packages\/bridge\/src\/bridge-settings\.ts$/,
  /^packages\/bridge\/src\/fleet\//,
  /^packages\/bridge\/src\/recorder\/(open-recorder|read-recordings|sqlite-schema|sqlite-recording-store|read-sqlite-store|shared-store|store-file|store-identity|store-trouble)\.ts$/,
  /^packages\/bridge\/src\/stages\/ledger\/(file-ledger-store|shared-ledger-store|open-ledger-store)\.ts$/,
];
const databaseName = /sqlite|duckdb|postgres|\bpg\b/i;

/** The one file that wires the legacy leg in, so that deleting it at the end of a migration is a few lines. */
const legacyWiring = 'packages/storage/src/legacy-leg.ts';

const sources = sourceFiles(/^packages\/[^/]+\/src\/.*\.ts$/);

function packageOf(file: SourceFile): string {
  return file.path.split('/')[1] ?? '';
}

function isTest(file: SourceFile): boolean {
  return /\.test\.ts$|\/test-kit\//.test(file.path);
}

interface Manifest {
  readonly dependencies?: Record<string, string>;
  readonly peerDependencies?: Record<string, string>;
  readonly peerDependenciesMeta?: Record<string, { readonly optional: boolean }>;
}

function manifestOf(name: string): Manifest {
  const text = readFileSync(join(root, 'packages', name, 'package.json'), 'utf8');
  return JSON.parse(text) as Manifest;
}

describe('imports', () => {
  test('there are sources to look at', () => {
    expect(new Set(sources.map(packageOf))).toEqual(new Set(Object.keys(allowed)));
  });

  test.each(Object.keys(allowed))('%s imports only what it may', (name) => {
    const wrong = sources
      .filter((file) => packageOf(file) === name && !isTest(file))
      .flatMap((file) =>
        importsOf(file)
          .flatMap(
            (imported) =>
              /^@changeover\/([^/]+)|^(changeover)$/.exec(imported)?.slice(1).find(Boolean) ?? [],
          )
          .filter((other) => other !== name && !(allowed[name] ?? []).includes(other))
          .map((other) => `${file.path} imports ${other}`),
      );
    expect(wrong).toEqual([]);
  });

  test('only one file imports the legacy leg', () => {
    const importers = sources.filter(
      (file) => packageOf(file) !== 'legacy' && importsOf(file).includes('@changeover/legacy'),
    );
    expect(importers.filter((file) => !isTest(file)).map(({ path }) => path)).toEqual([
      legacyWiring,
    ]);
  });

  test('no package reaches into another one by a relative path', () => {
    const wrong = sources.flatMap((file) =>
      importsOf(file)
        .filter((imported) => imported.startsWith('.'))
        .filter(
          (imported) =>
            !join(file.path, '..', imported).startsWith(`packages/${packageOf(file)}/src/`) &&
            !isTest(file),
        )
        .map((imported) => `${file.path} imports ${imported}`),
    );
    expect(wrong).toEqual([]);
  });

  test.each(Object.keys(allowed))(
    "%s's package.json names what its sources import, and nothing else",
    (name) => {
      const { dependencies, peerDependencies } = manifestOf(name);
      // What a user installs repeats its rooms' peers, so that its own page says which drivers there are.
      const peers = name === 'changeover' ? {} : peerDependencies;
      const named = Object.keys({ ...dependencies, ...peers }).sort();
      const imported = sources
        .filter((file) => packageOf(file) === name && !isTest(file))
        .flatMap(importsOf)
        .filter((specifier) => !specifier.startsWith('.') && !isBuiltin(specifier))
        .map((specifier) =>
          specifier
            .split('/')
            .slice(0, specifier.startsWith('@') ? 2 : 1)
            .join('/'),
        );
      expect(named).toEqual([...new Set(imported)].sort());
    },
  );

  test('no package brings a driver along: each is an optional peer, and changeover names them all', () => {
    const drivers = ['@duckdb/node-api', 'better-sqlite3', 'pg'];
    const manifests = Object.keys(allowed).map(manifestOf);
    for (const { dependencies, peerDependencies, peerDependenciesMeta } of manifests) {
      expect(Object.keys(dependencies ?? {}).filter((one) => drivers.includes(one))).toEqual([]);
      for (const name of Object.keys(peerDependencies ?? {}))
        expect(peerDependenciesMeta?.[name]).toEqual({ optional: true });
    }
    expect(Object.keys(manifestOf('changeover').peerDependencies ?? {}).sort()).toEqual(drivers);
  });

  test('core does no input or output', () => {
    const wrong = sources
      .filter((file) => packageOf(file) === 'core' && !isTest(file))
      .flatMap((file) =>
        importsOf(file).filter(
          (imported) => isBuiltin(imported) && !['node:module', 'node:path'].includes(imported),
        ),
      );
    expect(wrong).toEqual([]);
  });

  test('a generic room names no engine, but for the stores that it keeps its own records in', () => {
    const wrong = sources
      .filter((file) => generic.includes(packageOf(file)) && !isTest(file))
      .filter(({ path }) => !mayNameDatabases.some((one) => one.test(path)))
      .flatMap(({ path, text }) =>
        text
          .split('\n')
          .flatMap((line, at) => (databaseName.test(line) ? [`${path}:${at + 1} ${line}`] : [])),
      );
    expect(wrong).toEqual([]);
  });
});
