import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { root } from '../architecture/source-files.ts';
import { bringInto, installedPackages, installInto, packInto, run } from './packed-project.ts';

/** What a user writes: it sees the built packages alone. */
const consumer = `
import { StorageBackend, StorageBackendFactory, type Row } from 'changeover';

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
const titanic = factory.createBackend('titanic', 'sqlite');
const reads = await Promise.all(Array.from({ length: 20 }, () => titanic.query('SELECT count(*) AS n FROM train')));
console.log('pooled', JSON.stringify(reads[19]));
console.log('written', await titanic.execute('INSERT INTO train VALUES (3, ?)', ['Nils']));
await factory.close();
`;

/** A bridge of one's own: it needs no driver. */
const ownBridge = `
import { createBridge, createStaticStageSource, read, type StorageApi, write } from 'changeover';

class Notes {
  static readonly #only: Notes = new Notes();
  readonly #notes: string[] = [];
  static getInstance(): Notes { return Notes.#only; }
  list(): string[] { return [...this.#notes]; }
  add(note: string): void { this.#notes.push(note); }
}
const notes: Notes = createBridge({
  name: 'notes',
  legacy: () => Notes.getInstance(),
  pooled: () => Notes.getInstance(),
  operations: { list: read(), add: write() },
  stages: createStaticStageSource({ notes: 'shadow' }),
  storePath: ':memory:',
});
notes.add('from the packed package');
const api: StorageApi | undefined = undefined;
console.log(notes.list().join(), api);
process.exit(0);
`;

/** The same for programs in CommonJS. */
const required = `
const { createBridge, read, createStaticStageSource } = require('changeover');
const real = { list: () => ['from the packed package'] };
const notes = createBridge({
  name: 'notes', legacy: () => real, pooled: () => real, operations: { list: read() },
  stages: createStaticStageSource({ notes: 'legacy' }), storePath: ':memory:',
});
`;

/** A test of the user's own, in the runner that Node brings. */
const contractTest = `
import assert from 'node:assert/strict';
import test from 'node:test';
import { createBridge, read, write } from 'changeover';
import { contract } from 'changeover/testing';

const store = [];
class Notes {
  async list() { return [...store]; }
  async add(text) { store.push(text); }
}
class Broken extends Notes {
  async list() { throw new Error('broken'); }
}
const faultsOf = (Pooled) => contract({
  legacy: () => new Notes(),
  pooled: () => new Pooled(),
  bridge: ({ legacy, pooled, stages }) => createBridge({
    name: 'notes', legacy, pooled, stages, storePath: ':memory:', operations: { list: read.rows(), add: write() },
  }),
  calls: { list: (notes) => notes.list(), add: (notes) => notes.add('buy film') },
  writes: ['add'],
});
test('is kept', async () => assert.deepEqual(await faultsOf(Notes), []));
test('is not kept', async () => assert.match((await faultsOf(Broken)).join(), /list at pooled fails/));
`;

const packed = 'from the packed package';
let folder = '';
let tarballs: readonly string[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'changeover-packed-'));
  tarballs = packInto(folder);
  installInto(folder, tarballs);
  bringInto(folder, ['@types/node', 'undici-types']);
  writeFileSync(join(folder, 'consumer.ts'), consumer);
  writeFileSync(join(folder, 'own-bridge.ts'), ownBridge);
}, 300_000);

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('the packed packages, installed in an empty project', () => {
  test.each(installedPackages)('hold nothing but what a user needs: packages/%s', (name) => {
    const place = name === 'changeover' ? name : `@changeover/${name}`;
    const files = readdirSync(join(folder, 'node_modules', place), { recursive: true })
      .map(String)
      .filter((file) => !file.startsWith('node_modules'));
    expect(files).toEqual(
      expect.arrayContaining([
        'package.json',
        'README.md',
        'LICENSE',
        // The adapters have an export each, and none of all.
        ...(name === 'adapters' ? ['pg/index'] : ['index']).flatMap((entry) => [
          join('dist', `${entry}.js`),
          join('dist', `${entry}.d.ts`),
          join('dist', 'cjs', `${entry}.js`),
        ]),
      ]),
    );
    const unwanted = /\.test\.|test-kit|^src|tsbuildinfo|\.map$|^node_modules|\.log$/;
    expect(files.filter((file) => unwanted.test(file))).toEqual([]);
  });

  test('bring no native driver along, and at most 75 packages', () => {
    const installed = JSON.parse(
      readFileSync(join(folder, 'node_modules/.package-lock.json'), 'utf8'),
    ) as { readonly packages: Record<string, unknown> };
    const names = Object.keys(installed.packages);
    expect(names.filter((name) => /better-sqlite3|duckdb|node_modules\/pg$/.test(name))).toEqual(
      [],
    );
    expect(names.length).toBeLessThanOrEqual(75);
  });

  test.each([['nodenext'], ['node16'], ['esnext', '--moduleResolution', 'bundler']])(
    'type-check under strict without skipLibCheck, as %s',
    (...resolution) => {
      const tsc = join(root, 'node_modules/typescript/bin/tsc');
      const options = ['--strict', '--noEmit', '--skipLibCheck', 'false', '--target', 'es2022'];
      const lib = ['--lib', 'es2024,esnext.disposable', '--types', 'node'];
      const args = [tsc, ...options, ...lib, '--module', ...resolution, 'own-bridge.ts'];
      expect(run(process.execPath, args, folder)).toBe('');
    },
    60_000,
  );

  test("run the README's first program as it stands", () => {
    const readme = readFileSync(join(root, 'README.md'), 'utf8');
    const [, program = ''] =
      [...readme.matchAll(/^```ts\n([^]*?)^```$/gm)].find(([, text = '']) =>
        text.includes('createBridge('),
      ) ?? [];
    writeFileSync(
      join(folder, 'readme.ts'),
      `${program}\nconsole.log(bridgeOf(notes).recorder.summary().totals.match);\nprocess.exit(0);\n`,
    );
    expect(run(process.execPath, ['readme.ts'], folder).trim()).toBe('1');
  });

  test('begin a project by the command, which is checked by it too', () => {
    const bin = join(folder, 'node_modules/changeover/bin/changeover.mjs');
    mkdirSync(join(folder, 'begun'));
    writeFileSync(join(folder, 'begun/package.json'), '{"type": "module"}');
    expect(run(process.execPath, [bin, 'init'], join(folder, 'begun'))).toContain('made');
    expect(run(process.execPath, ['bridge.js'], join(folder, 'begun'))).toBe('');
    expect(run(process.execPath, [bin, 'doctor'], join(folder, 'begun'))).toContain(
      'No problem was found.',
    );
  });

  test("run a bridge of one's own without a driver", () => {
    expect(run(process.execPath, ['own-bridge.ts'], folder)).toContain(packed);
  });

  test('load neither the flags’ client nor a driver nor http nor crypto when they are imported', () => {
    const program = `
      await import('changeover');
      const { createRequire } = await import('node:module');
      console.log(JSON.stringify([
        ...Object.keys(createRequire(process.cwd() + '/x.js').cache).map((path) => path.replaceAll('\\\\', '/')),
        ...process.moduleLoadList.filter((name) => /^NativeModule (http|sqlite|crypto)$/.test(name)),
      ]));`;
    const loaded = JSON.parse(
      run(process.execPath, ['--input-type=module', '-e', program], folder),
    ) as readonly string[];
    const heavy =
      /unleash|better-sqlite3|duckdb|\/pg\/|prom-client|opentelemetry|commander|cockatiel|pino|NativeModule/;
    expect(loaded.filter((path) => heavy.test(path))).toEqual([]);
  });

  test('are required by CommonJS, as the same copy that is imported', () => {
    writeFileSync(
      join(folder, 'required.cjs'),
      `${required}
      console.log(notes.list().join());
      import('changeover').then((imported) => { console.log(imported.createBridge === createBridge); process.exit(0); });`,
    );
    expect(run(process.execPath, ['required.cjs'], folder)).toBe(`${packed}\ntrue\n`);
  });

  test('run in jest as CommonJS', () => {
    const project = join(folder, 'jest');
    mkdirSync(project);
    writeFileSync(
      join(project, 'package.json'),
      '{ "name": "jest-project", "type": "commonjs", "jest": { "transform": {} } }',
    );
    writeFileSync(
      join(project, 'notes.test.js'),
      `${required} test('answers', () => { expect(notes.list()).toEqual(['${packed}']); });`,
    );
    const jest = join(root, 'node_modules/jest/bin/jest.js');
    run(process.execPath, [jest, '--rootDir', project, '--forceExit'], project);
  });

  test('check a contract under node --test', () => {
    writeFileSync(join(folder, 'contract.test.mjs'), contractTest);
    expect(run(process.execPath, ['--test', 'contract.test.mjs'], folder)).toMatch(/pass 2\n/);
  });

  test.each(['esm', 'cjs'] as const)('are bundled by esbuild as %s', async (format) => {
    const outfile = join(folder, `bundle.${format === 'esm' ? 'mjs' : 'cjs'}`);
    const { warnings } = await build({
      entryPoints: [join(folder, 'own-bridge.ts')],
      bundle: true,
      platform: 'node',
      format,
      outfile,
      logLevel: 'silent',
    });
    expect(warnings.filter(({ text }) => !text.includes('import.meta'))).toEqual([]);
    expect(run(process.execPath, [outfile], folder)).toContain(packed);
  });

  test('say what to install where a driver is missing', () => {
    const program = `
      import { StorageBackend } from 'changeover';
      StorageBackend.configure({ basePath: './data', databaseUrl: 'postgres://localhost:1/none', storePath: ':memory:' });
      for (const engine of ['sqlite', 'duckdb', 'postgresql'])
        await StorageBackend.getInstance(engine).createDataset('titanic').catch((error) => console.log(error.code, error.message));
      process.exit(0);`;
    expect(
      run(process.execPath, ['--input-type=module', '-e', program], folder).split('\n'),
    ).toEqual([
      'DRIVER_MISSING Cannot find the driver of SQLite. Install it: npm install better-sqlite3',
      'DRIVER_MISSING Cannot find the driver of DuckDB. Install it: npm install @duckdb/node-api',
      'DRIVER_MISSING Cannot find the driver of PostgreSQL. Install it: npm install pg',
      '',
    ]);
  });

  test('say what to install where the library of a metrics sink is missing', () => {
    const program = `
      import { OpenTelemetrySink, PrometheusSink } from 'changeover';
      for (const Sink of [PrometheusSink, OpenTelemetrySink]) {
        try { new Sink(); } catch (error) { console.log(error.code, error.message); }
      }`;
    expect(run(process.execPath, ['--input-type=module', '-e', program], folder)).toBe(
      'PACKAGE_MISSING Cannot load prom-client, which PrometheusSink hands its measurements to. Install it: npm install prom-client\n' +
        'PACKAGE_MISSING Cannot load @opentelemetry/api, which OpenTelemetrySink hands its measurements to. Install it: npm install @opentelemetry/api\n',
    );
  });

  test('show the help of the command', () => {
    const command = join(folder, 'node_modules/changeover/bin/changeover.mjs');
    const { status, stdout, stderr } = spawnSync(process.execPath, [command, '--help'], {
      encoding: 'utf8',
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain('Usage: changeover');
  });

  test('run with the drivers, worker threads included', () => {
    bringInto(folder, ['better-sqlite3', '@duckdb/node-api', '@duckdb/node-bindings']);
    const output = run(process.execPath, ['consumer.ts'], folder);
    expect(output.split('\n').filter((line) => line !== '')).toEqual([
      'sqlite [{"id":1,"name":"Owen"},{"id":2,"name":"Élise"}] true',
      'duckdb [{"id":1,"name":"Owen"},{"id":2,"name":"Élise"}] true',
      'pooled {"columns":["n"],"rows":[{"n":2}]}',
      'written 1',
    ]);
  });

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

/** What others run and bundle programs with. */
const tools = [
  'vitest@5.1.2',
  'tsx@4.23.15',
  'rollup@4.68.8',
  '@rollup/plugin-commonjs@29.0.3',
  '@rollup/plugin-node-resolve@16.0.3',
  'webpack@5.113.0',
  '@vercel/nft@1.11.5',
];
const platform = process.platform === 'win32' ? 'win' : process.platform;
/** Beside the Node that the tests run on. */
const oldest = '22.13.0';
const newest = '26.10.0';

describe("the packed packages, under others' tools and Nodes", () => {
  let project = '';
  const inProject = (command: string, ...args: readonly string[]): string =>
    run(command, args, project, { CHANGEOVER_LOG: 'silent' });
  const tool = (name: string, ...args: readonly string[]): string =>
    inProject(process.execPath, join(project, 'node_modules', name), ...args);
  /** What the shop's program says where SQLite is compared and its pooled leg reads in worker threads. */
  const kept = '{"orders":2,"compared":true,"threads":true}\n';

  beforeAll(() => {
    project = join(folder, 'tools');
    const nodes = [oldest, newest].map(
      (version) => `node-${version}@npm:node-${platform}-${process.arch}@${version}`,
    );
    installInto(project, [...tarballs, ...tools, ...nodes]);
    bringInto(project, ['better-sqlite3']);
    cpSync(join(root, 'test/packed/projects'), project, { recursive: true });
  }, 300_000);

  const onNode = (version: string, ...args: readonly string[]): string => {
    const bin = join(project, 'node_modules', `node-${version}`, 'bin');
    return inProject(join(bin, process.platform === 'win32' ? 'node.exe' : 'node'), ...args);
  };

  test('run on Node 26', () => {
    expect(onNode(newest, 'server.js')).toBe(kept);
    expect(onNode(newest, 'node_modules/changeover/bin/changeover.mjs', '--help')).toContain(
      'Usage: changeover',
    );
  }, 60_000);

  test('run on the oldest Node that is supported, and refuse a driver that would end it', () => {
    expect(onNode(oldest, 'notes.js')).toBe('["buy film"]\n');
    expect(() => onNode(oldest, 'server.js')).toThrow(
      /better-sqlite3 13\.\S+ needs Node 22\.14 or newer, and this is v22\.13\.0/,
    );
  }, 60_000);

  test.each(['forks', 'threads'])(
    'are tested with Vitest in its %s, the contract kit included',
    (pool) => {
      const output = tool('vitest/vitest.mjs', 'run', '--no-color', `--pool=${pool}`);
      expect(output).toMatch(/Tests +4 passed \(4\)/);
    },
    60_000,
  );

  test('run under tsx', () => {
    expect(tool('tsx/dist/cli.mjs', 'server.ts')).toBe(kept);
  }, 60_000);

  test('are bundled by rollup, worker threads included', () => {
    tool('rollup/dist/bin/rollup', '--silent', '-c');
    expect(inProject(process.execPath, 'rollup/server.js')).toBe(kept);
  }, 60_000);

  test('are bundled by webpack, and left outside as Next.js leaves packages of servers', () => {
    expect(inProject(process.execPath, 'build-webpack.js').trim()).toBe('');
    for (const bundle of ['webpack', 'webpack-outside'])
      expect([bundle, inProject(process.execPath, `${bundle}/server.mjs`)]).toEqual([bundle, kept]);
  }, 60_000);

  test('are whole where only the files are deployed that a program is traced to', () => {
    // Nothing that is installed is above it.
    const deployed = mkdtempSync(join(tmpdir(), 'changeover-deployed-'));
    try {
      inProject(process.execPath, 'copy-traced.js', 'server.js', deployed);
      expect(run(process.execPath, ['server.js'], deployed)).toBe(kept);
    } finally {
      rmSync(deployed, { recursive: true, force: true });
    }
  }, 60_000);

  // Windows has no signal that a program hears of.
  if (process.platform !== 'win32') {
    test('lose no counts of cluster and fork on one store that SIGTERM ends', () => {
      expect(JSON.parse(inProject(process.execPath, 'pods.js'))).toEqual({
        signals: ['SIGTERM', 'SIGTERM', 'SIGTERM'],
        lost: 0,
      });
    }, 60_000);
  }
});
