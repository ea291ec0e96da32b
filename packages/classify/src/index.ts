export { allRowsOf, type AllRows, countsChosen } from './choices.ts';
export { reasonOf } from './statement.ts';
export { StatementShapes } from './statement-shapes.ts';
export type {
  Act,
  ActKind,
  Cause,
  Effect,
  Limited,
  OrderPromise,
  SessionUse,
  Statement,
  TableUse,
  TransactionControl,
  Undetermined,
} from './statement.ts';
export type { ClassifierOptions, StatementClassifier } from './classifier.ts';
