export { createDuckdbClassifier } from './duckdb-classifier.ts';
export type { DuckdbClassifierOptions } from './duckdb-classifier.ts';
export type { DuckdbConnection } from './catalogue.ts';
