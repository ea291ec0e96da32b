export * from './canonical.ts';
export * from './column-rules.ts';
export * from './difference.ts';
export * from './digest.ts';
export * from './latency-histogram.ts';
export * from './redaction.ts';
export * from './rules.ts';
export * from './value-type.ts';
