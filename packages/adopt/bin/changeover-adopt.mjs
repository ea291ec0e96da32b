#!/usr/bin/env node
// Runs the built command, or the TypeScript source where nothing is built. Plain JavaScript, because it must run on any Node
// from 20 on to be able to say which one it needs.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const home = dirname(dirname(fileURLToPath(import.meta.url)));
const built = join(home, 'dist', 'command', 'main.js');
const source = join(home, 'src', 'command', 'main.ts');
const isBuilt = !existsSync(source);
const [major, minor] = process.versions.node.split('.').map(Number);
const oldestMinor = isBuilt ? 13 : 18;

if (major < 22 || (major === 22 && minor < oldestMinor)) {
  process.stderr.write(
    `changeover-adopt: Node ${process.versions.node} is too old: use 22.${oldestMinor} or newer.\n`,
  );
  process.exitCode = 1;
} else if (isBuilt) await import(built);
else {
  const flags = ['--conditions=@changeover/source', '--disable-warning=ExperimentalWarning'];
  const child = spawn(process.execPath, [...flags, source, ...process.argv.slice(2)], {
    stdio: 'inherit',
  });
  child.on('exit', (code) => {
    process.exitCode = code ?? 1;
  });
}
