import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from '../../architecture/source-files.ts';
import { storeVersion } from '../../../packages/bridge/src/fleet/fleet-schema.ts';

const schemaFile = 'packages/bridge/src/fleet/fleet-schema.ts';

/** A release of the past as it was, with the libraries of today. */
export interface EarlierRelease {
  readonly folder: string;
  readonly storeVersion: number;
  remove(): void;
}

/** The last commit before the store's version was raised to what it is; undefined where the history is not here. */
export function commitBeforeSchema(): string | undefined {
  try {
    const commits = git('log', '--format=%H', '--', schemaFile).split('\n').filter(Boolean);
    const raised = commits.findIndex((commit) => versionAt(commit) < storeVersion);
    return raised < 0 ? undefined : commits[raised];
  } catch {
    return undefined;
  }
}

/** Takes a commit's sources out of the history. They run with `@changeover/source`. */
export function takeEarlierRelease(commit: string): EarlierRelease {
  const folder = mkdtempSync(join(tmpdir(), 'changeover-earlier-'));
  const archive = execFileSync('git', ['archive', commit, 'packages', 'test', 'package.json'], {
    cwd: root,
    maxBuffer: 256 * 1024 * 1024,
  });
  execFileSync('tar', ['-x', '-C', folder], { input: archive });
  const modules = join(folder, 'node_modules');
  mkdirSync(join(modules, '@changeover'), { recursive: true });
  const own = readdirSync(join(folder, 'packages'));
  for (const name of readdirSync(join(root, 'node_modules')))
    if (name !== '@changeover' && name !== 'changeover')
      symlinkSync(join(root, 'node_modules', name), join(modules, name));
  for (const name of own)
    symlinkSync(
      join(folder, 'packages', name),
      join(modules, name === 'changeover' ? name : `@changeover/${name}`),
    );
  return {
    folder,
    storeVersion: versionAt(commit),
    remove: () => {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function versionAt(commit: string): number {
  const [, version] = /storeVersion = (\d+);/.exec(git('show', `${commit}:${schemaFile}`)) ?? [];
  return Number(version);
}

function git(...args: readonly string[]): string {
  return execFileSync('git', args, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}
