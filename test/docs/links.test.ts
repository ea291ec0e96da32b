import { describe, expect, test } from '@jest/globals';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from '../architecture/source-files.ts';
import { pageGlobs } from './pages.ts';

const pages = globSync([...pageGlobs], { cwd: root }).sort();

/** What GitHub makes of a heading. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-');
}

function anchors(path: string): string[] {
  return [...readFileSync(path, 'utf8').matchAll(/^#+ (.*)$/gm)].map((match) =>
    anchorOf(match[1] ?? ''),
  );
}

describe('links', () => {
  test('there are pages to look at', () => {
    expect(pages).toEqual(expect.arrayContaining(['README.md', 'docs/create-bridge.md']));
  });

  test.each(pages)('every link of %s leads to a page and a heading that are there', (page) => {
    const text = readFileSync(join(root, page), 'utf8').replaceAll(/^```.*?^```$/gms, '');
    const broken = [...text.matchAll(/\]\(([^)\s]+)\)/g)]
      .map((match) => match[1] ?? '')
      .filter((link) => !/^(https?|mailto):/.test(link))
      .filter((link) => {
        const [path = '', anchor] = link.split('#');
        const target = path === '' ? join(root, page) : join(root, dirname(page), path);
        if (!existsSync(target)) return true;
        return anchor !== undefined && !anchors(target).includes(anchor);
      });
    expect(broken).toEqual([]);
  });
});

test('every page of docs is named by the README', () => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  const unnamed = globSync('docs/*.md', { cwd: root }).filter(
    (page) => !readme.includes(`](${page})`),
  );
  expect(unnamed).toEqual([]);
});
