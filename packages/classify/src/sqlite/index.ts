export { createSqliteClassifier } from './sqlite-classifier.ts';
export type { SqliteClassifierOptions } from './sqlite-classifier.ts';
