import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from '../architecture/source-files.ts';

/** What a user writes: it sees the built packages alone. */
const consumer = `
import { StorageBackend, StorageBackendFactory, parseEngine, type Row } from 'changeover';

StorageBackend.configure({ basePath: './data', flagsFile: './flags.json', storePath: './comparisons.sqlite' });
for (const engine of ['sqlite', 'duckdb'] as const) {
  const storage: StorageBackend = StorageBackend.getInstance(engine);
  await storage.createDataset('titanic');
  await storage.writeTable('titanic', 'train', [{ id: 1, name: 'Owen' }, { id: 2, name: 'Élise' }]);
  const rows: Row[] = await storage.readData('titanic');
  console.log(engine, JSON.stringify(rows), storage instanceof StorageBackend);
}
await StorageBackend.shutdown();

const factory = new StorageBackendFactory({ basePath: './data' });
const titanic = factory.createBackend('titanic', parseEngine('sqlite'));
const reads = await Promise.all(Array.from({ length: 20 }, () => titanic.query('SELECT count(*) AS n FROM train')));
console.log('pooled', JSON.stringify(reads[19]));
console.log('written', await titanic.execute('INSERT INTO train VALUES (3, ?)', ['Nils']));
await factory.close();
`;

let folder = '';

function run(command: string, args: readonly string[], cwd: string): string {
  // Jest's own condition and flags must not reach the user's project.
  const env = { ...process.env, NODE_OPTIONS: '' };
  return execFileSync(command, args, {
    cwd,
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-packed-'));
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const names = readdirSync(join(root, 'packages'));
  run(process.execPath, [tsc, '--build', ...names.map((name) => join('packages', name))], root);
  run(
    'npm',
    [
      'pack',
      '--silent',
      '--pack-destination',
      folder,
      ...names.flatMap((name) => ['--workspace', `packages/${name}`]),
    ],
    root,
  );
  const tarballs = readdirSync(folder)
    .filter((name) => name.endsWith('.tgz'))
    .map((name) => `./${name}`);
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ name: 'consumer', private: true, type: 'module' }),
  );
  run(
    'npm',
    [
      'install',
      '--silent',
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
      '--prefer-offline',
      ...tarballs,
    ],
    folder,
  );
  writeFileSync(join(folder, 'consumer.ts'), consumer);
}, 240_000);

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('the packed packages, installed in an empty project', () => {
  test('hold nothing but what a user needs', () => {
    const files = readdirSync(join(folder, 'node_modules/@changeover/pooled'), {
      recursive: true,
    }).map(String);
    expect(files).toEqual(
      expect.arrayContaining([
        'package.json',
        'README.md',
        'LICENSE',
        join('dist', 'index.js'),
        join('dist', 'index.d.ts'),
      ]),
    );
    expect(files.filter((name) => /\.test\.|^src/.test(name))).toEqual([]);
  });

  test('run, worker threads included', () => {
    const output = run(process.execPath, ['consumer.ts'], folder);
    expect(output.split('\n').filter((line) => line !== '')).toEqual([
      'sqlite [{"id":1,"name":"Owen"},{"id":2,"name":"Élise"}] true',
      'duckdb [{"id":1,"name":"Owen"},{"id":2,"name":"Élise"}] true',
      'pooled {"columns":["n"],"rows":[{"n":2}]}',
      'written 1',
    ]);
  }, 60_000);

  test('type-check for a user under strict', () => {
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    const options = [
      '--strict',
      '--noEmit',
      '--skipLibCheck',
      '--module',
      'nodenext',
      '--target',
      'es2024',
      '--lib',
      'es2024,esnext.disposable',
      '--types',
      'node',
      '--typeRoots',
      join(root, 'node_modules/@types'),
    ];
    expect(run(process.execPath, [tsc, ...options, 'consumer.ts'], folder)).toBe('');
  }, 60_000);

  test('say which versions of each other they need', () => {
    const manifest = JSON.parse(
      readFileSync(join(folder, 'node_modules/changeover/package.json'), 'utf8'),
    ) as { dependencies: Record<string, string>; version: string };
    for (const [name, version] of Object.entries(manifest.dependencies)) {
      if (name.startsWith('@changeover/'))
        expect([name, version]).toEqual([name, manifest.version]);
    }
  });
});
