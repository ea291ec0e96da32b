import { expect, test } from '@jest/globals';
import { basename } from 'node:path';
import { sourceFiles } from './source-files.ts';

const code = sourceFiles(/^(packages|scripts|examples|test)\/.*\.(ts|mjs|cjs)$/);
const production = code.filter(({ path }) => !/\.test\.ts$|\/test-kit\/|^test\//.test(path));
const text = sourceFiles(/\.(ts|mjs|cjs|js|md|json|yml|yaml|html)$|^\.ci\/run$/).filter(
  ({ path }) => path !== 'package-lock.json',
);

/** A production file beyond this is several things. */
const maxLines = 500;

test('there is code to look at', () => {
  expect(production.length).toBeGreaterThan(50);
});

test(`production files have at most ${maxLines} lines`, () => {
  expect(
    production
      .filter(({ text: source }) => source.split('\n').length > maxLines)
      .map(({ path }) => path),
  ).toEqual([]);
});

test('file names are kebab-case', () => {
  const kebab = /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9-]+)*\.(ts|mjs|cjs)$/;
  expect(code.map(({ path }) => basename(path)).filter((name) => !kebab.test(name))).toEqual([]);
});

test('no test is skipped or preferred', () => {
  const wrong = code
    .filter(({ path }) => !path.startsWith('test/architecture/'))
    .filter(({ text: source }) =>
      /\b(test|it|describe)\.(only|skip|todo|failing)\b|\b(xit|xtest|xdescribe|fit|fdescribe)\(/.test(
        source,
      ),
    );
  expect(wrong.map(({ path }) => path)).toEqual([]);
});

test('names say what a thing is', () => {
  const vague = code.filter(({ path }) =>
    /(^|[-/])(utils?|helpers?|manager|impl|misc|common)([-./]|$)/.test(path.replace(/^test\//, '')),
  );
  expect(vague.map(({ path }) => path)).toEqual([]);
});

test("no text names a machine's path or a package registry", () => {
  // Put together here, so that this file doesn't hold what it looks for.
  const places = [
    ['/', 'work', '/'],
    ['/', 'root', '/'],
    ['registry', '.npmjs', '.org'],
  ].map((parts) => parts.join(''));
  expect(
    text
      .filter(({ text: source }) => places.some((place) => source.includes(place)))
      .map(({ path }) => path),
  ).toEqual([]);
});

test('files that ARCHITECTURE.md names are there', () => {
  const [{ text: page } = { text: '' }] = sourceFiles(/^ARCHITECTURE\.md$/);
  const paths = sourceFiles(/./).map(({ path }) => path);
  const named = [...page.matchAll(/`([a-z/*-]+(?:\/[a-z*-]+|\.(?:test\.)?ts))`/g)]
    .map((match) => match[1] ?? '')
    .filter((name) => /\.ts$/.test(name));
  expect(named.length).toBeGreaterThan(15);
  const missing = named.filter((name) => {
    const pattern = new RegExp(`(^|/)${name.replaceAll('.', '\\.').replaceAll('*', '[a-z-]+')}$`);
    return !paths.some((path) => pattern.test(path));
  });
  expect(missing).toEqual([]);
});
