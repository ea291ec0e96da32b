export { bridgeClient } from './bridge-client.ts';
export { bridgePool } from './bridge-pool.ts';
export type { KeyedPgStatement, BridgeClientOptions } from './options.ts';
export { TransactionWaitError } from '../shared/transaction-wait-error.ts';
export { ConnectionSettingsError } from './connection-settings.ts';
