// A bridge of one's own.
export {
  type Bridge,
  bridgeOf,
  type BridgeOptions,
  type BridgeSettings,
  bySql,
  caller,
  control,
  createBridge,
  createLogger,
  createStaticStageSource,
  InvalidKeyError,
  type LegAbilities,
  legacyOnly,
  type Logger,
  OpenFeatureStageSource,
  read,
  readRecordings,
  readSharedRecordings,
  type ReportData,
  type ReproduceOptions,
  type Reproduction,
  type StageSource,
  type StatementClassifier,
  type StatementKind,
  sub,
  transaction,
  WiringError,
  withAbilities,
  write,
} from '@changeover/bridge';
export type { ComparisonRule } from '@changeover/compare';
export {
  ChangeoverError,
  type InstrumentSink,
  InvalidOptionError,
  type Row,
  type Stage,
  stages,
  type Value,
} from '@changeover/core';

// Where its figures go.
export { OpenTelemetrySink, PrometheusSink } from '@changeover/operate';

// The storage API of SQLite, DuckDB and PostgreSQL, and of what it throws that which callers tell apart; the rest by its `code`.
export {
  AbortedError,
  type ColumnAnalysis,
  ConnectionError,
  datasetFile,
  datasetSchema,
  DatasetExistsError,
  DatasetNotFoundError,
  type Engine,
  engines,
  type InputValue,
  type ResultSet,
  SessionStateError,
  StatementError,
  type StorageBackend as StorageApi,
  StorageError,
  type StoreLocation,
  TableNotFoundError,
} from '@changeover/engines/api';
export { StorageBackendFactory, type StorageBackendFactoryOptions } from '@changeover/pooled';
export {
  createStorageBridge,
  StorageBackend,
  type StorageBridge,
  type StorageBridgeOptions,
  type VerifyOptions,
  verifyStore,
} from '@changeover/storage';
