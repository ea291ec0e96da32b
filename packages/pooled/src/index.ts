export * from './factory-options.ts';
export * from './factory-stats.ts';
export * from './logger.ts';
export * from './metrics/measured-pools.ts';
export * from './metrics/pool-instruments.ts';
export * from './metrics/pool-metrics.ts';
export type { BreakerOptions, BreakerState } from './pool/pool-breaker.ts';
export * from './pool/pool-errors.ts';
export * from './pool/pool-observer.ts';
export type { PoolOptions } from './pool/pool-options.ts';
export * from './pool/pool-stats.ts';
export { retryRules } from './retry-policy.ts';
export type { RetryAction, RetryRule, WorkKind } from './retry-policy.ts';
export {
  keepsSession,
  type KnownReliance,
  type SessionFacts,
  sessionFactsByWords,
  type SessionMode,
  type SessionUse,
} from '@changeover/engines/api';
export * from './storage-backend-factory.ts';
