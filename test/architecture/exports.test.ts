import { expect, test } from '@jest/globals';
import { type SourceFile, sourceFiles } from './source-files.ts';

const code = sourceFiles(/^(packages|scripts|examples|test)\/.*\.(ts|mjs|cjs)$/);
const sources = code.filter(
  ({ path }) => /^packages\/[^/]+\/src\//.test(path) && !/\.test\.ts$|\/test-kit\//.test(path),
);

/** What users import: its names are anybody's. */
const entries = /^packages\/changeover\/src\/[^/]+\.ts$/;

/** The functions, classes and constants that a file exports where it declares them. */
function valuesOf({ text }: SourceFile): string[] {
  const declared = /^export (?:async |abstract )*(?:const|let|function\*?|class) (\w+)/gm;
  return [...text.matchAll(declared)].map((match) => match[1] ?? '');
}

/** The names that a file may take from others: those in its imports, and each word of one that loads modules as it runs. */
function takenBy({ path, text }: SourceFile): readonly string[] {
  if (/\bimport\(|\bimport \* as/.test(text)) return text.match(/\w+/g) ?? [];
  const lists = entries.test(path)
    ? /^(?:import|export)[^;{]*\{([^}]*)\}\s*from/gm
    : /^import[^;{]*\{([^}]*)\}\s*from/gm;
  return [...text.matchAll(lists)].flatMap((match) => match[1]?.match(/\w+/g) ?? []);
}

test('what a file exports is imported somewhere: anything else is its own, or nobody needs it', () => {
  const takers = new Map<string, Set<string>>();
  for (const file of code)
    for (const name of takenBy(file)) {
      const paths = takers.get(name) ?? new Set();
      takers.set(name, paths.add(file.path));
    }
  const exported = sources.flatMap((file) => valuesOf(file).map((name) => ({ file, name })));
  expect(exported.length).toBeGreaterThan(500);
  const idle = exported.filter(
    ({ file, name }) => ![...(takers.get(name) ?? [])].some((path) => path !== file.path),
  );
  expect(idle.map(({ file, name }) => `${file.path}: ${name}`)).toEqual([]);
});
