export { bridgeClient } from './bridge-client.ts';
export { bridgePool } from './bridge-pool.ts';
export type { KeyedStatement, PgBridgeOptions } from './options.ts';
export { TransactionWaitError } from './session.ts';
export { StandingError } from './standing.ts';
