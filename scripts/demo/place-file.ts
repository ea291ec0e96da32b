import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** Where the main job leaves a migration, for `. FILE` in a shell: the command then works on it, typed anywhere. */
export function writePlaceFile(out: string): string {
  const path = join(out, 'env');
  const lines = [
    ['CHANGEOVER_BASE_PATH', 'datasets'],
    ['CHANGEOVER_FLAGS', 'flags.json'],
    ['CHANGEOVER_STORE', 'comparisons.sqlite'],
  ].map(
    ([name = '', file = '']) => `export ${name}='${resolve(out, file).replaceAll("'", "'\\''")}'`,
  );
  writeFileSync(path, `${lines.join('\n')}\n`);
  return path;
}
