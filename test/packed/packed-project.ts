import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from '../architecture/source-files.ts';

/** The packages that a user's project gets: what rewrites a project is run by npx and installed by nobody. */
export const installedPackages: readonly string[] = readdirSync(join(root, 'packages')).filter(
  (name) => name !== 'adopt',
);

/** Builds the packages and packs them into `folder`. Answers the tarballs' paths. */
export function packInto(folder: string): readonly string[] {
  run(process.execPath, ['scripts/build.ts'], root);
  const workspaces = installedPackages.flatMap((name) => ['--workspace', `packages/${name}`]);
  run('npm', ['pack', '--silent', '--pack-destination', folder, ...workspaces], root);
  return readdirSync(folder)
    .filter((name) => name.endsWith('.tgz'))
    .map((name) => join(folder, name));
}

/** Makes `folder` a project and installs into it what npm takes: tarballs, and names with their versions. */
export function installInto(folder: string, what: readonly string[]): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ name: 'consumer', private: true, type: 'module' }),
  );
  const quiet = ['--silent', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline'];
  run('npm', ['install', ...quiet, ...what], folder);
}

/** Puts packages of the repository's own into a project, as if they had been installed there too. */
export function bringInto(folder: string, names: readonly string[]): void {
  for (const name of names) {
    const place = join(folder, 'node_modules', name);
    mkdirSync(dirname(place), { recursive: true });
    // Of the kind for which Windows asks for no rights; others have no kinds.
    symlinkSync(join(root, 'node_modules', name), place, 'junction');
  }
}

/**
 * Runs a command as a user does.
 *
 * @returns what it printed.
 * @throws where it fails; the message holds all that it printed.
 */
export function run(
  command: string,
  args: readonly string[],
  cwd: string,
  environment: Readonly<Record<string, string>> = {},
): string {
  // Jest's own condition and flags must not reach the user's project.
  const env = { ...process.env, NODE_OPTIONS: '', ...environment };
  try {
    return execFileSync(command, args, {
      cwd,
      env,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      // npm is a script of the shell there.
      shell: process.platform === 'win32' && command === 'npm',
    });
  } catch (error) {
    const { stdout, stderr } = error as { readonly stdout?: string; readonly stderr?: string };
    throw new Error(`${command} ${args.join(' ')} failed: ${String(stdout)}${String(stderr)}`, {
      cause: error,
    });
  }
}
