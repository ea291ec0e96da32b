export { verifyStore } from './start-verify.ts';
export type { VerifyContext } from './verify-store.ts';
export type { VerifyAgainst, VerifyOptions } from './verify-options.ts';
export * from './verify-types.ts';
