import { ChangeoverError, describe } from '@changeover/core';

/**
 * A call inside a transaction was refused because it, the transaction and others would have waited for each other for
 * ever. The call was not made; the transaction goes on, and is rolled back if its work lets this error through.
 */
export class DeadlockError extends ChangeoverError {
  override readonly name = 'DeadlockError';
  /** The key that the call was for. */
  readonly key: string;
  /** The key of the transaction that would have waited for itself. */
  readonly heldKey: string;

  constructor(key: string, heldKey: string) {
    super(
      'DEADLOCK',
      `A call on ${describe(key)} inside a transaction on ${describe(heldKey)} would wait for ever: what it has to wait for ` +
        `waits for that transaction. The call was not made. Use keys in the same order everywhere, or make the call ` +
        `before or after the transaction.`,
      { retryable: true },
    );
    this.key = key;
    this.heldKey = heldKey;
  }
}
