export { bridgeConnection } from './bridge-connection.ts';
export type { BridgeConnectionOptions } from './options.ts';
export type { KeyedStatement } from '../shared/adapter-options.ts';
export { TransactionWaitError } from '../shared/transaction-wait-error.ts';
