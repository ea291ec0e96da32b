import knex from 'knex';
import type { BridgedQueries } from './bridged-queries.ts';

/** A statement waited for its turn as long as Knex waits for a connection. It was not run. */
export class NoTurnError extends Error {}

/** Carries an error past Knex, which takes a time-out that a statement rejects with for one of its own. */
export class NotRunError extends Error {
  override readonly cause: Error;

  constructor(cause: Error) {
    super(cause.message);
    this.cause = cause;
  }
}

/** What Knex says where no connection is to be had in time. */
const noConnection =
  'Knex: Timeout acquiring a connection. The pool is probably full. Are you missing a .transacting(trx) call?';

/** An error of a statement that was not run is the one that Knex has where it acquires a connection. */
export function notRun(queries: BridgedQueries, error: unknown, carried: boolean): unknown {
  const cause = error instanceof NoTurnError ? new knex.KnexTimeoutError(noConnection) : error;
  const isOne = cause !== error || (queries.wasNotRun(error) && error instanceof Error);
  return isOne && carried ? new NotRunError(cause as Error) : cause;
}
