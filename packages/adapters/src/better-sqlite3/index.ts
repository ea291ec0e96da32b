export { bridgeDatabase, type BridgeDatabaseOptions } from './bridge-database.ts';
