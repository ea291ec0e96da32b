import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { root } from './source-files.ts';

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly license: string;
  readonly keywords: readonly string[];
  readonly engines: { readonly node: string };
  readonly files: readonly string[];
  readonly bin?: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, unknown>>;
}

const names = readdirSync(join(root, 'packages'));
const read = (name: string): Manifest =>
  JSON.parse(readFileSync(join(root, 'packages', name, 'package.json'), 'utf8')) as Manifest;
const { version, engines } = read('changeover');

describe.each(names)('the manifest of packages/%s', (name) => {
  const manifest = read(name);

  test('says what a registry shows, alike in all packages', () => {
    expect(manifest).toMatchObject({
      name: name === 'changeover' ? name : `@changeover/${name}`,
      version,
      license: 'MIT',
      engines,
      type: 'module',
      // Loading the core refuses a Node that is too old.
      ...(name === 'core' ? {} : { sideEffects: false }),
    });
    expect(manifest.description.length).toBeGreaterThan(20);
    expect(manifest.keywords.length).toBeGreaterThan(1);
  });

  test('packs what is built, its licence and its readme, and what it names is there', () => {
    expect(manifest.files).toEqual(expect.arrayContaining(['dist', 'LICENSE', 'README.md']));
    const inSources = manifest.files.filter((file) => file !== 'dist');
    const named = [...inSources, ...Object.values(manifest.bin ?? {})];
    expect(named.filter((file) => !existsSync(join(root, 'packages', name, file)))).toEqual([]);
    expect(manifest.files).not.toContain('src');
  });

  test('names no address, since there is no public one yet', () => {
    expect(Object.keys(manifest)).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/^(repository|homepage|bugs)$/)]),
    );
  });
});
