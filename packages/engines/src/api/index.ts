export * from './dataset-name.ts';
export * from './duckdb-instance-options.ts';
export * from './engine.ts';
export * from './input-values.ts';
export * from './parse-engine.ts';
export * from './storage-backend.ts';
export * from './storage-errors.ts';
export * from './storage-operations.ts';
export * from './store-location.ts';
export * from './undetermined-sql.ts';
export type { ErrorClass } from '../errors.ts';
export type { TransactionState } from '../session.ts';
export {
  appendingStatement,
  keepsSession,
  type KnownReliance,
  type LastingEffect,
  type SessionFacts,
  sessionFactsByWords,
  type SessionMode,
  type SessionUse,
} from '../session-facts/session-facts.ts';
