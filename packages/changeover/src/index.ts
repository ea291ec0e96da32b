export * from '@changeover/core';
export type { StorageBackend as StorageApi } from '@changeover/core';
export {
  BackendRouter,
  type BackendRouterOptions,
  createLogger,
  createStaticStageSource,
  Guardrail,
  type GuardrailOptions,
  type Hold,
  type Logger,
  openFileStageSource,
  openRecorder,
  openServerStageSource,
  type Recorder,
  type ReportData,
  readRecordings,
  type StageSource,
} from '@changeover/router';
export type { ComparisonRule } from '@changeover/compare';
export {
  type Attributes,
  type Instrument,
  type InstrumentSink,
  OpenTelemetrySink,
  poolInstruments,
  prometheusName,
  PrometheusSink,
  type Reading,
  StorageBackendFactory,
  type StorageBackendFactoryOptions,
} from '@changeover/pooled';
export { type StorageBridgeOptions } from './bridge-options.ts';
export { migrationInstruments } from './metrics/migration-instruments.ts';
export { StorageBackend } from './storage-backend.ts';
export { createStorageBridge, type StorageBridge } from './storage-bridge.ts';
export * from './report/index.ts';
export { renderReport } from './report/render-report.ts';
export { type Report, type ReportFormat, reportFormats } from './report/report.ts';
export * from './verify/index.ts';
