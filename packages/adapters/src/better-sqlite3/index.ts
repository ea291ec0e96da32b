export { bridgeDatabase, type BridgeDatabaseOptions } from './bridge-database.ts';
export type { KeyedStatement } from '../shared/adapter-options.ts';
