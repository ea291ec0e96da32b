import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { root } from '../architecture/source-files.ts';
import { nodeFlags, run, typeChangeover } from '../command/run-changeover.ts';

let folder: string;
let projects = 0;

beforeAll(() => {
  // Below the repository, so that a wiring finds the packages that it imports.
  folder = mkdtempSync(join(root, 'test/first-steps/.project-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

function project(manifest: object, files: Readonly<Record<string, string>> = {}): string {
  projects += 1;
  const path = join(folder, String(projects));
  mkdirSync(path);
  writeFileSync(join(path, 'package.json'), JSON.stringify(manifest));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text);
  return path;
}

const handles = [
  ['pg', { pg: '8' }, 'bridgeClient'],
  ['better-sqlite3', { 'better-sqlite3': '13' }, 'bridgeDatabase'],
  ['kysely over pg', { kysely: '0.29', pg: '8' }, 'PostgresDialect'],
  ['kysely over better-sqlite3', { kysely: '0.29', 'better-sqlite3': '13' }, 'SqliteDialect'],
  ['knex over pg', { knex: '3', pg: '8' }, "client: 'pg'"],
  ['knex over better-sqlite3', { knex: '3', 'better-sqlite3': '13' }, "client: 'better-sqlite3'"],
  ['DuckDB', { '@duckdb/node-api': '1' }, 'bridgeConnection'],
  ['nothing that is known', {}, 'createBridge'],
] as const;

const languages = [
  ['TypeScript', { type: 'module', devDependencies: { typescript: '6' } }, 'bridge.ts'],
  ['ES modules', { type: 'module' }, 'bridge.js'],
  ['CommonJS', {}, 'bridge.js'],
] as const;

describe.each(handles)('changeover init in a project with %s', (_name, dependencies, expected) => {
  test.each(languages)(
    'as %s writes a wiring that runs as it stands',
    async (_kind, manifest, file) => {
      const path = project({ ...manifest, dependencies });
      expect(await typeChangeover(['init', '--folder', path])).toMatchObject({ code: 0, err: '' });
      expect(readFileSync(join(path, file), 'utf8')).toContain(expected);
      const checked = await typeChangeover([
        'flags',
        'validate',
        join(path, 'flags/changeover.json'),
      ]);
      expect(checked.code).toBe(0);
      const main = join(path, 'main.mjs');
      writeFileSync(
        main,
        `const { bridgeOf } = await import('changeover');
const [made] = Object.values(await import('./${file}')).filter((one) => /object|function/.test(typeof one));
console.log(made === undefined ? 'nothing' : 'made');
process.chdir(import.meta.dirname);
process.exit(0);
`,
      );
      const ran = await run(process.execPath, [...nodeFlags, main], {}, path);
      expect(ran).toEqual({ code: 0, out: 'made\n', err: '' });
    },
  );
});

test('each wiring that changeover init writes in TypeScript is free of type errors', async () => {
  const manifest = { type: 'module', devDependencies: { typescript: '6' } };
  const files: string[] = [];
  for (const [, dependencies] of handles) {
    const path = project({ ...manifest, dependencies });
    await typeChangeover(['init', '--folder', path]);
    files.push(join(path, 'bridge.ts'));
  }
  const config = join(folder, 'tsconfig.json');
  writeFileSync(
    config,
    JSON.stringify({
      extends: join(root, 'tsconfig.json'),
      compilerOptions: { isolatedDeclarations: false, noEmit: true },
      files,
      // Else those of the configuration that this one extends: the whole repository.
      include: [],
    }),
  );
  const checker = join(root, 'test/first-steps/type-errors.ts');
  expect(await run(process.execPath, [checker, config])).toEqual({ code: 0, out: '', err: '' });
});

test('changeover init makes the wiring in src where there is one', async () => {
  const path = project({ type: 'module' });
  mkdirSync(join(path, 'src'));
  await typeChangeover(['init', '--folder', path]);
  expect(existsSync(join(path, 'src/bridge.js'))).toBe(true);
});

test('changeover init --plan makes nothing, and says what it would make', async () => {
  const path = project({ type: 'module' });
  const { code, out } = await typeChangeover(['init', '--folder', path, '--plan']);
  expect(code).toBe(0);
  expect(out).toMatch(/would be made +flags.changeover\.json/);
  expect(readdirSync(path)).toEqual(['package.json']);
});

test('changeover init a second time changes nothing and says what is there', async () => {
  const path = project({ type: 'module' });
  await typeChangeover(['init', '--folder', path]);
  for (const file of ['flags/changeover.json', 'bridge.js'])
    writeFileSync(join(path, file), `${readFileSync(join(path, file), 'utf8')}\n`);
  const before = ['flags/changeover.json', 'bridge.js'].map((file) =>
    readFileSync(join(path, file), 'utf8'),
  );
  const { code, out } = await typeChangeover(['init', '--folder', path, '--name', 'other']);
  expect(code).toBe(0);
  expect(out).toMatch(/is there +bridge\.js/);
  expect(out).toContain('has no flag changeover.other');
  expect(
    ['flags/changeover.json', 'bridge.js'].map((file) => readFileSync(join(path, file), 'utf8')),
  ).toEqual(before);
});

test('changeover init takes the handle that is named', async () => {
  const path = project({ dependencies: { pg: '8', 'better-sqlite3': '13' } });
  const { out } = await typeChangeover(['init', '--folder', path]);
  expect(out).toContain('Also found: better-sqlite3');
  const other = project({ dependencies: { pg: '8', 'better-sqlite3': '13' } });
  await typeChangeover(['init', '--folder', other, '--handle', 'better-sqlite3']);
  expect(readFileSync(join(other, 'bridge.js'), 'utf8')).toContain('bridgeDatabase');
});

test('changeover init says what to install', async () => {
  const { out } = await typeChangeover([
    'init',
    '--folder',
    project({ dependencies: { pg: '8' } }),
    '--format',
    'json',
  ]);
  expect(JSON.parse(out)).toMatchObject({ install: ['libpg-query', 'changeover'] });
});

test('changeover init says to install the handle that is named, too', async () => {
  const path = project({});
  const { out } = await typeChangeover(['init', '--folder', path, '--handle', 'better-sqlite3']);
  expect(out).toContain('npm install better-sqlite3 changeover');
});

test('changeover init without a package.json says what to type', async () => {
  const path = join(folder, 'empty');
  mkdirSync(path);
  const { code, err } = await typeChangeover(['init', '--folder', path]);
  expect(code).toBe(1);
  expect(err).toContain('npm init');
});

test.each([['with space'], ['a/b'], ['']])('changeover init refuses the name %j', async (name) => {
  const { code, err } = await typeChangeover(['init', '--folder', project({}), '--name', name]);
  expect(code).toBe(2);
  expect(err).toContain('use letters, digits');
});

test('what has no flags says to type changeover init', async () => {
  const missing = join(folder, 'missing.json');
  const { out } = await typeChangeover(['status', '--flags', missing]);
  expect(out).toContain('npx changeover init');
  const { err } = await typeChangeover([
    'rollback',
    'notes',
    'inbox',
    '--reason',
    'x',
    '--store',
    missing,
  ]);
  expect(err).toContain('npx changeover init');
});
