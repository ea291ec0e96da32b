/** The pages that are read by people, as globs from the repository's root. */
export const pageGlobs: readonly string[] = [
  '*.md',
  'docs/**/*.md',
  'flags/*.md',
  'examples/**/*.md',
  '.github/**/*.md',
  'packages/*/README.md',
];
