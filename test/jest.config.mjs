// Node runs the TypeScript sources as they are (type stripping), so Jest needs no transformer.
export default {
  rootDir: '..',
  testEnvironment: 'node',
  transform: {},
  extensionsToTreatAsEsm: ['.ts'],
  testEnvironmentOptions: { customExportConditions: ['@changeover/source', 'node', 'node-addons'] },
  testMatch: ['<rootDir>/packages/*/src/**/*.test.ts', '<rootDir>/test/**/*.test.ts'],
  modulePathIgnorePatterns: ['<rootDir>/packages/[^/]+/dist/'],
  globalSetup: '<rootDir>/test/kit/global-setup.ts',
  globalTeardown: '<rootDir>/test/kit/global-teardown.ts',
  // For a test that hangs, not for one that a busy machine slows down.
  testTimeout: 120_000,
};
