export { BridgeDialect } from './bridge-dialect.ts';
export type { BridgeDialectOptions } from './bridge-dialect-options.ts';
export { LastWriteError } from '../shared/last-write-error.ts';
export type { KeyedStatement } from '../shared/adapter-options.ts';
