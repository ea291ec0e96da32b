import {
  AbortedError,
  ClosedError,
  ColumnNotFoundError,
  ConnectionError,
  DatasetExistsError,
  DatasetNotFoundError,
  InvalidArgumentError,
  InvalidNameError,
  ReadOnlyError,
  StatementError,
  StorageError,
  TableExistsError,
  TableNotFoundError,
} from '@changeover/engines/api';
import type { Engine, StorageErrorFields } from '@changeover/engines/api';

/** An error as plain data, for crossing between threads, where its class would be lost. */
export interface ErrorData {
  readonly name: string;
  readonly message: string;
  readonly code: string | undefined;
  readonly engine: Engine | undefined;
  readonly dataset: string | undefined;
  readonly table: string | undefined;
  readonly operation: string | undefined;
  readonly retryable: boolean;
  readonly cause: ErrorData | undefined;
}

const classes: ReadonlyMap<string, { readonly prototype: StorageError }> = new Map(
  Object.entries({
    AbortedError,
    ClosedError,
    ColumnNotFoundError,
    ConnectionError,
    DatasetExistsError,
    DatasetNotFoundError,
    InvalidArgumentError,
    InvalidNameError,
    ReadOnlyError,
    StatementError,
    TableExistsError,
    TableNotFoundError,
  }),
);

/** Takes down what an error says. */
export function errorData(error: unknown, depth = 0): ErrorData {
  const fields = (typeof error === 'object' && error !== null ? error : {}) as Readonly<
    Record<string, unknown>
  >;
  const isStorageError = error instanceof StorageError;
  return {
    name: textOf(fields['name']) ?? 'Error',
    message: textOf(fields['message']) ?? String(error),
    code: textOf(fields['code']),
    engine: isStorageError ? error.engine : undefined,
    dataset: isStorageError ? error.dataset : undefined,
    table: isStorageError ? error.table : undefined,
    operation: isStorageError ? error.operation : undefined,
    retryable: isStorageError && error.retryable,
    // A chain of causes may be a ring.
    cause:
      fields['cause'] === undefined || depth >= 4
        ? undefined
        : errorData(fields['cause'], depth + 1),
  };
}

/** The error again, of its class where it is one of the family. */
export function errorFromData(data: ErrorData): Error {
  const cause = data.cause === undefined ? undefined : errorFromData(data.cause);
  const found = data.name === 'StorageError' ? StorageError : classes.get(data.name);
  if (found === undefined) return foreignError(data, cause);
  const fields: StorageErrorFields = { ...data, cause };
  const error = new StorageError(data.code ?? 'UNKNOWN', data.message, fields);
  // The constructors of the classes make their own messages from other arguments.
  Object.setPrototypeOf(error, found.prototype);
  Object.defineProperty(error, 'name', { value: data.name, enumerable: true });
  return error;
}

function foreignError({ name, message, code }: ErrorData, cause: Error | undefined): Error {
  const error = new Error(message, cause === undefined ? undefined : { cause });
  Object.defineProperty(error, 'name', { value: name, configurable: true, writable: true });
  return code === undefined ? error : Object.assign(error, { code });
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
