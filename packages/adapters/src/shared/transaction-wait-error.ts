import { ChangeoverError } from '@changeover/core';

/** A statement waited too long for a transaction of another caller's to end. It was not sent. */
export class TransactionWaitError extends ChangeoverError {
  override readonly name = 'TransactionWaitError';
  constructor(waitedMs: number) {
    super(
      'TRANSACTION_WAIT',
      `A transaction that another caller began on this handle has been open for more than ${String(waitedMs)} ms. ` +
        'The statement was not sent. End the transaction in every way its code can take, or raise transactionWaitMs.',
      { retryable: true },
    );
  }
}
