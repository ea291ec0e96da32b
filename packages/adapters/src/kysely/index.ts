export { BridgeDialect } from './bridge-dialect.ts';
export type { BridgeDialectOptions } from './bridge-dialect-options.ts';
export { SessionStateError } from './session-state-error.ts';
