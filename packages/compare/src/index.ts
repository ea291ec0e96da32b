export * from './canonical-notation.ts';
export {
  CanonicalWriter,
  encodeCanonical,
  maxDepth,
  strictValues,
  type ValuePolicy,
} from './canonical.ts';
export * from './column-rules.ts';
export * from './difference.ts';
export * from './digest.ts';
export * from './latency-histogram.ts';
export { exactNumber, parseJsonExactly } from './loose-values.ts';
export * from './redaction.ts';
export * from './rules.ts';
export * from './scan-digest.ts';
export * from './statistics.ts';
export * from './value-type.ts';
