export { createPostgresClassifier } from './postgres-classifier.ts';
export type { PostgresClassifierOptions } from './postgres-classifier.ts';
export type { PostgresQuery } from './queries.ts';
