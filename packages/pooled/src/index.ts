export * from './budget.ts';
export * from './pool/pool-errors.ts';
export * from './pool/pool-observer.ts';
export * from './pool/pool-options.ts';
export * from './pool/pool-stats.ts';
