import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The repository's top folder. */
export const root: string = dirname(dirname(import.meta.dirname));

/** A tracked file with its text. */
export interface SourceFile {
  /** From the top folder, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

/** The tracked and the not yet tracked files whose path matches, those that are ignored left out. */
export function sourceFiles(matching: RegExp): SourceFile[] {
  const listed = execFileSync(
    'git',
    ['ls-files', '--cached', '--others', '--exclude-standard', '-z'],
    { cwd: root, encoding: 'utf8' },
  );
  const paths = [...new Set(listed.split('\0'))]
    .filter((path) => path !== '' && matching.test(path))
    .sort();
  return paths.flatMap((path) => {
    try {
      return [{ path, text: readFileSync(join(root, path), 'utf8') }];
    } catch {
      // Deleted and not yet committed.
      return [];
    }
  });
}

/** What a file imports, as written; types included. */
export function importsOf(file: SourceFile): string[] {
  const found = file.text.matchAll(
    /^\s*(?:import|export)\s(?:[^'";]*?\sfrom\s)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/gm,
  );
  return [...found].map((match) => match[1] ?? match[2] ?? '');
}
