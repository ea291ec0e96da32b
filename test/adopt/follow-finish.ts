import { expect } from '@jest/globals';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findWiring } from '../../packages/operate/src/command/bridge-wiring.ts';

/** Does what `changeover finish` says, to the letter, and gives what else it says to do. */
export function followFinish(folder: string): string[] {
  const { wiring } = findWiring(folder);
  for (const { file, remove, write } of wiring) {
    const path = join(folder, file);
    const text = readFileSync(path, 'utf8');
    expect(text).toContain(remove);
    writeFileSync(
      path,
      text.replace(remove, () => write),
    );
  }
  return wiring.flatMap(({ note }) => note ?? []);
}
