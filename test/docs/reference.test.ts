import { expect, test } from '@jest/globals';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { exportedNames } from '../../scripts/reference/exported.ts';
import { referencePages } from '../../scripts/reference/pages.ts';
import { root } from '../architecture/source-files.ts';

test('every name that changeover exports has a doc comment', () => {
  const silent = exportedNames()
    .filter(({ text }) => text === '')
    .map(({ from, name }) => `${from} ${name}`);
  expect(silent).toEqual([]);
});

test('docs/reference is what the sources say: npm run reference writes it anew', async () => {
  const pages = await referencePages();
  const outdated = [...pages].filter(
    ([name, text]) => readFileSync(join(root, 'docs/reference', name), 'utf8') !== text,
  );
  expect(outdated.map(([name]) => name)).toEqual([]);
  expect(globSync('*.md', { cwd: join(root, 'docs/reference') }).sort()).toEqual(
    [...pages.keys()].sort(),
  );
});
