import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { build } from 'esbuild';
import { root, runTool } from './run-node.ts';

/** Files of a package to run or load, by their path in `dist` without an ending, with their source. */
type Entries = Readonly<Record<string, string>>;

/** What a package runs in a thread, a process or from its `bin`: no export names it. */
const unexported: Readonly<Record<string, Entries>> = {
  adopt: { 'command/main': './src/command/main.ts' },
  changeover: { 'command/main': './src/command/main.ts' },
  // Beside the file that starts them, which is in the top folder.
  pooled: { child: './src/sqlite/child.ts', worker: './src/sqlite/worker.ts' },
};

/** Exports that are part of another one. In CommonJS they are that one: two copies of an error's class don't know each other. */
const partsOfIndex: ReadonlySet<string> = new Set(['engines/api/index', 'engines/sqlite']);

interface Manifest {
  readonly exports: Readonly<Record<string, string | { readonly '@changeover/source': string }>>;
}

/** Each package's `dist`: its type declarations, and its code in few files, because a program that imports 400 small ones waits for
 * them; the same for CommonJS in `dist/cjs`. */
async function buildAll(): Promise<number> {
  const names = readdirSync(join(root, 'packages'));
  for (const name of names)
    rmSync(join(root, 'packages', name, 'dist'), { recursive: true, force: true });
  const projects = names.map((name) => join('packages', name));
  const code = await runTool('typescript/bin/tsc', ['--build', ...projects]);
  if (code === 0) for (const name of names) await buildPackage(name);
  return code;
}

async function buildPackage(name: string): Promise<void> {
  const folder = join(root, 'packages', name);
  const dist = join(folder, 'dist');
  const entries = { ...exportedBy(folder), ...unexported[name] };
  const shared = {
    absWorkingDir: folder,
    bundle: true,
    platform: 'node',
    target: 'node22.13',
    packages: 'external',
    logLevel: 'warning',
  } as const;
  await build({ ...shared, entryPoints: entries, outdir: dist, format: 'esm', splitting: true });
  const commonJs = join(dist, 'cjs');
  // The command waits at its top, which CommonJS can't; nobody requires it.
  const requirable = Object.entries(entries).filter(([path]) => path !== 'command/main');
  await build({
    ...shared,
    entryPoints: Object.fromEntries(
      requirable.filter(([path]) => !partsOfIndex.has(`${name}/${path}`)),
    ),
    outdir: commonJs,
    format: 'cjs',
    define: { 'import.meta.url': 'ownUrl' },
    banner: { js: "const ownUrl = require('node:url').pathToFileURL(__filename).href;" },
  });
  for (const [path] of requirable.filter(([one]) => partsOfIndex.has(`${name}/${one}`)))
    writePart(commonJs, `${path}.js`);
  copyTypes(dist, commonJs);
  // Each build is a whole one, and what is left here is packed.
  rmSync(join(dist, '.tsbuildinfo'), { force: true });
  writeFileSync(join(commonJs, 'package.json'), '{ "type": "commonjs" }\n');
}

function exportedBy(folder: string): Entries {
  const { exports } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
  return Object.fromEntries(
    Object.values(exports).flatMap((conditions) => {
      if (typeof conditions === 'string') return [];
      const source = conditions['@changeover/source'];
      return [[source.replace(/^\.\/src\/|\.ts$/g, ''), source]];
    }),
  );
}

function writePart(folder: string, path: string): void {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  const index = relative(dirname(file), join(folder, 'index.js')).replaceAll('\\', '/');
  writeFileSync(file, `module.exports = require('./${index}');\n`);
}

function copyTypes(from: string, to: string): void {
  const files = readdirSync(from, { recursive: true, encoding: 'utf8' });
  for (const path of files.filter((one) => one.endsWith('.d.ts') && !one.startsWith('cjs'))) {
    mkdirSync(dirname(join(to, path)), { recursive: true });
    copyFileSync(join(from, path), join(to, path));
  }
}

process.exitCode = await buildAll();
