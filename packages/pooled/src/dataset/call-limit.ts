import { AbortedError, InvalidArgumentError } from '@changeover/engines/api';
import type { CallOptions, StorageErrorFields } from '@changeover/engines/api';
import { ChangeoverError, type Clock, MovedBackError } from '@changeover/core';
import type { CallEnd } from './call-end.ts';

/** When a call ends at the latest, and by whom. */
export interface CallLimit {
  readonly signal: AbortSignal | undefined;
  /** On the monotonic clock; Infinity for no deadline. */
  readonly atMs: number;
  /** Where somebody else can end the call; its signal is `signal` then. */
  readonly end?: CallEnd | undefined;
}

/**
 * The limit of one call.
 *
 * @param defaultMs the time of a call that brings none; 0 for no limit.
 * @throws {InvalidArgumentError} for a deadline that is no positive number.
 */
export function callLimit(
  options: CallOptions | undefined,
  defaultMs: number,
  nowMs: number,
): CallLimit {
  const deadlineMs: unknown = options?.deadlineMs;
  if (deadlineMs === undefined) {
    return { signal: options?.signal, atMs: defaultMs === 0 ? Infinity : nowMs + defaultMs };
  }
  if (typeof deadlineMs !== 'number' || !(deadlineMs > 0)) {
    throw new InvalidArgumentError('deadlineMs must be a number of milliseconds above 0.');
  }
  return { signal: options?.signal, atMs: nowMs + deadlineMs };
}

/** Throws where the limit is reached already.
 *
 * @throws {AbortedError} */
export function checkLimit(limit: CallLimit, nowMs: number, fields: StorageErrorFields): void {
  if (limit.signal?.aborted === true) throw abortedError(limit.signal.reason, true, fields);
  if (nowMs >= limit.atMs) throw deadlineError(true, fields);
}

/** How an answer was given up. */
export interface GivenUp {
  /** True where the work had not begun, so that certainly nothing of it was or will be applied. */
  readonly unapplied: boolean;
  readonly fields: StorageErrorFields;
  /** Told at once: to cancel the work and to see to what it holds. Returns true where the work was ended by that and settles
   * within ms, so that what it says of itself can be told. */
  onGiveUp(): boolean | undefined;
  /** Told first where the work ended in time. */
  onEnd?: ((failed: boolean) => void) | undefined;
  /** Whether an error of the work's says that it was interrupted, so that nothing was applied. */
  isInterrupted?: ((error: unknown) => boolean) | undefined;
  /** Takes what gives the work up for another reason than the limit. */
  onOther?: ((giveUp: (error: Error) => void) => void) | undefined;
}

/** Waits for work no longer than the limit. The work itself goes on; `onGiveUp` sees to it. */
export function within<Value>(
  work: Promise<Value>,
  limit: CallLimit,
  clock: Clock,
  how: GivenUp,
): Promise<Value> {
  const { signal } = limit;
  if (
    signal === undefined &&
    limit.atMs === Infinity &&
    how.onOther === undefined &&
    how.onEnd === undefined
  )
    return work;
  return new Promise((resolve, reject) => {
    let open = true;
    const end = (): boolean => {
      if (!open) return false;
      open = false;
      timer?.cancel();
      signal?.removeEventListener('abort', onAbort);
      return true;
    };
    const giveUp = (errorIf: (unapplied: boolean) => Error): void => {
      if (!end()) return;
      const isEnded = how.onGiveUp() === true;
      // Ended from outside, it is answered by what became of it.
      if (!isEnded && (how.unapplied || !(signal?.reason instanceof MovedBackError)))
        reject(errorIf(how.unapplied));
      else
        work.then(resolve, (error: unknown) => {
          if (error instanceof AbortedError) reject(errorIf(error.retryable));
          else if (how.isInterrupted?.(error) === true) reject(errorIf(true));
          else reject(asError(error));
        });
    };
    const onAbort = (): void => {
      giveUp((unapplied) => abortedError(signal?.reason, unapplied, how.fields));
    };
    const timer =
      limit.atMs === Infinity
        ? undefined
        : clock.after(Math.max(0, Math.ceil(limit.atMs - clock.monotonicMs())), () => {
            giveUp((unapplied) => deadlineError(unapplied, how.fields));
          });
    signal?.addEventListener('abort', onAbort, { once: true });
    how.onOther?.((error) => {
      giveUp(() => error);
    });
    work.then(
      (value) => {
        if (!end()) return;
        how.onEnd?.(false);
        resolve(value);
      },
      (error: unknown) => {
        if (!end()) return;
        how.onEnd?.(true);
        reject(error);
      },
    );
  });
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

/** @param cause the signal's reason. */
export function abortedError(
  cause: unknown,
  unapplied: boolean,
  fields: StorageErrorFields,
): AbortedError {
  const why = cause instanceof ChangeoverError ? cause.message : 'The caller gave the call up';
  return new AbortedError(`${why}${certainty(unapplied)}.`, {
    ...fields,
    cause,
    retryable: unapplied,
  });
}

function deadlineError(unapplied: boolean, fields: StorageErrorFields): AbortedError {
  return new AbortedError(`The call's deadline passed${certainty(unapplied)}.`, {
    ...fields,
    retryable: unapplied,
  });
}

function certainty(unapplied: boolean): string {
  return unapplied
    ? '; nothing was applied'
    : ' while it ran; if it was a write, it may still be applied or not';
}
