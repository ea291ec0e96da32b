export * from './canonical.ts';
export * from './difference.ts';
export * from './digest.ts';
export * from './latency-histogram.ts';
export * from './redaction.ts';
