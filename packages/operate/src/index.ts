export * from './metrics/opentelemetry-sink.ts';
export * from './metrics/prometheus-sink.ts';
