export { createPostgresClassifier } from './postgres-classifier.ts';
export { hasPostgresParser } from './parser.ts';
export type { PostgresClassifierOptions } from './postgres-classifier.ts';
export type { PostgresQuery } from './queries.ts';
