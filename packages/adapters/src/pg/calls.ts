import type { Callback, QueryArguments } from './query-arguments.ts';
import type { StatementBridge } from './statement-bridge.ts';
import type { Session } from './statement.ts';

/** Makes one call of a handle's `query`, and answers in the form that it was made in. */
export function answerQuery(
  statements: StatementBridge,
  given: QueryArguments,
  {
    session,
    promise,
  }: { readonly session?: Session; readonly promise?: PromiseConstructor | undefined } = {},
): unknown {
  const answer = statements.run(given, session);
  if (given.submittable !== undefined) {
    // Its own handlers were told.
    answer.catch(() => undefined);
    return given.submittable;
  }
  if (given.callback !== undefined) {
    tell(answer, given.callback);
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
export function tell(answer: Promise<unknown>, callback: Callback): void {
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
      safely(null, result);
    },
    (error: unknown) => {
      safely(error);
    },
  );
}
