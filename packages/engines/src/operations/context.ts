import { type Engine } from '../api/engine.ts';
import { InvalidNameError, type StorageErrorFields } from '../api/storage-errors.ts';
import type { Dialect } from '../dialect/dialect.ts';
import { duckdbDialect } from '../dialect/duckdb.ts';
import { postgresqlDialect } from '../dialect/postgresql.ts';
import { sqliteDialect } from '../dialect/sqlite.ts';
import { toStorageError } from '../errors.ts';
import type { InsertionOrders } from './insertion-orders.ts';
import type { PointReadTexts } from './point-read-texts.ts';
import type { OnPart, Program, RowForm } from '../program.ts';

/** How a program that must be all or nothing gets its transaction: it begins its `own`, it marks a `savepoint` in that of
 * the caller, or it is `bare` because the one who runs it has wrapped it in one. */
export type TransactionMode = 'own' | 'savepoint' | 'bare';

/** What the programs of one call have in common. */
export interface OperationContext {
  readonly dialect: Dialect;
  readonly dataset: string;
  readonly form: RowForm;
  readonly transaction: TransactionMode;
  /** Set where these programs are made for many calls. */
  readonly pointReads?: PointReadTexts | undefined;
  /** As those; SQLite's alone. */
  readonly insertionOrders?: InsertionOrders | undefined;
  /** Set where the rows of a long answer may go off before it is whole. */
  readonly onPart?: OnPart | undefined;
  /** As that of a caller's statement. */
  readonly inSession: boolean;
}

const dialects: Readonly<Record<Engine, Dialect>> = {
  sqlite: sqliteDialect,
  duckdb: duckdbDialect,
  postgresql: postgresqlDialect,
};

/** An engine's dialect. */
export function dialectOf(engine: Engine): Dialect {
  return dialects[engine];
}

/**
 * Checks a table's or column's name before it is quoted.
 *
 * @throws {InvalidNameError} for what the engine can't name or would cut.
 */
export function checkName(
  context: OperationContext,
  kind: 'table' | 'column',
  name: unknown,
): string {
  const { dialect, dataset } = context;
  const fields: StorageErrorFields = { engine: dialect.engine, dataset };
  if (typeof name !== 'string' || name === '' || name.includes('\0')) {
    throw new InvalidNameError(
      kind,
      name,
      'use a text that is not empty and has no NUL character',
      fields,
    );
  }
  const limit = dialect.maxIdentifierBytes;
  if (limit !== undefined && Buffer.byteLength(name) > limit) {
    throw new InvalidNameError(kind, name, `the engine takes at most ${limit} bytes`, fields);
  }
  return name;
}

/** Says of each error where it happened. */
export function* located<T>(
  context: OperationContext,
  operation: string,
  body: Program<T>,
  table?: string,
): Program<T> {
  try {
    return yield* body;
  } catch (error) {
    throw toStorageError(context.dialect.engine, error, {
      dataset: context.dataset,
      operation,
      table,
    });
  }
}

/**
 * All or nothing. DuckDB has no savepoints: there a failure inside a caller's transaction fails the whole of it.
 */
export function atomically<T>(context: OperationContext, body: () => Program<T>): Program<T> {
  switch (context.transaction) {
    case 'own':
      return inTransaction(body());
    case 'savepoint':
      return context.dialect.savepoints ? inSavepoint(body()) : body();
    case 'bare':
      return body();
  }
}

/** A program in a transaction of its own: committed when it returns, rolled back when it throws. */
export function* inTransaction<T>(
  program: Program<T>,
  options: { readonly readOnly?: boolean } = {},
): Program<T> {
  yield { kind: 'begin', readOnly: options.readOnly };
  try {
    const result = yield* program;
    yield { kind: 'commit' };
    return result;
  } catch (error) {
    yield* undo('rollback');
    throw error;
  }
}

function* inSavepoint<T>(program: Program<T>): Program<T> {
  yield { kind: 'savepoint' };
  let result: T;
  try {
    result = yield* program;
  } catch (error) {
    yield* undo('rollbackToSavepoint');
    throw error;
  }
  yield { kind: 'release' };
  return result;
}

function* undo(kind: 'rollback' | 'rollbackToSavepoint'): Program<void> {
  try {
    yield { kind };
  } catch {
    // The error that led here says more; a connection that can't roll back is not usable, and its session says so.
  }
}
