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
  legacyOnly,
  type Logger,
  openFileStageSource,
  OpenFeatureStageSource,
  openServerStageSource,
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

// What shows a migration.
export {
  OpenTelemetrySink,
  PrometheusSink,
  type Report,
  type ReportFormat,
  renderReport,
} from '@changeover/operate';

// The storage API of SQLite, DuckDB and PostgreSQL, and what it throws.
export {
  AbortedError,
  ClosedError,
  type ColumnAnalysis,
  ColumnNotFoundError,
  ConnectionError,
  datasetFile,
  datasetSchema,
  DatasetExistsError,
  DatasetNotFoundError,
  type Engine,
  engines,
  type InputValue,
  InvalidArgumentError,
  InvalidNameError,
  parseEngine,
  ReadOnlyError,
  type ResultSet,
  SessionStateError,
  StatementError,
  type StorageBackend as StorageApi,
  StorageError,
  type StoreLocation,
  TableExistsError,
  TableNotFoundError,
  UnknownEngineError,
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
