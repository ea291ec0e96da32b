import { ChangeoverError, describe, type ErrorFields } from '@changeover/core';
import { type Engine, engines } from './engine.ts';

/** What an error can say about where it happened. */
export interface StorageErrorFields extends ErrorFields {
  readonly engine?: Engine | undefined;
  readonly dataset?: string | undefined;
  readonly table?: string | undefined;
  readonly operation?: string | undefined;
}

/**
 * The family of all errors that an operation throws, on either leg. `code` is stable and meant for programs, the message
 * is meant for people: what was expected, what was found, what to do.
 */
export class StorageError extends ChangeoverError {
  override readonly name: string = 'StorageError';
  readonly engine: Engine | undefined;
  readonly dataset: string | undefined;
  readonly table: string | undefined;
  readonly operation: string | undefined;

  constructor(code: string, message: string, fields: StorageErrorFields = {}) {
    super(code, message, fields);
    this.engine = fields.engine;
    this.dataset = fields.dataset;
    this.table = fields.table;
    this.operation = fields.operation;
  }
}

/** `getInstance` or `createBackend` was given a name that is no supported engine. */
export class UnknownEngineError extends StorageError {
  override readonly name = 'UnknownEngineError';
  constructor(found: unknown) {
    super(
      'UNKNOWN_ENGINE',
      `Unknown storage engine ${describe(found)}. Supported: ${engines.join(', ')} (lower case).`,
    );
  }
}

/** A dataset's, table's or column's name that can't be used. */
export class InvalidNameError extends StorageError {
  override readonly name = 'InvalidNameError';
  constructor(
    kind: 'dataset' | 'table' | 'column',
    found: unknown,
    rule: string,
    fields: StorageErrorFields = {},
  ) {
    super('INVALID_NAME', `Invalid ${kind} name ${describe(found)}: ${rule}.`, fields);
  }
}

/** An argument or option that the operation can't take. */
export class InvalidArgumentError extends StorageError {
  override readonly name = 'InvalidArgumentError';
  constructor(message: string, fields: StorageErrorFields = {}) {
    super('INVALID_ARGUMENT', message, fields);
  }
}

/** The dataset doesn't exist. Nothing was created in its place. */
export class DatasetNotFoundError extends StorageError {
  override readonly name = 'DatasetNotFoundError';
  constructor(dataset: string, fields: StorageErrorFields = {}) {
    super(
      'DATASET_NOT_FOUND',
      `Dataset ${describe(dataset)} does not exist. Create it with createDataset first.`,
      {
        ...fields,
        dataset,
      },
    );
  }
}

/** `createDataset` found the dataset there already. It was left as it is. */
export class DatasetExistsError extends StorageError {
  override readonly name = 'DatasetExistsError';
  constructor(dataset: string, fields: StorageErrorFields = {}) {
    super(
      'DATASET_EXISTS',
      `Dataset ${describe(dataset)} exists already. Drop it first, or use it as it is.`,
      {
        ...fields,
        dataset,
      },
    );
  }
}

/** The table doesn't exist in the dataset. */
export class TableNotFoundError extends StorageError {
  override readonly name = 'TableNotFoundError';
  constructor(dataset: string, table: string, fields: StorageErrorFields = {}) {
    super(
      'TABLE_NOT_FOUND',
      `Table ${describe(table)} does not exist in dataset ${describe(dataset)}.`,
      {
        ...fields,
        dataset,
        table,
      },
    );
  }
}

/** `writeTable` with `ifExists: 'fail'` found the table there already. Nothing was written. */
export class TableExistsError extends StorageError {
  override readonly name = 'TableExistsError';
  constructor(dataset: string, table: string, fields: StorageErrorFields = {}) {
    super(
      'TABLE_EXISTS',
      `Table ${describe(table)} exists already in dataset ${describe(dataset)}. ` +
        `Pass ifExists: 'replace' or 'append' to write to it.`,
      { ...fields, dataset, table },
    );
  }
}

/** A column was named that the table doesn't have. Nothing was written. */
export class ColumnNotFoundError extends StorageError {
  override readonly name = 'ColumnNotFoundError';
  constructor(dataset: string, table: string, column: string, fields: StorageErrorFields = {}) {
    super(
      'COLUMN_NOT_FOUND',
      `Table ${describe(table)} in dataset ${describe(dataset)} has no column ${describe(column)}.`,
      { ...fields, dataset, table },
    );
  }
}

/** `query` was given a statement that writes. Nothing was run. */
export class ReadOnlyError extends StorageError {
  override readonly name = 'ReadOnlyError';
  constructor(message: string, fields: StorageErrorFields = {}) {
    super('READ_ONLY', message, fields);
  }
}

/** The engine refused a statement (syntax, constraint, type, …). `cause` is the driver's error. */
export class StatementError extends StorageError {
  override readonly name = 'StatementError';
  constructor(message: string, fields: StorageErrorFields = {}) {
    super('STATEMENT_FAILED', message, fields);
  }
}

/** A statement that leaves something on its connection was refused. Nothing was run. */
export class SessionStateError extends StorageError {
  override readonly name = 'SessionStateError';
  /** @param message default: what to do where a pool's connections are told apart. */
  constructor(
    fields: StorageErrorFields = {},
    message: string = 'The statement sets, locks or makes something that only its connection has, or may do so, and the next call may get ' +
      'another connection. Do it inside a transaction, as SET LOCAL or set_config(…, true), or use session: "pin".',
  ) {
    super('SESSION_STATE', message, fields);
  }
}

/** No connection could be had or it was lost. `retryable` is true only where nothing can have been applied. */
export class ConnectionError extends StorageError {
  override readonly name: string = 'ConnectionError';
  constructor(message: string, fields: StorageErrorFields = {}, code = 'CONNECTION_FAILED') {
    super(code, message, fields);
  }
}

/** The object was closed and takes no more calls. */
export class ClosedError extends StorageError {
  override readonly name = 'ClosedError';
  constructor(message: string, fields: StorageErrorFields = {}) {
    super('CLOSED', message, fields);
  }
}

/** The caller's signal was aborted or its deadline passed before the answer was there. */
export class AbortedError extends StorageError {
  override readonly name = 'AbortedError';
  constructor(message: string, fields: StorageErrorFields = {}) {
    super('ABORTED', message, fields);
  }
}
