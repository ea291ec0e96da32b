/** What every error of this family can say beside its message. */
export interface ErrorFields {
  /** The driver's error, or whatever else was the reason. */
  readonly cause?: unknown;
  /** True where the same call, made again, may succeed and can't apply a write twice. Default: false. */
  readonly retryable?: boolean | undefined;
}

/**
 * The family of all errors that this library makes by itself. What a leg throws is passed on as it is and is none of them.
 * `code` is stable and meant for programs, the message is meant for people: what was expected, what was found, what to do.
 */
export class ChangeoverError extends Error {
  override readonly name: string = 'ChangeoverError';
  readonly code: string;
  readonly retryable: boolean;

  constructor(code: string, message: string, { cause, retryable = false }: ErrorFields = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.retryable = retryable;
  }
}

/** An option or an argument that can't be used: the message names it, says what was found and what is expected. */
export class InvalidOptionError extends ChangeoverError {
  override readonly name = 'InvalidOptionError';
  constructor(message: string, fields: ErrorFields = {}) {
    super('INVALID_OPTION', message, fields);
  }
}

/** An answer that can't be compared, with why: two that look the same might not be. */
export class NotComparableError extends ChangeoverError {
  override readonly name = 'NotComparableError';
  constructor(message: string, fields: ErrorFields = {}) {
    super('NOT_COMPARABLE', message, fields);
  }
}

/** The snapshot that a read was to be made in has ended. Nothing was read. */
export class SnapshotLostError extends ChangeoverError {
  override readonly name = 'SnapshotLostError';
  constructor(message: string, fields: ErrorFields = {}) {
    super('SNAPSHOT_LOST', message, fields);
  }
}

/** Why a call was ended from outside: its key moved back to the legacy leg, and others waited for it. */
export class MovedBackError extends ChangeoverError {
  override readonly name = 'MovedBackError';
  constructor(backend: string, key: string, withinMs: number) {
    super(
      'MOVED_BACK',
      `${describe(key)} of ${describe(backend)} moved back to the legacy leg, and the call had not ended within ${withinMs} ms`,
    );
  }
}

/** A call was made in a transaction that had been ended from outside. The call was not made. */
export class TransactionOverError extends ChangeoverError {
  override readonly name = 'TransactionOverError';
  readonly key: string;

  constructor(key: string) {
    super(
      'TRANSACTION_OVER',
      `The transaction on ${describe(key)} is over: it was cut because it ran past its bound. A call made in it was refused, ` +
        `since it would have been applied by itself. Run the whole transaction again.`,
    );
    this.key = key;
  }
}

/**
 * A value from outside, quoted and cut for a message.
 *
 * @param value anything; never throws, whatever it is.
 */
export function describe(value: unknown): string {
  if (typeof value !== 'string') return value === null ? 'null' : `of type ${typeof value}`;
  return JSON.stringify(value.length > 80 ? `${value.slice(0, 77)}...` : value);
}
