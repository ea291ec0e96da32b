import { expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../architecture/source-files.ts';

/** The README's blocks of TypeScript that stand alone: they import what they use and do something. */
function runnableBlocks(path: string): string[] {
  const text = readFileSync(join(root, path), 'utf8');
  return [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map((match) => match[1] ?? '').filter((block) => block.includes('await router.'));
}

test('the README has an example of a singleton of one\'s own', () => {
  expect(runnableBlocks('README.md')).toHaveLength(1);
});

test.each(runnableBlocks('README.md')
  .map((block, at) => [at + 1, block] as const))('README example %i runs and says what it says', (_at, block) => {
  const folder = mkdtempSync(join(root, 'test/docs/.example-'));
  try {
    const file = join(folder, 'example.ts');
    const [, expected] = /^(.*); \/\/ (\d+)$/m.exec(block)?.slice(1) ?? [];
    writeFileSync(file, `${block.replace(/^(.*); \/\/ \d+$/m, 'console.log($1);')}\nprocess.exit(0);\n`);
    const output = execFileSync(process.execPath, ['--conditions=@changeover/source', '--disable-warning=ExperimentalWarning', file],
      { encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '' } });
    expect(output.trim()).toBe(expected);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
