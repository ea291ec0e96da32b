export { bridgeKnex } from './bridge-knex.ts';
export type { BridgeKnexOptions } from './bridge-knex-options.ts';
export { LastWriteError } from '../shared/last-write-error.ts';
export type { KeyedStatement } from '../shared/adapter-options.ts';
