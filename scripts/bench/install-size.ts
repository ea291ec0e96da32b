import { execFileSync } from 'node:child_process';
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from '../run-node.ts';
import { type BenchCase, type CaseResult, countOf } from './figure.ts';
import { atMost } from './verdict.ts';

export const installSize: BenchCase = {
  name: 'install-size',
  title: 'what `npm install changeover` puts on disk, from the packed packages, beside peers',
  run: measureInstallSize,
};

interface Installed {
  readonly packages: number;
  readonly mb: number;
}

function measureInstallSize(): Promise<CaseResult> {
  const folder = mkdtempSync(join(tmpdir(), 'changeover-install-'));
  try {
    execFileSync(process.execPath, ['scripts/build.ts'], { cwd: root, stdio: 'ignore' });
    const own = install(folder, 'changeover', packAll(folder));
    const peers = ['unleash-client', '@launchdarkly/node-server-sdk', 'kysely'].map((name) => {
      const { packages, mb } = install(folder, name, [`${name}@${installedVersion(name)}`]);
      return `${name} ${packages} and ${mb.toFixed(1)} MB`;
    });
    const beside = peers.join(', ');
    return Promise.resolve({
      figures: [
        countOf({
          key: 'packages',
          name: 'packages',
          unit: 'packages',
          count: own.packages,
          target: atMost(75),
          beside,
        }),
        countOf({
          key: 'disk',
          name: 'on disk',
          unit: 'MB',
          count: own.mb,
          target: atMost(32),
          beside,
        }),
      ],
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function packAll(folder: string): string[] {
  // What rewrites a project is run by npx and installed by nobody.
  const names = readdirSync(join(root, 'packages')).filter((name) => name !== 'adopt');
  const workspaces = names.flatMap((name) => ['--workspace', `packages/${name}`]);
  execFileSync('npm', ['pack', '--silent', '--pack-destination', folder, ...workspaces], {
    cwd: root,
    stdio: 'ignore',
  });
  return readdirSync(folder)
    .filter((name) => name.endsWith('.tgz'))
    .map((name) => join(folder, name));
}

function install(folder: string, name: string, what: readonly string[]): Installed {
  const project = join(folder, name.replace(/\W/g, '-'));
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), '{ "private": true }');
  const quiet = ['--silent', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline'];
  execFileSync('npm', ['install', ...quiet, ...what], { cwd: project, stdio: 'ignore' });
  const modules = join(project, 'node_modules');
  const { packages } = JSON.parse(readFileSync(join(modules, '.package-lock.json'), 'utf8')) as {
    readonly packages: object;
  };
  return { packages: Object.keys(packages).length, mb: bytesIn(modules) / 1_000_000 };
}

function installedVersion(name: string): string {
  const text = readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8');
  return (JSON.parse(text) as { readonly version: string }).version;
}

function bytesIn(folder: string): number {
  let bytes = 0;
  for (const path of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const found = lstatSync(join(folder, path));
    if (found.isFile()) bytes += found.size;
  }
  return bytes;
}
