export * from '@changeover/core';
export type { ComparisonRule } from '@changeover/compare';
export {
  BackendRouter,
  type BackendRouterOptions,
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
  Guardrail,
  type GuardrailOptions,
  type Hold,
  InvalidKeyError,
  legacyOnly,
  type Logger,
  migrationInstruments,
  openFileStageSource,
  openRecorder,
  openServerStageSource,
  read,
  type Recorder,
  type ReportData,
  readRecordings,
  type StageSource,
  type StatementClassifier,
  type StatementKind,
  sub,
  transaction,
  WiringError,
  write,
} from '@changeover/bridge';
export * from '@changeover/engines';
export type { StorageBackend as StorageApi } from '@changeover/engines';
export {
  OpenTelemetrySink,
  prometheusName,
  PrometheusSink,
  type Report,
  type ReportFormat,
  renderReport,
  reportFormats,
} from '@changeover/operate';
export {
  poolInstruments,
  StorageBackendFactory,
  type StorageBackendFactoryOptions,
} from '@changeover/pooled';
export {
  createStorageBridge,
  StorageBackend,
  type StorageBridge,
  type StorageBridgeOptions,
} from '@changeover/storage';
export * from '@changeover/storage';
