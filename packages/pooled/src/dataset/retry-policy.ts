import { CircuitOpenError, CommitUnknownError, PoolExhaustedError } from '../pool/pool-errors.ts';
import { classifyError } from '@changeover/engines';
import type { ErrorClass, TransactionState } from '@changeover/engines/api';
import { ConnectionError, StorageError } from '@changeover/engines/api';
import type { Engine, StorageErrorFields } from '@changeover/engines/api';

/** What kind of work failed. `work` is a caller's function in a transaction, which must run once. */
export type WorkKind = 'read' | 'write' | 'work';

/**
 * What is done about a failure: `retry` the call after a growing wait, within its deadline and the retry budget; `wait`
 * for a lock that another holds and try again, within the deadline; `resolve` whether the commit was applied, where the
 * engine can tell, else report it as unknown; `unknown` report that nobody knows; `fail` report the error.
 */
export type RetryAction = 'retry' | 'wait' | 'resolve' | 'unknown' | 'fail';

/** One line of the policy. A list matches any of its values. */
export interface RetryRule {
  readonly error: readonly ErrorClass[];
  readonly kind: readonly WorkKind[];
  /** Where the transaction stood when it failed; `none` for a single statement that commits by itself. */
  readonly state: readonly TransactionState[];
  readonly action: RetryAction;
  readonly why: string;
}

const anyState: readonly TransactionState[] = ['none', 'open', 'failed', 'committing'];

/**
 * The policy: the first line that matches holds, and what matches none fails. A failure to get a connection at all isn't
 * here: admission has limits of its own.
 */
export const retryRules: readonly RetryRule[] = [
  {
    error: ['busy'],
    kind: ['read', 'write'],
    state: anyState,
    action: 'wait',
    why: 'the lock was not had, so nothing was applied; the same work can be done when it is free',
  },
  {
    error: ['conflict'],
    kind: ['read', 'write'],
    state: anyState,
    action: 'retry',
    why: 'the engine gave the transaction up as a whole in favour of another',
  },
  {
    error: ['connection'],
    kind: ['read'],
    state: anyState,
    action: 'retry',
    why: 'a read changes nothing',
  },
  {
    error: ['connection'],
    kind: ['write'],
    state: ['open', 'failed'],
    action: 'retry',
    why: 'COMMIT was not sent, so the engine rolls back',
  },
  {
    error: ['connection'],
    kind: ['write'],
    state: ['none'],
    action: 'unknown',
    why: 'the statement was sent and commits by itself; whether it did nobody has said',
  },
  {
    error: ['connection'],
    kind: ['write', 'work'],
    state: ['committing'],
    action: 'resolve',
    why: 'COMMIT was sent and not answered',
  },
  {
    error: ['connection'],
    kind: ['work'],
    state: ['none', 'open', 'failed'],
    action: 'fail',
    why: "nothing was applied, but the caller's function has run, and must not run twice",
  },
  {
    error: ['busy', 'conflict'],
    kind: ['work'],
    state: anyState,
    action: 'fail',
    why: "nothing was applied, but the caller's function has run, and must not run twice",
  },
];

/** What the policy says of a failure. */
export function retryAction(
  error: ErrorClass,
  kind: WorkKind,
  state: TransactionState,
): RetryAction {
  const rule = retryRules.find(
    (each) => each.error.includes(error) && each.kind.includes(kind) && each.state.includes(state),
  );
  return rule?.action ?? 'fail';
}

/** An error's class for the policy. What the project itself says of an error goes before what its cause looks like. */
export function failureClass(engine: Engine, error: unknown): ErrorClass {
  if (error instanceof CommitUnknownError) return 'unknown';
  if (error instanceof StorageError && error.code === 'CLOSED') return 'unknown';
  return classifyError(engine, error);
}

/** What is certainly not applied counts as a transaction that was not committed. */
export function stateAtFailure(error: unknown, state: TransactionState): TransactionState {
  return error instanceof ConnectionError && error.retryable ? 'open' : state;
}

/** Whether a failure says that there is no connection to be had, rather than none free. */
export function isLackOfConnection(engine: Engine, error: unknown): boolean {
  if (error instanceof PoolExhaustedError || error instanceof CircuitOpenError) return false;
  if (!(error instanceof ConnectionError)) return false;
  return (
    error.code !== 'ACQUIRE_TIMEOUT' ||
    (failureClass(engine, error) === 'connection' && error.cause !== undefined)
  );
}

/** Retries that may be spent: each call that is made earns a share of one, so that retries stay a small part of all calls
 * when everything fails. */
export class RetryBudget {
  readonly #max: number;
  readonly #share: number;
  #left: number;

  /**
   * @param max retries that can be saved up. Default: 20.
   * @param share of a retry that a call earns. Default: 0.1.
   */
  constructor(max = 20, share = 0.1) {
    this.#max = max;
    this.#share = share;
    this.#left = max;
  }

  /** A call was made. */
  earn(): void {
    if (this.#left < this.#max) this.#left = Math.min(this.#max, this.#left + this.#share);
  }

  /** @returns whether there was a retry to spend. */
  spend(): boolean {
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}

/**
 * A lost connection's error for a caller of whose work nothing was applied, so that it may be done again. Any other error as it is: what
 * it says of that is its own.
 */
export function notApplied(error: unknown, fields: StorageErrorFields): unknown {
  if (!(error instanceof ConnectionError) || error.name !== 'ConnectionError' || error.retryable)
    return error;
  return new ConnectionError(error.message, {
    ...fields,
    operation: error.operation ?? fields.operation,
    cause: error.cause,
    retryable: true,
  });
}
