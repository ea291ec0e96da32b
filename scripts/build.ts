import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { build, transformSync } from 'esbuild';
import { root, runTool } from './run-node.ts';

/** Files of a package to run or load, by their path in `dist` without an ending, with their source. */
type Entries = Readonly<Record<string, string>>;

/** What a package runs from its `bin`: no export names it. */
const unexported: Readonly<Record<string, Entries>> = {
  adopt: { 'command/main': './src/command/main.ts' },
  changeover: { 'command/main': './src/command/main.ts' },
};

/** Exports that are part of another one. In CommonJS they are that one: two copies of an error's class don't know each other. */
const partsOfIndex: ReadonlySet<string> = new Set(['engines/api/index', 'engines/sqlite']);

/** Files that a package reads beside its code, by its name: tracers follow code alone. */
const readBeside: Readonly<Record<string, string>> = {
  'libpg-query': 'libpg-query/wasm/libpg-query.wasm',
};

/** What a package says of itself. */
interface Manifest {
  readonly exports: Readonly<
    Record<string, string | { readonly '@changeover/source': string; readonly default?: string }>
  >;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
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
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
  const entries = { ...exportedBy(manifest), ...unexported[name] };
  const shared = {
    absWorkingDir: folder,
    bundle: true,
    platform: 'node',
    target: 'node22.13',
    packages: 'external',
    logLevel: 'warning',
  } as const;
  await build({ ...shared, entryPoints: entries, outdir: dist, format: 'esm', splitting: true });
  for (const file of readdirSync(dist, { recursive: true, encoding: 'utf8' }))
    if (file.endsWith('.js')) makeQuickToLoad(join(dist, file));
  nameWhatIsLoadedOnUse(dist, manifest, Object.keys(entries));
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

const builtinImport =
  /^import (?:(?<whole>\w+)|\* as (?<names>\w+)|(?<some>\{[^}]*\})) from "(?<module>node:[^"]+)";\n/gm;

/** What is read and compiled at each start is as short as it can be, with the names as they are, and lines that a stack trace can show. */
function makeQuickToLoad(file: string): void {
  const text = takeBuiltinsDirectly(readFileSync(file, 'utf8'));
  if (/^import[^;]*"node:/m.test(text)) throw new Error(`${file} imports a module in another way`);
  const { code } = transformSync(text, {
    target: 'node22.13',
    format: 'esm',
    minifyWhitespace: true,
    minifySyntax: true,
    lineLimit: 160,
  });
  writeFileSync(file, code);
}

/**
 * Asks Node for its own modules in place of importing them. An import reads every export, and with it loads what some of them stand
 * for: 4 ms each for `node:fs` and `node:util`, 40 ms for `node:http`. All at the top, as imports would be.
 */
function takeBuiltinsDirectly(text: string): string {
  const taken: string[] = [];
  const rest = text.replaceAll(builtinImport, (...found) => {
    const { whole, names, some = '', module = '' } = found.at(-1) as Record<string, string>;
    const what = whole ?? names ?? some.replaceAll(/(\w+) as (\w+)/g, '$1: $2');
    taken.push(`const ${what} = process.getBuiltinModule("${module}");\n`);
    return '';
  });
  return taken.join('') + rest;
}

/**
 * Names what is loaded on first use, and programs that run beside, to whatever finds a program's files by following its imports
 * (Next.js, serverless platforms): it follows this file from each entry, and nobody runs it. Without it, what is deployed lacks them.
 */
function nameWhatIsLoadedOnUse(
  dist: string,
  { dependencies, peerDependencies, exports }: Manifest,
  entries: readonly string[],
): void {
  const names = Object.keys({ ...dependencies, ...peerDependencies }).filter(
    (name) => !name.startsWith('@changeover/'),
  );
  const packages = names.map((name) => `  require('${name}');\n`);
  const files = names.flatMap((name) =>
    readBeside[name] === undefined ? [] : [`  require.resolve('${readBeside[name]}');\n`],
  );
  const programs = Object.values(exports).flatMap((one) =>
    typeof one === 'string' || one.default === undefined
      ? []
      : [`  require('${one.default.replace('./dist', '..')}');\n`],
  );
  const named = [...packages, ...files, ...programs].join('');
  if (named === '') return;
  const file = join(dist, 'cjs', 'loaded-on-use.js');
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `module.exports = () => {\n${named}};\n`);
  for (const entry of entries) {
    const path = join(dist, `${entry}.js`);
    const url = relative(dirname(path), file).replaceAll('\\', '/');
    // In a bundle in CommonJS there is no such URL.
    const reference = `import.meta.url&&new URL("${url.startsWith('.') ? url : `./${url}`}",import.meta.url);\n`;
    writeFileSync(path, readFileSync(path, 'utf8') + reference);
  }
}

function exportedBy({ exports }: Manifest): Entries {
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
