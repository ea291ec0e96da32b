#!/usr/bin/env node
// The way into every script: installs what is missing, then runs the TypeScript script with the repository's own Node.
// Plain JavaScript, because it must run on any Node from 20 on, before anything is installed.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, 'node_modules');
const stamp = join(modules, '.changeover-lock-digest');
const installing = join(root, '.installing');
const oldestForTypeScript = [22, 18];

/** Standard output belongs to the script: `--format json` must print nothing else. */
function say(line) {
  process.stderr.write(`changeover: ${line}\n`);
}

function fail(line) {
  say(line);
  process.exit(1);
}

/** Of what is installed: the workspaces' own dependencies on each other change nothing in node_modules. */
function lockDigest() {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const lines = Object.entries(packages).map(([path, entry]) => [
    path,
    path.startsWith('node_modules/') ? entry : entry.bin,
  ]);
  return createHash('sha256').update(JSON.stringify(lines)).digest('hex');
}

function installed() {
  try {
    return readFileSync(stamp, 'utf8') === lockDigest();
  } catch {
    return false;
  }
}

/** True for the one process that may install; the others wait until it is done. */
function mayInstall() {
  try {
    writeFileSync(installing, String(process.pid), { flag: 'wx' });
    return true;
  } catch {
    if (!installerLives()) rmSync(installing, { force: true });
    return false;
  }
}

/** Whether whoever holds the lock still runs: one that was killed leaves it behind. */
function installerLives() {
  try {
    const pid = Number(readFileSync(installing, 'utf8'));
    // Between making the file and writing to it there is a moment.
    if (pid === 0) return Date.now() - statSync(installing).mtimeMs < 5_000;
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

function install() {
  const started = Date.now();
  say(
    `${existsSync(modules) ? 'node_modules is out of date' : 'node_modules is missing'}: running npm ci (about a minute)…`,
  );
  const npm = process.env.npm_execpath;
  const [command, first] = npm?.endsWith('.js') ? [process.execPath, [npm]] : ['npm', []];
  const result = spawnSync(
    command,
    [...first, 'ci', '--no-audit', '--no-fund', '--loglevel=error'],
    {
      cwd: root,
      stdio: ['ignore', 2, 2],
      shell: process.platform === 'win32' && first.length === 0,
    },
  );
  if (result.status !== 0) {
    fail(
      `npm ci failed (${result.error?.message ?? `exit code ${String(result.status)}`}). ` +
        'It needs the npm registry; see its output above, then run the same command again.',
    );
  }
  writeFileSync(stamp, lockDigest());
  say(`installed in ${Math.round((Date.now() - started) / 1000)} s.`);
}

async function ensureInstalled() {
  while (!installed()) {
    if (mayInstall()) {
      try {
        if (!installed()) install();
      } finally {
        rmSync(installing, { force: true });
      }
    } else await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

/** The repository's Node 24; with CHANGEOVER_NODE=machine the one that runs npm, if it can run TypeScript. */
function nodeBinary() {
  if (process.env.CHANGEOVER_NODE === 'machine') {
    const binary = process.env.npm_node_execpath ?? process.execPath;
    const version = spawnSync(binary, ['--version'], { encoding: 'utf8' }).stdout?.trim() ?? '';
    const [major, minor] = version.replace(/^v/, '').split('.').map(Number);
    if (
      major > oldestForTypeScript[0] ||
      (major === oldestForTypeScript[0] && minor >= oldestForTypeScript[1])
    )
      return binary;
    fail(
      `CHANGEOVER_NODE=machine asks for this machine's Node, which is ${version}; ` +
        `it must be ${oldestForTypeScript.join('.')} or newer. Unset it to use the repository's own.`,
    );
  }
  const binary = join(modules, 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
  return existsSync(binary) ? binary : process.execPath;
}

const [name, ...args] = process.argv.slice(2);
const script = join(root, 'scripts', `${name ?? ''}.ts`);
if (name === undefined || !/^[a-z-]+$/.test(name) || !existsSync(script)) {
  fail(`there is no script ${JSON.stringify(name ?? '')}; see "scripts" in package.json.`);
}
await ensureInstalled();
const child = spawn(
  nodeBinary(),
  ['--conditions=@changeover/source', '--disable-warning=ExperimentalWarning', script, ...args],
  {
    stdio: 'inherit',
    // DuckDB runs its queries on libuv's threads: four of them would be held by four queries, and files would wait.
    env: { UV_THREADPOOL_SIZE: '16', ...process.env },
  },
);
// A terminal's Ctrl-C reaches the child by itself; what only this process gets is passed on. Both wait for the child's end.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('error', (error) => fail(`could not start Node: ${error.message}`));
child.on('exit', (code, signal) => {
  if (signal === null) process.exit(code ?? 1);
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
});
