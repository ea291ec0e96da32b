export * from './metrics/opentelemetry-sink.ts';
export * from './metrics/prometheus-sink.ts';
export * from './report/index.ts';
export * from './report/render-report.ts';
export * from './report/report.ts';
