export * from './api/index.ts';
export { type ColumnKind, columnKinds } from './column-kind.ts';
export * from './connect-postgres.ts';
export * from './dataset-programs.ts';
export * from './dataset-store.ts';
export {
  detectPooler,
  noteRefusal,
  type PoolerFacts,
  type Pooling,
  refusesStartup,
} from './detect-pooler.ts';
export { isDate, timestampText } from './date-text.ts';
export { quoteIdentifier } from './dialect/dialect.ts';
export { duckdbCatalog } from './dialect/duckdb.ts';
export {
  duckdbInstancesOpen,
  type DuckdbLease,
  duckdbPathInUse,
  leaseDuckdbInstance,
} from './duckdb-instances.ts';
export { duckdbDriver, postgresDriver, sqliteDriver } from './drivers.ts';
export type { DuckdbSession, DuckdbSessionOptions } from './duckdb-session.ts';
export { openDuckdbSession } from './open-duckdb.ts';
export {
  checkDuckdbExecute,
  checkDuckdbQuery,
  checkDuckdbText,
  duckdbExplained,
  isDuckdbPivot,
} from './duckdb-statements.ts';
export * from './errors.ts';
export type { PagesRead } from './evidence/pages-read.ts';
export { fileMark, writtenSince } from './evidence/file-mark.ts';
export { type LogPosition, logPosition } from './evidence/write-ahead-log.ts';
export { inputCells, inputKeys } from './input-cells.ts';
export { jsonText } from './json-text.ts';
export { inTransaction, type TransactionMode } from './operations/context.ts';
export { type CancelTarget, requestCancel } from './postgres-cancel.ts';
export type { PostgresSession } from './postgres-session.ts';
export {
  bareUrl,
  type PostgresSettings,
  setForSession,
  shownUrl,
  splitUrl,
  requiredSettings,
  startupOptions,
} from './postgres-settings.ts';
export {
  beginText,
  checkPooledStatement,
  decideKeptBy,
  pooledStatementError,
  readConnectionFacts,
  standbyError,
  connectionFactsQuery,
} from './postgres-connection-facts.ts';
export { checkDeferred, type MayLeave, PooledTraces } from './postgres-traces.ts';
export { isRecoveryRefusal } from './postgres-transaction.ts';
export {
  checkPostgresExecute,
  checkPostgresQuery,
  givesRowsAndActs,
} from './postgres-statements.ts';
export * from './program.ts';
export * from './serializable.ts';
export { rowsFromCells } from './rows.ts';
export * from './session.ts';
export * from './snapshot/index.ts';
export { leadingWords } from './sql-text.ts';
export * from './sqlite-session.ts';
export { checkSqliteExecute, checkSqliteQuery, checkSqliteQueryText } from './sqlite-statements.ts';
