import type { Callback, QueryArguments } from './query-arguments.ts';
import type { StatementBridge } from './statement-bridge.ts';
import type { Session } from './statement.ts';
import { fail } from './submittable.ts';

/** How a handle's `query` answers, beside what it was given. */
interface AnswerForm {
  readonly session?: Session;
  readonly promise?: PromiseConstructor | undefined;
  /** A pool's: a cursor or stream that it is handed is answered when it has ended, and a callback is told no error by undefined. */
  readonly ofPool?: boolean;
}

/** Makes one call of a handle's `query`, and answers in the form that it was made in. */
export function answerQuery(
  statements: StatementBridge,
  given: QueryArguments,
  { session, promise, ofPool }: AnswerForm = {},
): unknown {
  const answer = statements.run(given, session);
  const { submittable } = given;
  if (submittable !== undefined && ofPool !== true) {
    // One that never reached a connection is told so; of all others its own handlers were told.
    answer.catch((error: unknown) => {
      fail(submittable, error);
    });
    return submittable;
  }
  if (given.callback !== undefined) {
    tell(answer, given.callback, { noError: ofPool === true ? undefined : null });
    return undefined;
  }
  // Not by catch(), which is a call more.
  const traced = answer.then(undefined, retrace);
  if (promise === undefined || promise === Promise) return traced;
  return new promise((resolve, reject) => {
    traced.then(resolve, reject);
  });
}

/** As the driver does: an error's stack leads to where the statement was issued. */
function retrace(error: unknown): never {
  if (error instanceof Error) Error.captureStackTrace(error);
  throw error;
}

/** Calls back once; what the callback throws ends the process, as with the driver. */
export function tell(
  answer: Promise<unknown>,
  callback: Callback,
  { noError }: { readonly noError: null | undefined } = { noError: null },
): void {
  const { domain } = process as { readonly domain?: { bind(call: Callback): Callback } };
  const bound = domain?.bind(callback) ?? callback;
  const safely = (...outcome: Parameters<Callback>): void => {
    try {
      bound(...outcome);
    } catch (error) {
      process.nextTick(() => {
        throw error;
      });
    }
  };
  answer.then(
    (result) => {
      safely(noError, result);
    },
    (error: unknown) => {
      safely(error);
    },
  );
}
