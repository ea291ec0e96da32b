export { verifyStore, type VerifySurroundings } from './verify-store.ts';
export type { VerifyAgainst, VerifyOptions } from './verify-options.ts';
export * from './verify-types.ts';
