import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CommandError } from './command-error.ts';

/** What `changeover init` goes by. */
export interface Project {
  readonly folder: string;
  /** The packages that package.json names, of all kinds. */
  readonly packages: ReadonlySet<string>;
  /** How a new file is written there. */
  readonly language: 'typescript' | 'esm' | 'commonjs';
}

/** @throws {CommandError} where there is no package.json, or it can't be read. */
export function readProject(folder: string): Project {
  const path = join(folder, 'package.json');
  let manifest: unknown;
  try {
    manifest = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    const { code, message } = error as { readonly code?: string; readonly message: string };
    throw new CommandError(
      code === 'ENOENT'
        ? `There is no package.json in ${folder}. Type npm init first, or name the project: --folder FOLDER.`
        : `${path} can't be read: ${message}`,
    );
  }
  const fields = (typeof manifest === 'object' ? manifest : null) as Readonly<
    Record<string, unknown>
  > | null;
  const packages = new Set(
    ['dependencies', 'devDependencies', 'peerDependencies', 'optionalDependencies'].flatMap(
      (kind) => Object.keys(fields?.[kind] ?? {}),
    ),
  );
  const isTypeScript = existsSync(join(folder, 'tsconfig.json')) || packages.has('typescript');
  const language = isTypeScript ? 'typescript' : fields?.['type'] === 'module' ? 'esm' : 'commonjs';
  return { folder, packages, language };
}
