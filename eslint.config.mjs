import tseslint from 'typescript-eslint';

export default tseslint.config(
  {
    // Plain JavaScript: what runs before anything is installed or built, and a CommonJS application.
    ignores: [
      '.changeover/**',
      '**/dist/**',
      '**/node_modules/**',
      'build/**',
      'scripts/run.mjs',
      'packages/*/bin/**',
      'examples/**/*.cjs',
      // Programs as other people write them.
      'test/adopt/projects/**',
      'test/packed/projects/**',
      'test/jest.config.mjs',
      'eslint.config.mjs',
    ],
  },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      // A promise that nobody awaits is this project's worst hazard; `void` says that it was thought of.
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      // What a leg threw is passed on as it is.
      '@typescript-eslint/prefer-promise-reject-errors': ['error', { allowThrowingUnknown: true }],
      '@typescript-eslint/only-throw-error': ['error', { allowThrowingUnknown: true }],
      '@typescript-eslint/return-await': ['error', 'error-handling-correctness-only'],
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', destructuredArrayIgnorePattern: '^_' },
      ],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      eqeqeq: 'error',
      'no-console': 'error',
      // Numbers in messages are clear as they are.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // An index that the line before has checked, or a method that a loop calls for its effect, needs no ceremony.
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      // `await` in a loop, a Promise type in an interface that some implementations answer at once: both are meant.
      '@typescript-eslint/require-await': 'off',
      // `getInstance` and the like are called as functions of an object of functions.
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/unified-signatures': 'off',
      '@typescript-eslint/no-unnecessary-type-parameters': 'off',
      // The drop-in is a class because the legacy singleton is one: callers use it as a value and as a type.
      '@typescript-eslint/no-extraneous-class': 'off',
      '@typescript-eslint/no-empty-object-type': [
        'error',
        { allowInterfaces: 'with-single-extends' },
      ],
      // Node 22 runs the sources as they are and can't parse these.
      'no-restricted-syntax': [
        'error',
        {
          selector: 'VariableDeclaration[kind=/using/]',
          message: 'Node 22 has no `using`: write try … finally with close().',
        },
      ],
    },
  },
  {
    files: ['**/*.test.ts', 'test/**'],
    rules: {
      // Tests hand hostile values to typed functions on purpose.
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/explicit-module-boundary-types': 'off',
      '@typescript-eslint/only-throw-error': 'off',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/prefer-promise-reject-errors': 'off',
      // A value of a row is compared as whatever text it has.
      '@typescript-eslint/no-base-to-string': 'off',
    },
  },
  {
    // ts-morph's classes of nodes have a brand each, and its own type guards tell them apart.
    files: ['packages/adopt/src/**'],
    rules: { '@typescript-eslint/no-unsafe-class-instance-assignment': 'off' },
  },
  { files: ['scripts/**', 'examples/**'], rules: { 'no-console': 'off' } },
);
