#!/usr/bin/env node
// Runs the TypeScript source with the repository's own Node where it is there, and the built command otherwise. Plain
// JavaScript, because it must run on any Node from 20 on to be able to say which one it needs.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const home = dirname(dirname(fileURLToPath(import.meta.url)));
const built = join(home, 'dist', 'command', 'main.js');
const source = join(home, 'src', 'command', 'main.ts');
const isBuilt = !existsSync(source);
const [major, minor] = process.versions.node.split('.').map(Number);
// As it is built, it needs Node's own SQLite; the source needs a Node that runs TypeScript.
const oldestMinor = isBuilt ? 13 : 18;
const runsHere = major > 22 || (major === 22 && minor >= oldestMinor);
const own = join(
  home,
  '..',
  '..',
  'node_modules',
  'node',
  'bin',
  process.platform === 'win32' ? 'node.exe' : 'node',
);

if (isBuilt && runsHere) await import(built);
else if (!runsHere && !existsSync(own)) {
  process.stderr.write(
    `changeover: Node ${process.versions.node} is too old: use 22.${oldestMinor} or newer.\n`,
  );
  process.exitCode = 1;
} else {
  const flags = isBuilt
    ? [built]
    : ['--conditions=@changeover/source', '--disable-warning=ExperimentalWarning', source];
  const child = spawn(runsHere ? process.execPath : own, [...flags, ...process.argv.slice(2)], {
    stdio: 'inherit',
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
    process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    process.stderr.write(`changeover: Node could not be started: ${error.message}\n`);
    process.exitCode = 1;
  });
  child.on('exit', (code) => {
    process.exitCode = code ?? 1;
  });
}
