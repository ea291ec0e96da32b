export * from './api/index.ts';
export * from './connect-postgres.ts';
export * from './dataset-programs.ts';
export * from './dataset-store.ts';
export {
  type DuckdbInstanceOptions,
  duckdbInstancesOpen,
  type DuckdbLease,
  duckdbPathInUse,
  leaseDuckdbInstance,
} from './duckdb-instances.ts';
export { DuckdbSession, type DuckdbSessionOptions, openDuckdbSession } from './duckdb-session.ts';
export * from './errors.ts';
export { inTransaction, type TransactionMode } from './operations/context.ts';
export { PostgresSession } from './postgres-session.ts';
export * from './program.ts';
export { rowsFromCells } from './rows.ts';
export * from './session.ts';
export * from './snapshot/index.ts';
export * from './sqlite-session.ts';
